// SPDX-License-Identifier: Apache-2.0

/// Cuts a YAML stream at its `---` lines.
///
/// A line that begins with `---` and a space or its end is a document marker wherever it is (YAML 1.2, 9.1.2), even in
/// block scalars, so the cut needs no parsing. Separate documents fail separately.
package enum DocumentSplitter {
    package struct Part: Hashable {
        /// Including the marker line.
        package var bytes: ArraySlice<UInt8>
        /// The line where it begins, counted from 1.
        package var line: Int
    }

    /// Nil if there are more than `limit` parts.
    package static func split(_ bytes: [UInt8], limit: Int) -> [Part]? {
        var parts: [Part] = []
        var start = 0
        var startLine = 1
        var line = 1
        var lineStart = 0
        while lineStart < bytes.count {
            if lineStart > start, isMarker(bytes, at: lineStart) {
                guard parts.count < limit else { return nil }
                parts.append(Part(bytes: bytes[start..<lineStart], line: startLine))
                start = lineStart
                startLine = line
            }
            guard let end = bytes[lineStart...].firstIndex(of: UInt8(ascii: "\n")) else { break }
            lineStart = end + 1
            line += 1
        }
        parts.append(Part(bytes: bytes[start...], line: startLine))
        // The text before the first marker is a document only if it has content.
        if let first = parts.first, !isMarker(bytes, at: 0), isBlank(first.bytes) { parts.removeFirst() }
        return parts.count <= limit ? parts : nil
    }

    /// Whether a part is a marker followed only by empty lines and comments.
    package static func isEmpty(_ part: Part) -> Bool {
        guard part.bytes.starts(with: "---".utf8) else { return false }
        var isComment = false
        for byte in part.bytes.dropFirst(3) {
            if byte == UInt8(ascii: "\n") { isComment = false }
            if byte == UInt8(ascii: "#") { isComment = true }
            if !isComment, !isSpace(byte) { return false }
        }
        return true
    }

    /// Characters of a text that can begin a value of a YAML document: an upper bound on its values, except for the
    /// first.
    package static func signs(_ bytes: ArraySlice<UInt8>) -> Int {
        var count = 0
        for byte in bytes {
            switch byte {
            case UInt8(ascii: "\n"), UInt8(ascii: "\r"), UInt8(ascii: ","), UInt8(ascii: ":"), UInt8(ascii: "-"),
                UInt8(ascii: "["), UInt8(ascii: "{"), UInt8(ascii: "?"):
                count += 1
            default: break
            }
        }
        return count
    }

    private static func isMarker(_ bytes: [UInt8], at position: Int) -> Bool {
        let hyphen = UInt8(ascii: "-")
        guard position + 2 < bytes.count, bytes[position] == hyphen, bytes[position + 1] == hyphen,
            bytes[position + 2] == hyphen
        else { return false }
        return position + 3 == bytes.count || isSpace(bytes[position + 3])
    }

    /// Lines of a part, including an unfinished last one; a carriage return alone also ends a line.
    package static func lineCount(_ bytes: ArraySlice<UInt8>) -> Int {
        var count = 1
        for index in bytes.indices.dropLast() {
            let isReturn = bytes[index] == UInt8(ascii: "\r") && bytes[index + 1] != UInt8(ascii: "\n")
            if isReturn || bytes[index] == UInt8(ascii: "\n") { count += 1 }
        }
        return count
    }

    package static func isSpace(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") || byte == UInt8(ascii: "\r")
            || byte == UInt8(ascii: "\n")
    }

    /// Whether a source has neither a value nor a comment: only white space, a byte order mark, marks of documents, directives,
    /// and nulls. A generator that has only begun to write, or has failed, leaves such a source.
    package static func isEmptied(_ bytes: [UInt8]) -> Bool {
        let text = bytes.starts(with: [0xef, 0xbb, 0xbf]) ? bytes.dropFirst(3) : bytes[...]
        return text.split(whereSeparator: { $0 == UInt8(ascii: "\n") || $0 == UInt8(ascii: "\r") }).allSatisfy { line in
            let words = line.split(whereSeparator: isSpace)
            return words.first?.first == UInt8(ascii: "%")
                || words.allSatisfy { word in nothing.contains { word.elementsEqual($0.utf8) } }
        }
    }

    private static let nothing = ["---", "...", "~", "null"]

    /// Whether there are only empty lines, comments and directives.
    private static func isBlank(_ bytes: ArraySlice<UInt8>) -> Bool {
        bytes.split(separator: UInt8(ascii: "\n")).allSatisfy { line in
            if line.first == UInt8(ascii: "%") { return true }
            guard let first = line.first(where: { !isSpace($0) }) else { return true }
            return first == UInt8(ascii: "#")
        }
    }
}
