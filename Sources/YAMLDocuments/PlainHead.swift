// SPDX-License-Identifier: Apache-2.0
import Documents

/// Finds the kind of a document from its text alone, for a document that cannot be composed because one of its mappings
/// has a duplicate key.
///
/// Works only for documents written like almost all are: a mapping whose keys begin at the left margin, each plain and
/// on its own line. Keys of such a mapping cannot be anywhere else, so a `kind` that is found once is the only one; if
/// it is inside a text or a list, the document has none. For anything else at the left margin, the answer is nil.
enum PlainHead {
    private static let colon = UInt8(ascii: ":")

    static func read(_ bytes: ArraySlice<UInt8>) -> DocumentNode? {
        guard !hasOtherLineEnds(bytes) else { return nil }
        var values: [String: String] = [:]
        var isInMapping = false
        // Whether indented text would continue a value that was taken as complete.
        var isComplete = false
        for (number, raw) in bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).enumerated() {
            var line = raw
            if number == 0, line.starts(with: "---".utf8) {
                line = line.dropFirst(3).drop { DocumentSplitter.isSpace($0) }
            }
            while let last = line.last, DocumentSplitter.isSpace(last) { line.removeLast() }
            guard let first = line.first, first != UInt8(ascii: "#") else { continue }
            if DocumentSplitter.isSpace(first) || first == UInt8(ascii: "-") {
                let isComment = line.first { !DocumentSplitter.isSpace($0) } == UInt8(ascii: "#")
                guard isComment || (isInMapping && !isComplete) else { return nil }
                continue
            }
            guard let (key, value) = entry(line) else { return nil }
            isInMapping = true
            isComplete = key == "kind" || key == "apiVersion"
            guard isComplete else { continue }
            guard let value, values.updateValue(value, forKey: key) == nil else { return nil }
        }
        guard let apiVersion = values["apiVersion"], let kind = values["kind"] else { return nil }
        return DocumentNode(
            .mapping(
                [("apiVersion", apiVersion), ("kind", kind)].map {
                    DocumentNode.Entry(key: $0, line: 1, column: 1, value: DocumentNode(.string($1)))
                }))
    }

    /// A plain key, and its value if that is one plain word.
    private static func entry(_ line: ArraySlice<UInt8>) -> (key: String, value: String?)? {
        let key = line.prefix { isWord($0) }
        let rest = line[key.endIndex...]
        guard !key.isEmpty, rest.first == colon else { return nil }
        let after = rest.dropFirst()
        guard after.first.map(DocumentSplitter.isSpace) ?? true else { return nil }
        let value = after.drop { DocumentSplitter.isSpace($0) }
        let word = value.prefix { isWord($0) }
        let behind = value[word.endIndex...]
        let isComment =
            behind.first.map(DocumentSplitter.isSpace) ?? true
            && behind.first { !DocumentSplitter.isSpace($0) }.map { $0 == UInt8(ascii: "#") } ?? true
        let isPlain = !word.isEmpty && isComment
        return (String(decoding: key, as: UTF8.self), isPlain ? String(decoding: word, as: UTF8.self) : nil)
    }

    private static func isWord(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "/"), UInt8(ascii: "-"),
            UInt8(ascii: "_"):
            true
        default: false
        }
    }

    /// YAML 1.1 also ends lines with a carriage return alone, and with U+0085, U+2028 and U+2029.
    private static func hasOtherLineEnds(_ bytes: ArraySlice<UInt8>) -> Bool {
        for index in bytes.indices {
            let next = index + 1 < bytes.endIndex ? bytes[index + 1] : 0
            switch bytes[index] {
            case UInt8(ascii: "\r") where next != UInt8(ascii: "\n"): return true
            case 0xc2 where next == 0x85: return true
            case 0xe2 where next == 0x80: return true
            default: break
            }
        }
        return false
    }
}
