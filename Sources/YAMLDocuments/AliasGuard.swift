// SPDX-License-Identifier: Apache-2.0

/// Refuses texts whose composition alone could take disproportionate time.
///
/// Aliases as values cost nothing before they are followed, which the reader limits. Keys are hashed while a document
/// is composed, with everything for which aliases inside them stand: nested aliases in a key double the work at each
/// level. A manifest needs no such keys, so a conservative guess from the text is good enough.
enum AliasGuard {
    /// Node visits that hashing may cost.
    private static let workLimit = 64.0 * 1024 * 1024

    static func isTooCostly(_ bytes: ArraySlice<UInt8>) -> Bool {
        guard bytes.contains(UInt8(ascii: "&")), bytes.contains(UInt8(ascii: "*")) else { return false }
        let signs = count(bytes)
        guard signs.anchors > 0, signs.aliases > 0, signs.hasComplexKey else { return false }
        // With n aliases they can multiply to at most three at each of n/3 levels.
        var work = Double(bytes.count)
        for _ in 0..<min((signs.aliases + 2) / 3, 64) { work *= 3 }
        return work > workLimit
    }

    private static func count(_ bytes: ArraySlice<UInt8>) -> (anchors: Int, aliases: Int, hasComplexKey: Bool) {
        var anchors = 0
        var aliases = 0
        var hasComplexKey = false
        var previous = UInt8(ascii: "\n")
        for (index, byte) in zip(bytes.indices, bytes) {
            switch byte {
            case UInt8(ascii: "&") where beginsToken(after: previous): anchors += 1
            case UInt8(ascii: "*") where beginsToken(after: previous):
                aliases += 1
                if isKey(bytes, nameAt: index + 1) { hasComplexKey = true }
            case UInt8(ascii: "?") where beginsToken(after: previous): hasComplexKey = true
            case UInt8(ascii: "]"), UInt8(ascii: "}"):
                if bytes[(index + 1)...].first(where: { $0 != UInt8(ascii: " ") }) == UInt8(ascii: ":") {
                    hasComplexKey = true
                }
            default: break
            }
            previous = byte
        }
        return (anchors, aliases, hasComplexKey)
    }

    private static func beginsToken(after previous: UInt8) -> Bool {
        DocumentSplitter.isSpace(previous) || "[{,:-?\"'".utf8.contains(previous)
    }

    /// Whether a ':' follows the alias on its line.
    private static func isKey(_ bytes: ArraySlice<UInt8>, nameAt start: Int) -> Bool {
        let line = bytes[start...].prefix { $0 != UInt8(ascii: "\n") }.prefix(1024)
        return line.contains(UInt8(ascii: ":"))
    }
}
