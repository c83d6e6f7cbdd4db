// SPDX-License-Identifier: Apache-2.0

/// Finds the name that a misspelled name was meant to be.
public enum NearestName {
    /// The name in `known` nearest to `name` by edit distance, if it is near enough to be the intent.
    public static func find(_ name: String, among known: [String]) -> String? {
        guard name.utf8.count <= 64 else { return nil }
        let candidates = known.map { ($0, edits(Array(name.lowercased().utf8), Array($0.lowercased().utf8))) }
        guard let best = candidates.min(by: { ($0.1, $0.0) < ($1.1, $1.0) }) else { return nil }
        return best.1 <= max(1, best.0.utf8.count / 3) ? best.0 : nil
    }

    /// The distance of `candidate` from `name`, if it may have been meant: 1 if it continues with a hyphen, as the
    /// names of a Deployment's pods do after its name, otherwise the number of edits. Nil if it was not meant.
    public static func distance(_ name: String, to candidate: String) -> Int? {
        let (short, long) = (Array(name.utf8), Array(candidate.utf8))
        if !short.isEmpty, long.starts(with: short), long.count > short.count, long[short.count] == UInt8(ascii: "-") {
            return 1
        }
        let limit = max(1, long.count / 3)
        guard short.count <= 64, abs(short.count - long.count) <= limit else { return nil }
        let edits = edits(short, long)
        return edits <= limit ? edits : nil
    }

    /// Insertions, deletions, replacements and swaps of neighbors (optimal string alignment).
    private static func edits(_ a: [UInt8], _ b: [UInt8]) -> Int {
        var twoBack: [Int] = []
        var previous = Array(0...b.count)
        for i in a.indices {
            var row = [i + 1]
            for j in b.indices {
                var best = min(row[j] + 1, previous[j + 1] + 1, previous[j] + (a[i] == b[j] ? 0 : 1))
                if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] { best = min(best, twoBack[j - 1] + 1) }
                row.append(best)
            }
            twoBack = previous
            previous = row
        }
        return previous[b.count]
    }
}
