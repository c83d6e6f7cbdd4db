// SPDX-License-Identifier: Apache-2.0
import Documents
import KubernetesObjects
import YAMLDocuments

/// One document of a file, decoded.
public struct ManifestDocument: Sendable, Hashable {
    /// Its number in the file, counted from 1.
    public var index: Int
    /// The line where it begins, counted from 1.
    public var line: Int
    public var decoded: DecodedDocument
    /// Distinguishes unchanged text from changed text within one process.
    let digest: Int

    /// The same document at another position in the file.
    func moved(toIndex newIndex: Int, line newLine: Int) -> ManifestDocument {
        let down = newLine - line
        guard newIndex != index || down != 0 else { return self }
        var document = self
        document.index = newIndex
        document.line = newLine
        for item in document.decoded.items.indices { document.decoded.items[item].line += down }
        for error in document.decoded.errors.indices {
            document.decoded.errors[error].document = newIndex
            if document.decoded.errors[error].line > 0 { document.decoded.errors[error].line += down }
        }
        for notice in document.decoded.notices.indices {
            document.decoded.notices[notice].document = newIndex
            document.decoded.notices[notice].line += down
        }
        document.decoded.extract?.move(down: down, document: newIndex)
        return document
    }
}

/// Reads the text of a manifest: YAML with any number of documents, or JSON values one after the other.
///
/// Each document is accepted or refused on its own. YAML scalars are resolved as by the Kubernetes tools.
public struct ManifestReader: Sendable {
    public var limits: ManifestLimits
    /// The allowed kinds; a document with another kind is refused. Nil: all known kinds.
    public var kinds: Set<ObjectKind>?
    /// Whether documents have their ``DecodedDocument/extract``.
    public var isExtracting: Bool

    public init(
        limits: ManifestLimits = ManifestLimits(), kinds: Set<ObjectKind>? = nil, isExtracting: Bool = false
    ) {
        self.limits = limits
        self.kinds = kinds
        self.isExtracting = isExtracting
    }

    /// - Parameters:
    ///   - file: the name for errors; a name that ends in `.json` allows only JSON.
    ///   - previous: documents read from this file before; those with the same text are not read again.
    public func read(
        _ bytes: [UInt8], file: String, reusing previous: [ManifestDocument] = []
    ) -> [ManifestDocument] {
        guard bytes.count <= limits.fileSize else {
            return [refused(file, "\(bytes.count) bytes exceed the limit of \(limits.fileSize)")]
        }
        let documents = file.hasSuffix(".json") ? readJSON(bytes, file: file) : readYAML(bytes, file: file, previous)
        return bounded(documents, file: file)
    }

    private func readYAML(_ bytes: [UInt8], file: String, _ previous: [ManifestDocument]) -> [ManifestDocument] {
        let known = Dictionary(
            previous.lazy.filter { $0.index > 0 }.map { ($0.digest, $0) }, uniquingKeysWith: { first, _ in first })
        let start = bytes.starts(with: [0xef, 0xbb, 0xbf]) ? 3 : 0
        let text = start == 0 ? bytes : Array(bytes[start...])
        guard let parts = DocumentSplitter.split(text, limit: limits.documents) else {
            return [refused(file, "there are more than \(limits.documents) documents")]
        }
        var documents: [ManifestDocument] = []
        var problems = 0
        for (offset, part) in parts.enumerated() where !DocumentSplitter.isEmpty(part) {
            guard let document = readPart(part, file: file, index: offset + 1, known: known) else { continue }
            documents.append(document)
            problems += document.decoded.errors.count
            if problems > limits.problems { break }
        }
        return documents
    }

    /// A text with too many problems is refused as a whole: its first problems explain enough.
    private func bounded(_ documents: [ManifestDocument], file: String) -> [ManifestDocument] {
        guard documents.reduce(0, { $0 + $1.decoded.errors.count }) > limits.problems else { return documents }
        var whole = refused(file, "there are more than \(limits.problems) problems; these are the first")
        whole.decoded.errors += documents.lazy.flatMap(\.decoded.errors).prefix(DecodedDocument.errorLimit)
        return [whole]
    }

    /// Nil for a document without content.
    private func readPart(
        _ part: DocumentSplitter.Part, file: String, index: Int, known: [Int: ManifestDocument]
    ) -> ManifestDocument? {
        let digest = Self.digest(part.bytes)
        if let same = known[digest] { return same.moved(toIndex: index, line: part.line) }
        func document(_ decoded: DecodedDocument) -> ManifestDocument {
            ManifestDocument(index: index, line: 1, decoded: decoded, digest: digest)
                .moved(toIndex: index, line: part.line)
        }
        do throws(YAMLReader.Failure) {
            if let root = jsonRoot(part.bytes) { return document(decode(root, file: file, index: index)) }
            guard let root = try YAMLReader.read(part.bytes, limits: limits.yaml) else { return nil }
            var decoded = decode(root, file: file, index: index)
            decoded.keepText(part.bytes, of: root)
            return document(decoded)
        } catch {
            if let passedOver = foreign(error, file: file, index: index) { return document(passedOver) }
            // What is missing at the end is reported after the last line.
            let lineCount = DocumentSplitter.lineCount(part.bytes)
            let problem = ManifestError(
                file: file, document: index, line: part.line + min(max(error.line, 1), lineCount) - 1,
                column: max(error.column, 1), reason: error.reason, hint: error.hint)
            return refused(problem, index: index, line: part.line, digest: digest)
        }
    }

    /// The unreadable document, if it certainly has a kind without meaning here: odd YAML in it, such as lists as keys,
    /// must not prevent the enforcement of others. Nil: it may be one of Bulkhead's kinds.
    private func foreign(_ failure: YAMLReader.Failure, file: String, index: Int) -> DecodedDocument? {
        guard let head = failure.head, let kind = head["kind"]?.string, !kind.hasSuffix("List") else { return nil }
        var decoded = ObjectDecoder.decode(head, file: file, index: index)
        // Only their names are known.
        decoded.services = []
        let isForeign =
            decoded.errors.isEmpty && decoded.items.isEmpty && decoded.keys.isEmpty && !decoded.hasUnknownObjects
            && !decoded.notices.isEmpty
        return isForeign ? decoded : nil
    }

    private func decode(_ root: DocumentNode, file: String, index: Int) -> DecodedDocument {
        var decoded = ObjectDecoder.decode(root, file: file, index: index, isExtracting: isExtracting)
        guard let kinds else { return decoded }
        let known = kinds.map(\.rawValue).sorted().joined(separator: ", ")
        let refused = decoded.items.filter { !kinds.contains($0.object.kind) }.map { item in
            ManifestError(
                file: file, document: index, line: item.line, column: item.column,
                reason: "\(item.object.key) does not belong here", hint: "allowed here: \(known)")
        }
        guard !refused.isEmpty else { return decoded }
        decoded.errors += refused
        decoded.items = []
        return decoded
    }

    /// JSON inside a YAML stream is read as JSON, which is much faster; nil if it is not JSON.
    func jsonRoot(_ bytes: ArraySlice<UInt8>) -> DocumentNode? {
        var text = Array(bytes)
        if text.starts(with: "---".utf8) { text.replaceSubrange(0..<3, with: "   ".utf8) }
        guard text.first(where: { !DocumentSplitter.isSpace($0) }) == UInt8(ascii: "{") else { return nil }
        return try? JSONReader.read(text, limits: jsonLimits)
    }

    var jsonLimits: JSONReader.Limits {
        JSONReader.Limits(depth: limits.depth, size: limits.fileSize, values: limits.jsonValues)
    }

    private func readJSON(_ bytes: [UInt8], file: String) -> [ManifestDocument] {
        do throws(JSONError) {
            let roots = try JSONReader.readAll(bytes, limits: jsonLimits)
            guard roots.count <= limits.documents else {
                return [refused(file, "there are more than \(limits.documents) documents")]
            }
            return roots.enumerated().map { offset, root in
                ManifestDocument(
                    index: offset + 1, line: root.line,
                    decoded: decode(root, file: file, index: offset + 1), digest: 0)
            }
        } catch {
            let problem = ManifestError(
                file: file, document: 1, line: error.line, column: error.column,
                reason: "malformed JSON: \(error.reason)")
            return [refused(problem, index: 1, line: 1, digest: 0)]
        }
    }

    /// Refuses the text as a whole.
    private func refused(_ file: String, _ reason: String) -> ManifestDocument {
        refused(ManifestError(file: file, document: 0, reason: reason), index: 0, line: 1, digest: 0)
    }

    private func refused(_ error: ManifestError, index: Int, line: Int, digest: Int) -> ManifestDocument {
        var decoded = DecodedDocument()
        decoded.errors = [error]
        decoded.hasUnknownObjects = true
        return ManifestDocument(index: index, line: line, decoded: decoded, digest: digest)
    }

    private static func digest(_ bytes: ArraySlice<UInt8>) -> Int {
        var hasher = Hasher()
        bytes.withUnsafeBytes { hasher.combine(bytes: $0) }
        return hasher.finalize()
    }
}

extension DecodedDocument {
    /// The text of a document that is a policy, without the marker before it. Items of a list have no text of their own.
    fileprivate mutating func keepText(_ bytes: ArraySlice<UInt8>, of root: DocumentNode) {
        guard let node = extract?.policies.first?.node, (node.line, node.column) == (root.line, root.column) else {
            return
        }
        var text = bytes
        let line = text.prefix { $0 != UInt8(ascii: "\n") }
        if line.starts(with: "---".utf8), line.dropFirst(3).allSatisfy(DocumentSplitter.isSpace) {
            text = text.dropFirst(line.count + 1)
        }
        while let last = text.last, DocumentSplitter.isSpace(last) { text.removeLast() }
        extract?.policies[0].text = String(decoding: text, as: UTF8.self) + "\n"
    }
}
