// SPDX-License-Identifier: Apache-2.0
import Documents
import Yams

/// Reads one part of a YAML stream into nodes with positions.
package struct YAMLReader {
    package struct Failure: Error, Hashable {
        /// Counted from 1 within the part; 0 if unknown.
        package var line: Int
        package var column: Int
        package var reason: String
        package var hint: String?
        /// The certain part of a document that failed: `apiVersion`, `kind` and the names of `metadata`.
        package var head: DocumentNode?
    }

    private let limits: YAMLLimits
    private var nodesLeft: Int

    private init(limits: YAMLLimits, size: Int) {
        self.limits = limits
        // Without aliases a node takes at least a byte, with an implied null next to it.
        nodesLeft = 2 * size + limits.aliasedNodes
    }

    /// The document of `bytes`; nil if it is empty.
    package static func read(_ bytes: ArraySlice<UInt8>, limits: YAMLLimits) throws(Failure) -> DocumentNode? {
        guard var text = String(validating: bytes, as: UTF8.self) else {
            throw Failure(line: 0, column: 0, reason: "is not valid UTF-8", hint: "save the file as UTF-8")
        }
        guard !AliasGuard.isTooCostly(bytes) else {
            throw Failure(line: 0, column: 0, reason: "aliases in keys are nested too deep", hint: nil)
        }
        guard DocumentSplitter.signs(bytes) <= limits.signs else {
            throw Failure(
                line: 0, column: 0,
                reason: "has too many values: more than \(limits.signs) characters that can begin one",
                hint: "split it into several documents, or give it as JSON, which costs less")
        }
        // Yams keeps a pointer into the text; texts of up to 15 bytes have no storage of their own.
        if text.utf8.count < 16 { text += "                " }
        var reader = YAMLReader(limits: limits, size: bytes.count)
        do {
            let parser = try Parser(yaml: text, resolver: .basic, encoding: .utf8)
            guard let root = try parser.singleRoot() else { return nil }
            do throws(Failure) {
                let node = try reader.convert(root, depth: 0)
                return node.isNull ? nil : node
            } catch {
                var failure = error
                failure.head = head(of: root)
                throw failure
            }
        } catch let failure as Failure {
            throw failure
        } catch let error as YamlError {
            var failure = Failure(error)
            if case .duplicatedKeysInMapping = error { failure.head = PlainHead.read(bytes) }
            throw failure
        } catch {
            throw Failure(line: 0, column: 0, reason: "malformed YAML: \(error)", hint: nil)
        }
    }

    /// For a mapping whose own keys say what the document is; merged keys do not count.
    private static func head(of root: Yams.Node) -> DocumentNode? {
        guard case .mapping(let mapping) = root, !mapping.contains(where: { isMergeKey($0.key) }) else { return nil }
        var entries: [DocumentNode.Entry] = []
        for name in ["apiVersion", "kind"] {
            guard let entry = text(name, of: mapping) else { return nil }
            entries.append(entry)
        }
        if case .mapping(let metadata)? = mapping.first(where: { isKey($0.key, "metadata") })?.value {
            let names = ["name", "namespace"].compactMap { text($0, of: metadata) }
            entries.append(.init(key: "metadata", line: 1, column: 1, value: DocumentNode(.mapping(names))))
        }
        return DocumentNode(.mapping(entries), line: root.mark?.line ?? 1, column: root.mark?.column ?? 1)
    }

    /// The only text that the mapping has under `name`.
    private static func text(_ name: String, of mapping: Yams.Node.Mapping) -> DocumentNode.Entry? {
        let values = mapping.filter { isKey($0.key, name) }.map(\.value)
        guard values.count == 1, case .scalar(let scalar) = values[0],
            case .string? = try? self.scalar(scalar, values[0])
        else { return nil }
        return .init(key: name, line: 1, column: 1, value: DocumentNode(.string(scalar.string)))
    }

    private static func isKey(_ node: Yams.Node, _ name: String) -> Bool {
        guard case .scalar(let scalar) = node else { return false }
        return scalar.string == name
    }

    private mutating func convert(_ node: Yams.Node, depth: Int) throws(Failure) -> DocumentNode {
        guard depth <= limits.depth else { throw Failure(node, "nested deeper than \(limits.depth)") }
        nodesLeft -= 1
        guard nodesLeft >= 0 else { throw Failure(node, "aliases stand for too many values") }
        let value: DocumentNode.Value
        switch node {
        case .scalar(let scalar): value = try Self.scalar(scalar, node)
        case .sequence(let sequence):
            try Self.checkTag(sequence.tag, is: .seq, node)
            var items: [DocumentNode] = []
            items.reserveCapacity(sequence.count)
            for item in sequence { items.append(try convert(item, depth: depth + 1)) }
            value = .sequence(items)
        case .mapping(let mapping):
            try Self.checkTag(mapping.tag, is: .map, node)
            value = .mapping(try entries(of: mapping, depth: depth))
        case .alias: throw Failure(node, "an alias without an anchor")
        }
        let mark = node.mark
        return DocumentNode(value, line: mark?.line ?? 1, column: mark?.column ?? 1)
    }

    private mutating func entries(
        of mapping: Yams.Node.Mapping, depth: Int
    ) throws(Failure) -> [DocumentNode.Entry] {
        var entries: [DocumentNode.Entry] = []
        var keys = DistinctKeys()
        var merged: [DocumentNode] = []
        for (keyNode, valueNode) in mapping {
            if Self.isMergeKey(keyNode) {
                merged += try mergeSources(valueNode, depth: depth)
                continue
            }
            let key = try Self.key(keyNode)
            let mark = keyNode.mark
            guard keys.insert(key, into: entries) else {
                throw Failure(keyNode, "duplicate key '\(key.boundedForMessage)'")
            }
            let value = try convert(valueNode, depth: depth + 1)
            entries.append(.init(key: key, line: mark?.line ?? 1, column: mark?.column ?? 1, value: value))
        }
        // Written keys override merged ones, and earlier merged mappings override later ones.
        for source in merged {
            guard case .mapping(let additions) = source.value else { continue }
            for addition in additions where keys.insert(addition.key, into: entries) { entries.append(addition) }
        }
        return entries
    }

    private mutating func mergeSources(_ node: Yams.Node, depth: Int) throws(Failure) -> [DocumentNode] {
        let source = try convert(node, depth: depth + 1)
        let sources: [DocumentNode]
        if case .sequence(let items) = source.value { sources = items } else { sources = [source] }
        for source in sources {
            guard case .mapping = source.value else {
                throw Failure(node, "'<<' needs a mapping or a list of mappings")
            }
        }
        return sources
    }

    private static func isMergeKey(_ node: Yams.Node) -> Bool {
        guard case .scalar(let scalar) = node else { return false }
        return scalar.string == "<<" && scalar.style == .plain
    }

    /// Keys become strings, as in the JSON that Kubernetes makes of a document: `on:` is the key "true".
    private static func key(_ node: Yams.Node) throws(Failure) -> String {
        guard case .scalar(let scalar) = node else {
            throw Failure(node, "a key must be a string, not a mapping or list")
        }
        guard scalar.style == .plain else { return scalar.string }
        switch YAMLScalar.resolve(scalar.string) {
        case .bool(let flag): return flag ? "true" : "false"
        case .integer(let number): return String(number)
        case .null: throw Failure(node, "a key must not be null")
        default: return scalar.string
        }
    }

    private static func scalar(_ scalar: Yams.Node.Scalar, _ node: Yams.Node) throws(Failure) -> DocumentNode.Value {
        let tag = scalar.tag.rawValue
        if tag == Tag.Name.str.rawValue { return .string(scalar.string) }
        let isPlain = scalar.style == .plain
        guard isPlain || tag != Tag.Name.implicit.rawValue else { return .string(scalar.string) }
        let value = YAMLScalar.resolve(scalar.string)
        let matches =
            switch (tag, value) {
            case (Tag.Name.implicit.rawValue, _): true
            case (Tag.Name.bool.rawValue, .bool), (Tag.Name.int.rawValue, .integer): true
            case (Tag.Name.float.rawValue, .float), (Tag.Name.float.rawValue, .integer): true
            case (Tag.Name.null.rawValue, .null), (Tag.Name.timestamp.rawValue, .string): true
            default: false
            }
        guard matches else { throw Failure(node, "the tag '\(tag.boundedForMessage)' does not fit the value") }
        return value
    }

    private static func checkTag(_ tag: Tag, is name: Tag.Name, _ node: Yams.Node) throws(Failure) {
        let known = [Tag.Name.implicit, .nonSpecific, name].contains { $0.rawValue == tag.rawValue }
        guard known else { throw Failure(node, "the tag '\(tag.rawValue.boundedForMessage)' does not fit the value") }
    }
}

extension YAMLReader.Failure {
    fileprivate init(_ node: Yams.Node, _ reason: String) {
        self.init(line: node.mark?.line ?? 0, column: node.mark?.column ?? 0, reason: reason, hint: nil)
    }

    fileprivate init(_ error: YamlError) {
        switch error {
        case .scanner(let context, let problem, let mark, _), .parser(let context, let problem, let mark, _),
            .composer(let context, let problem, let mark, _):
            let around = context.map { "\($0.text) from line \($0.mark.line): " } ?? ""
            self.init(
                line: mark.line, column: mark.column, reason: "malformed YAML: \(around)\(problem)",
                hint: Self.hint(problem))
        case .reader(let problem, let offset, let value, let yaml):
            let before = yaml.prefix(offset ?? 0)
            let line = before.count { $0.isNewline } + 1
            let column = before.reversed().prefix { !$0.isNewline }.count + 1
            let place = offset == nil ? (0, 0) : (line, column)
            self.init(
                line: place.0, column: place.1,
                reason: "malformed YAML: \(problem) (U+\(String(UInt32(bitPattern: value), radix: 16)))", hint: nil)
        case .duplicatedKeysInMapping(let keys, let context):
            let list = keys.prefix(3).map { "'\($0.boundedForMessage)'" }.joined(separator: ", ")
            self.init(
                line: context.mark.line, column: context.mark.column, reason: "duplicate key \(list)",
                hint: "give each key once, or begin another document with ---")
        default:
            self.init(line: 0, column: 0, reason: "malformed YAML", hint: nil)
        }
    }

    private static func hint(_ problem: String) -> String? {
        if problem.contains("cannot start any token") {
            return "indent with spaces, not tabs; quote strings that begin with @ or `"
        }
        if problem.contains("mapping values are not allowed") {
            return "check the indentation, or quote a string that has ': '"
        }
        if problem.contains("expected <document start>") { return "begin each document with ---" }
        if problem.contains("did not find expected key") { return "check the indentation" }
        return nil
    }
}
