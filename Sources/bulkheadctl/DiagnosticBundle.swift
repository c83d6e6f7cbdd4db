// SPDX-License-Identifier: Apache-2.0
import Documents

/// The files of a bug report. A part that fails becomes a line of `errors.txt`.
struct DiagnosticBundle {
    /// The folder of all files in the archive.
    static let folder = "bulkhead-diags"

    struct File {
        /// Chosen by this program; no name of an object, pod or path of the node becomes one.
        var name: String
        /// What it is, for the list.
        var what: String
        var content: [UInt8]
    }

    /// Limit of bytes of one file.
    let limit: Int
    private(set) var files: [File] = []
    private(set) var errors: [String] = []

    init(limit: Int) { self.limit = limit }

    /// Adds what `content` returns, cut to the limit.
    mutating func add(_ name: String, _ what: String, _ content: () async throws -> [UInt8]) async {
        do {
            var bytes = try await content()
            // JSON escapes control characters itself.
            let isText = name.hasSuffix(".txt")
            if isText { bytes = Array(Terminal.visible(String(decoding: bytes, as: UTF8.self)).utf8) }
            if Self.hasAnnotations(bytes[...]) {
                bytes = try isText ? Self.withoutLinesOfAnnotations(bytes) : Self.withoutAnnotations(bytes)
            }
            // Before it is cut: half a token could not be recognized.
            bytes = TokenRedaction.redacted(bytes)
            if bytes.count > limit {
                errors.append("\(name): only the first \(limit) of \(bytes.count) bytes")
                bytes.removeLast(bytes.count - limit)
            }
            files.append(File(name: name, what: what, content: bytes))
        } catch {
            errors.append("\(name): \(error)")
        }
    }

    /// All files, with the errors as the last one.
    var all: [File] {
        guard !errors.isEmpty else { return files }
        let text = errors.map { Terminal.visible($0) + "\n" }.joined()
        return files + [File(name: "errors.txt", what: "what could not be collected", content: Array(text.utf8))]
    }

    func archive(time: Int) -> [UInt8] {
        var archive = TarArchive(time: time)
        for file in all { archive.add("\(Self.folder)/\(file.name)", file.content) }
        return archive.finished
    }

    private static let annotations = Array(#""annotations""#.utf8)

    private static func hasAnnotations(_ bytes: ArraySlice<UInt8>) -> Bool { contains(bytes, annotations) }

    private static func contains(_ bytes: ArraySlice<UInt8>, _ part: [UInt8]) -> Bool {
        var start = bytes.startIndex
        while let found = bytes[start...].firstIndex(of: part[0]), found + part.count <= bytes.endIndex {
            if bytes[found..<found + part.count].elementsEqual(part) { return true }
            start = found + 1
        }
        return false
    }

    /// What is not JSON does not say where annotations end: the whole line is left out.
    private static func withoutLinesOfAnnotations(_ bytes: [UInt8]) -> [UInt8] {
        let end = UInt8(ascii: "\n")
        let removed = Array("(removed)".utf8)[...]
        let lines = bytes.split(separator: end, omittingEmptySubsequences: false)
        return Array(lines.map { hasAnnotations($0) ? removed : $0 }.joined(separator: [end]))
    }

    /// Annotations may hold anything, the whole previous object and what operators keep in them included.
    ///
    /// - Throws: for what is not JSON.
    private static func withoutAnnotations(_ bytes: [UInt8]) throws -> [UInt8] {
        var output: [UInt8] = []
        for value in try JSONReader.readAll(bytes) {
            without(["annotations"], value).appendJSON(to: &output)
            output.append(UInt8(ascii: "\n"))
        }
        return output
    }

    private static func without(_ names: Set<String>, _ node: DocumentNode) -> DocumentNode {
        switch node.value {
        case .mapping(let entries):
            .object(entries.filter { !names.contains($0.key) }.map { ($0.key, without(names, $0.value)) })
        case .sequence(let items): .array(items.map { without(names, $0) })
        default: node
        }
    }
}
