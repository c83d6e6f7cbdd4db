// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import NetworkTypes
import WorldKit

/// Seeded choices for the tables' tests.
struct SeededRandom: RandomNumberGenerator {
    private var bits: SplitMix64
    init(_ seed: UInt64) { bits = SplitMix64(seed: seed) }
    mutating func next() -> UInt64 { bits.next() }

    mutating func number(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &self) }
    mutating func chance(_ percent: Int) -> Bool { number(1...100) <= percent }

    /// Addresses that crowd: few values in each part, so that prefixes nest and collide.
    mutating func address(_ family: AddressFamily) -> IPAddress {
        switch family {
        case .ipv4:
            let upper: UInt32 = [0x0a00, 0x0a01, 0xc0a8][number(0...2)]
            let middle = UInt32(chance(70) ? number(0...2) : number(0...255))
            return IPAddress(v4: upper << 16 | middle << 8 | UInt32(number(0...255)))
        case .ipv6:
            func group() -> UInt64 { UInt64(chance(80) ? number(0...2) : number(0...65535)) }
            func half() -> UInt64 { (0..<4).reduce(UInt64(0)) { bits, _ in bits << 16 | group() } }
            return IPAddress(v6High: half(), low: half())
        }
    }

    mutating func prefix(_ family: AddressFamily) -> CIDR {
        let width = family.bitWidth
        let length = chance(50) ? width : chance(4) ? number(0...8) : number(8...width)
        return CIDR(address(family), prefixLength: length)
    }

    mutating func entry() -> AddressEntry {
        AddressEntry(
            addressClass: AddressClassID(rawValue: UInt32(number(0...9))),
            endpoint: EndpointID(rawValue: UInt16(chance(30) ? number(1...5) : 0)))
    }
}
