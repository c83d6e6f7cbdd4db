// SPDX-License-Identifier: Apache-2.0

/// Finds the name that a misspelled name was meant to be.
public enum NearestName {
    /// The name in `known` nearest to `name` by edit distance, if it is near enough to be the intent.
    public static func find(_ name: String, among known: [String]) -> String? {
        guard name.utf8.count <= 64 else { return nil }
        let wanted = Array(name.lowercased().utf8)
        // No candidate that is farther away is near enough, whatever its own length.
        var limit = max(1, (known.lazy.map(\.utf8.count).max() ?? 0) / 3)
        var best: (name: String, distance: Int)?
        for candidate in known {
            guard let distance = edits(wanted, lowercase(candidate), atMost: limit) else { continue }
            if let best, (best.distance, best.name) <= (distance, candidate) { continue }
            best = (candidate, distance)
            limit = distance
        }
        return best.flatMap { $0.distance <= max(1, $0.name.utf8.count / 3) ? $0.name : nil }
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
