// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy

/// A rule's number and key in the user data of its counter.
package struct RuleMark: Hashable, Sendable {
    package var id: RuleID
    package var key: StableKey
    package init(id: RuleID, key: StableKey) {
        self.id = id
        self.key = key
    }

    static let byteCount = 20

    /// Big-endian: number, high and low half of the key.
    var bytes: [UInt8] { Self.big(id.rawValue) + Self.big(key.high) + Self.big(key.low) }

    init?(bytes: some RandomAccessCollection<UInt8>) {
        guard bytes.count == Self.byteCount else { return nil }
        func number(_ offset: Int, _ count: Int) -> UInt64 {
            bytes.dropFirst(offset).prefix(count).reduce(0) { $0 << 8 | UInt64($1) }
        }
        id = RuleID(rawValue: UInt32(number(0, 4)))
        key = StableKey(high: number(4, 8), low: number(12, 8))
    }

    private static func big(_ value: some FixedWidthInteger) -> [UInt8] {
        withUnsafeBytes(of: value.bigEndian) { Array($0) }
    }
}
