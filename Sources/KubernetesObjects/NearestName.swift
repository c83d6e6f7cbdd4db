// SPDX-License-Identifier: Apache-2.0

/// Finds the name that a misspelled name was meant to be.
public enum NearestName {
    /// The name in `known` nearest to `name`, if it is near enough to be the intent: by edits, where more words at the
    /// end, or fewer, are one edit.
    public static func find(_ name: String, among known: [String]) -> String? { nearest(name, among: known)?.name }

    /// The nearest name; if that is `name` and more words, all such names, sorted.
    public static func all(like name: String, among known: [String]) -> [String] {
        guard let nearest = nearest(name, among: known) else { return [] }
        let wanted = Word(name)
        let longer = known.filter { Word($0).continues(wanted) }.sorted()
        return longer.contains(nearest.name) ? longer : [nearest.name]
    }

    /// How far a name is from the one that was given: its distance, and among equals the number of letters.
    private struct Candidate {
        var name: String
        var distance: Int
        var edits: Int

        func isBefore(_ other: Candidate) -> Bool {
            (distance, edits, name) < (other.distance, other.edits, other.name)
        }
    }

    private static func nearest(_ name: String, among known: [String]) -> Candidate? {
        guard name.utf8.count <= 64 else { return nil }
        let wanted = Word(name)
        var best: Candidate?
        for name in known {
            let word = Word(name)
            // No farther one is near enough, or better than the best.
            let limit = min(max(1, word.bytes.count / 3), best?.distance ?? .max)
            let candidate: Candidate
            if word.continues(wanted) || wanted.continues(word) {
                let edits = abs(word.lowercase.count - wanted.lowercase.count)
                candidate = Candidate(name: name, distance: 1, edits: edits)
            } else if let edits = edits(wanted.lowercase, word.lowercase, atMost: limit) {
                candidate = Candidate(name: name, distance: edits, edits: edits)
            } else {
                continue
            }
            if best.map(candidate.isBefore) ?? true { best = candidate }
        }
        return best
    }

    /// A name as it is compared.
    private struct Word {
        var bytes: [UInt8]
        var lowercase: [UInt8]

        init(_ name: String) {
            bytes = Array(name.utf8)
            lowercase = NearestName.lowercase(name)
        }

        /// Whether it is the other one and more words: `node-name` and `node`, `podSelector` and `pod`.
        func continues(_ other: Word) -> Bool {
            let end = other.lowercase.count
            // Other letters may have another length in lower case.
            guard end > 0, bytes.count > end, bytes.count == lowercase.count, lowercase.starts(with: other.lowercase)
            else { return false }
            let (last, next) = (bytes[end - 1], bytes[end])
            return Self.isSeparator(last) || Self.isSeparator(next)
                || (0x41...0x5a).contains(next) && !(0x41...0x5a).contains(last)
        }

        private static func isSeparator(_ byte: UInt8) -> Bool {
            switch byte {
            case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, 0x80...: false
            default: true
            }
        }
    }

    private static func lowercase(_ name: String) -> [UInt8] {
        // Names of objects and labels are ASCII, for which no other string is needed.
        var bytes = Array(name.utf8)
        for index in bytes.indices {
            if bytes[index] >= 0x80 { return Array(name.lowercased().utf8) }
            if (0x41...0x5a).contains(bytes[index]) { bytes[index] |= 0x20 }
        }
        return bytes
    }

    /// The distance of `candidate` from `name`, if it may have been meant: 1 if it continues with a hyphen, as the
    /// names of a Deployment's pods do after its name, otherwise the number of edits. Nil if it was not meant.
    public static func distance(_ name: String, to candidate: String) -> Int? {
        let (short, long) = (Array(name.utf8), Array(candidate.utf8))
        if !short.isEmpty, long.starts(with: short), long.count > short.count, long[short.count] == UInt8(ascii: "-") {
            return 1
        }
        guard short.count <= 64 else { return nil }
        return edits(short, long, atMost: max(1, long.count / 3))
    }

    /// Insertions, deletions, replacements and swaps of neighbors (optimal string alignment); nil if there are more
    /// than `limit`. Only the cells near the diagonal are computed: all others are farther away than the limit.
    private static func edits(_ a: [UInt8], _ b: [UInt8], atMost limit: Int) -> Int? {
        guard abs(a.count - b.count) <= limit else { return nil }
        let far = limit + 1
        return withUnsafeTemporaryAllocation(of: Int.self, capacity: 3 * (b.count + 1)) { cells -> Int? in
            cells.initialize(repeating: far)
            for column in 0...b.count { cells[column] = min(column, far) }
            let width = b.count + 1
            // Where the rows for i - 2, i - 1 and i start.
            var (twoBack, previous, row) = (2 * width, 0, width)
            for i in 0..<a.count {
                let columns = max(0, i - limit)..<min(b.count, i + limit + 1)
                cells[row + columns.lowerBound] = columns.lowerBound == 0 ? min(i + 1, far) : far
                if columns.upperBound < b.count { cells[row + columns.upperBound + 1] = far }
                for j in columns {
                    var best = min(
                        cells[row + j] + 1, cells[previous + j + 1] + 1, cells[previous + j] + (a[i] == b[j] ? 0 : 1))
                    if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] {
                        best = min(best, cells[twoBack + j - 1] + 1)
                    }
                    best = min(best, far)
                    cells[row + j + 1] = best
                }
                (twoBack, previous, row) = (previous, row, twoBack)
            }
            let distance = cells[previous + b.count]
            return distance <= limit ? distance : nil
        }
    }
}
