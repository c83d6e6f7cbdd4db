// SPDX-License-Identifier: Apache-2.0
import Documents
import KubernetesObjects
import YAMLDocuments

/// Why a file of policy tests is refused: each problem with its place.
public struct PolicyTestFileError: Error, Sendable, Hashable {
    /// Not empty.
    public var problems: [ManifestError]
}

extension PolicyTestFile {
    private static let fields = ["manifests", "namespaces", "pods", "objects", "namespace", "tests"]

    /// Reads the text of a file.
    ///
    /// - Parameter name: the file's name in messages.
    /// - Throws: every problem that was found.
    public init(_ bytes: [UInt8], name: String) throws(PolicyTestFileError) {
        let root: DocumentNode
        do throws(DocumentError) {
            root = try DocumentReader.read(bytes, limits: YAMLLimits(size: 16 << 20))
        } catch {
            throw PolicyTestFileError(problems: [
                ManifestError(file: name, document: 0, line: error.line, column: 1, reason: error.reason)
            ])
        }
        self.init(name: name)
        var reader = TestFileReader(file: name)
        read(root, &reader)
        guard reader.errors.isEmpty else { throw PolicyTestFileError(problems: reader.errors) }
    }

    private mutating func read(_ root: DocumentNode, _ reader: inout TestFileReader) {
        let path = FieldPath()
        let fields = reader.fields(root, path, Self.fields)
        func place(_ name: String) -> FieldPath { path.appending(.field(name)) }
        if let node = fields["namespace"], let text = reader.text(node, place("namespace")) { reader.namespace = text }
        if let node = fields["manifests"] {
            manifests = reader.texts(node, place("manifests")).map { PlacedPath(path: $0.text, line: $0.node.line) }
        }
        if let node = fields["namespaces"] { addNamespaces(node, place("namespaces"), &reader) }
        if let node = fields["pods"] { addPods(node, place("pods"), &reader) }
        if let node = fields["objects"] {
            for (index, item) in reader.items(node, place("objects")).enumerated() {
                add(item, place("objects").appending(.index(index)), &reader)
            }
        }
        refuseDuplicates(&reader, root)
        guard let tests = fields["tests"] else { return reader.fail(root, place("tests"), "is required") }
        let items = reader.items(tests, place("tests"))
        if case .sequence = tests.value, items.isEmpty { reader.fail(tests, place("tests"), "must not be empty") }
        guard items.count <= Self.caseLimit else {
            return reader.fail(tests, place("tests"), "\(items.count) tests are more than \(Self.caseLimit)")
        }
        for (index, item) in items.enumerated() {
            if let test = reader.testCase(item, place("tests").appending(.index(index))) { cases.append(test) }
        }
    }

    /// Two objects of one name in one file: one of them would be silently without effect.
    private func refuseDuplicates(_ reader: inout TestFileReader, _ root: DocumentNode) {
        var seen: Set<ObjectKey> = []
        for object in objects where !seen.insert(object.key).inserted {
            reader.fail(root, FieldPath(), "\(object.key) is given twice")
        }
    }

    /// A Kubernetes document, with its problems at their places in the file.
    private mutating func add(_ node: DocumentNode, _ path: FieldPath, _ reader: inout TestFileReader) {
        var decoded = ObjectDecoder.decode(node, file: reader.file, index: 0, isExtracting: true)
        for index in decoded.errors.indices {
            decoded.errors[index].path = FieldPath(path.components + decoded.errors[index].path.components)
            if decoded.errors[index].line < node.line { decoded.errors[index].line = node.line }
        }
        reader.add(decoded.errors)
        objects += decoded.objects
        services += decoded.services
        extracts += [decoded.extract].compactMap(\.self)
        notices += decoded.notices
    }

    private mutating func addNamespaces(
        _ node: DocumentNode, _ path: FieldPath, _ reader: inout TestFileReader
    ) {
        for entry in reader.entries(node, path) {
            let path = path.appending(.field(entry.key))
            let fields = entry.value.isNull ? [:] : reader.fields(entry.value, path, ["labels"])
            let metadata = [("name", DocumentNode.string(entry.key))] + fields.map { ($0.key, $0.value) }
            add(
                .document("Namespace", [("metadata", .object(metadata))], line: entry.line), path, &reader)
        }
    }

    private mutating func addPods(_ node: DocumentNode, _ path: FieldPath, _ reader: inout TestFileReader) {
        let known = ["labels", "serviceAccount", "hostNetwork", "ports", "node", "ip"]
        for entry in reader.entries(node, path) {
            let path = path.appending(.field(entry.key))
            let parts = entry.key.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            let fields = entry.value.isNull ? [:] : reader.fields(entry.value, path, known)
            var metadata: [(String, DocumentNode)] = [
                ("name", .string(parts[parts.count - 1])),
                ("namespace", .string(parts.count > 1 ? parts[0] : reader.namespace)),
            ]
            if let labels = fields["labels"] { metadata.append(("labels", labels)) }
            var container: [(String, DocumentNode)] = [("name", .string("c")), ("image", .string("i"))]
            if let ports = fields["ports"] {
                container.append(("ports", .array(self.ports(ports, path.appending(.field("ports")), &reader))))
            }
            var spec: [(String, DocumentNode)] = [("containers", .array([.object(container)]))]
            for (field, name) in [
                ("serviceAccount", "serviceAccountName"), ("hostNetwork", "hostNetwork"), ("node", "nodeName"),
            ] {
                if let value = fields[field] { spec.append((name, value)) }
            }
            var document: [(String, DocumentNode)] = [("metadata", .object(metadata)), ("spec", .object(spec))]
            if let address = fields["ip"] {
                document.append(("status", .object([("phase", .string("Running")), ("podIP", address)])))
            }
            add(.document("Pod", document, line: entry.line), path, &reader)
        }
    }

    /// Named ports: `{http: 8080, dns: 53/udp}`.
    private func ports(_ node: DocumentNode, _ path: FieldPath, _ reader: inout TestFileReader) -> [DocumentNode] {
        var result: [DocumentNode] = []
        for entry in reader.entries(node, path) {
            let text: String? =
                if case .integer(let number) = entry.value.value { "\(number)" } else { entry.value.string }
            let parts = (text ?? "").split(separator: "/", omittingEmptySubsequences: false)
            guard parts.count <= 2, let number = parts.first.flatMap({ UInt16($0) }) else {
                reader.fail(entry.value, path.appending(.field(entry.key)), "must be a port such as 8080 or 53/udp")
                continue
            }
            result.append(
                .object([
                    ("name", .string(entry.key)), ("containerPort", .integer(Int64(number))),
                    ("protocol", .string(parts.count == 2 ? parts[1].uppercased() : "TCP")),
                ]))
        }
        return result
    }
}

extension DocumentNode {
    /// A core object that the file describes in short.
    fileprivate static func document(_ kind: String, _ fields: [(String, DocumentNode)], line: Int) -> DocumentNode {
        var node = object([("apiVersion", .string("v1")), ("kind", .string(kind))] + fields)
        node.line = line
        return node
    }
}
