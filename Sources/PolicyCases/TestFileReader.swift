// SPDX-License-Identifier: Apache-2.0
import Documents
import KubernetesObjects

/// Reads a file of policy tests strictly: a field that means nothing refuses the file, so that a misspelled test never
/// passes as another one than was meant.
struct TestFileReader {
    let file: String
    /// In the order of the file.
    private(set) var errors: [ManifestError] = []
    /// Of ends without a namespace.
    var namespace = "default"

    init(file: String) { self.file = file }

    mutating func fail(_ node: DocumentNode, _ path: FieldPath, _ reason: String, hint: String? = nil) {
        fail(node.line, node.column, path, reason, hint: hint)
    }

    mutating func fail(_ line: Int, _ column: Int, _ path: FieldPath, _ reason: String, hint: String? = nil) {
        guard errors.count < DecodedDocument.errorLimit else { return }
        errors.append(
            ManifestError(
                file: file, document: 0, line: line, column: column, path: path, reason: reason, hint: hint))
    }

    mutating func add(_ more: [ManifestError]) {
        errors += more.prefix(max(0, DecodedDocument.errorLimit - errors.count))
    }

    /// The entries of a mapping whose keys are all known; empty if it is none.
    mutating func fields(
        _ node: DocumentNode, _ path: FieldPath, _ known: [String]
    ) -> [String: DocumentNode] {
        var result: [String: DocumentNode] = [:]
        for entry in entries(node, path) {
            if known.contains(entry.key) {
                result[entry.key] = entry.value
            } else {
                let nearest = NearestName.find(entry.key, among: known).map { "did you mean \($0)?" }
                fail(
                    entry.line, entry.column, path.appending(.field(entry.key)), "unknown field",
                    hint: nearest ?? "use \(known.joined(separator: ", "))")
            }
        }
        return result
    }

    mutating func entries(_ node: DocumentNode, _ path: FieldPath) -> [DocumentNode.Entry] {
        guard case .mapping(let entries) = node.value else {
            fail(node, path, "must be a mapping, is \(node.kindInWords)")
            return []
        }
        return entries
    }

    mutating func items(_ node: DocumentNode, _ path: FieldPath) -> [DocumentNode] {
        guard case .sequence(let items) = node.value else {
            fail(node, path, "must be a list, is \(node.kindInWords)")
            return []
        }
        return items
    }

    /// A text that is not empty.
    mutating func text(_ node: DocumentNode, _ path: FieldPath) -> String? {
        guard let text = node.string, !text.isEmpty else {
            fail(node, path, "must be a text, is \(node.string == nil ? node.kindInWords : "empty")")
            return nil
        }
        return text
    }

    /// A text or a list of texts that is not empty, with the place of each.
    mutating func texts(
        _ node: DocumentNode, _ path: FieldPath, numbers: Bool = false
    ) -> [(text: String, node: DocumentNode, path: FieldPath)] {
        var nodes = [(node, path)]
        if case .sequence(let items) = node.value {
            nodes = items.enumerated().map { ($1, path.appending(.index($0))) }
            if items.isEmpty { fail(node, path, "must not be empty") }
            if items.count > PolicyTestFile.endLimit {
                fail(node, path, "\(items.count) values are more than \(PolicyTestFile.endLimit)")
                return []
            }
        }
        var result: [(String, DocumentNode, FieldPath)] = []
        for (node, path) in nodes {
            if numbers, case .integer(let number) = node.value {
                result.append(("\(number)", node, path))
            } else if let text = text(node, path) {
                result.append((text, node, path))
            }
        }
        return result
    }
}
