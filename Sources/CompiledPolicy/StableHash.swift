// SPDX-License-Identifier: Apache-2.0

/// SipHash-2-4 with 128 bits of output (Aumasson and Bernstein, "SipHash: a fast short-input PRF", and the authors'
/// reference for the longer output) under a fixed key, so that a key is the same in every run and on every machine.
/// Each part is hashed with its length, so that adjacent parts never run together.
public struct StableHash: Sendable {
    private var v0: UInt64
    private var v1: UInt64
    private var v2: UInt64
    private var v3: UInt64
    private var pending: UInt64 = 0
    private var count: UInt64 = 0

    public init() { self.init(key: (0x6275_6c6b_6865_6164, 0x7374_6162_6c65_6b65)) }

    /// Another key, for the authors' vectors.
    package init(key: (UInt64, UInt64)) {
        v0 = 0x736f_6d65_7073_6575 ^ key.0
        v1 = 0x646f_7261_6e64_6f6d ^ key.1 ^ 0xee
        v2 = 0x6c79_6765_6e65_7261 ^ key.0
        v3 = 0x7465_6462_7974_6573 ^ key.1
    }

    public mutating func add(byte: UInt8) {
        pending |= UInt64(byte) << (8 * (count % 8))
        count += 1
        guard count % 8 == 0 else { return }
        absorb(pending)
        pending = 0
    }

    /// Eight bytes, least significant first.
    public mutating func add(_ value: UInt64) {
        for shift in 0..<8 { add(byte: UInt8(truncatingIfNeeded: value >> UInt64(8 * shift))) }
    }

    public mutating func add(_ value: Int) { add(UInt64(bitPattern: Int64(value))) }

    /// The text's UTF-8 with its length before it.
    public mutating func add(_ text: String) {
        add(text.utf8.count)
        for byte in text.utf8 { add(byte: byte) }
    }

    public mutating func add(_ key: StableKey) {
        add(key.high)
        add(key.low)
    }

    /// The key of everything that was added.
    public func finish() -> StableKey {
        var copy = self
        copy.absorb(copy.pending | copy.count << 56)
        copy.v2 ^= 0xee
        for _ in 0..<4 { copy.round() }
        let high = copy.v0 ^ copy.v1 ^ copy.v2 ^ copy.v3
        copy.v1 ^= 0xdd
        for _ in 0..<4 { copy.round() }
        return StableKey(high: high, low: copy.v0 ^ copy.v1 ^ copy.v2 ^ copy.v3)
    }

    private mutating func absorb(_ word: UInt64) {
        v3 ^= word
        round()
        round()
        v0 ^= word
    }

    private mutating func round() {
        v0 = v0 &+ v1
        v1 = (v1 << 13 | v1 >> 51) ^ v0
        v0 = v0 << 32 | v0 >> 32
        v2 = v2 &+ v3
        v3 = (v3 << 16 | v3 >> 48) ^ v2
        v0 = v0 &+ v3
        v3 = (v3 << 21 | v3 >> 43) ^ v0
        v2 = v2 &+ v1
        v1 = (v1 << 17 | v1 >> 47) ^ v2
        v2 = v2 << 32 | v2 >> 32
    }
}
