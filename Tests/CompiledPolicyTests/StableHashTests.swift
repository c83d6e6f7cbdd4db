// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import Testing

@Suite struct StableHashTests {
    /// Of `vectors_sip128` in the authors' reference: the key 00 01 … 0f, and a text 00 01 … of so many bytes.
    @Test(arguments: [
        (0, "a3817f04ba25a8e66df67214c7550293"), (1, "da87c1d86b99af44347659119b22fc45"),
        (7, "a1f1ebbed8dbc153c0b84aa61ff08239"), (8, "3b62a9ba6258f5610f83e264f31497b4"),
        (9, "264499060ad9baabc47f8b02bb6d71ed"), (15, "5493e99933b0a8117e08ec0f97cfc3d9"),
        (16, "6ee2a4ca67b054bbfd3315bf85230577"), (63, "5150d1772f50834a503e069a973fbd7c"),
    ])
    func theAuthorsVectors(_ count: Int, bytes: String) {
        var hash = StableHash(key: (0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908))
        for byte in 0..<UInt8(count) { hash.add(byte: byte) }
        let key = hash.finish()
        // The reference writes each half with its least significant byte first.
        #expect("\(StableKey(high: key.high.byteSwapped, low: key.low.byteSwapped))" == bytes)
    }

    @Test func partsDoNotRunTogether() {
        func key(_ texts: String...) -> StableKey {
            var hash = StableHash()
            for text in texts { hash.add(text) }
            return hash.finish()
        }
        #expect(key("ab", "c") != key("a", "bc"))
        #expect(key("") != key())
        #expect(key("a") == key("a"))
    }

    @Test func moreCanBeAddedAfterAKeyWasTaken() {
        var hash = StableHash()
        hash.add(1)
        let first = hash.finish()
        #expect(hash.finish() == first)
        hash.add(2)
        #expect(hash.finish() != first)
    }

    @Test func keysReadAsHexadecimal() {
        #expect("\(StableKey(high: 0xab, low: 1))" == "00000000000000ab0000000000000001")
    }
}
