// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import NetworkTypes

/// Goes through the keys of a table that changes meanwhile, one at a time, without a list of them. What stays in the
/// table is met in every sweep, unless the table is rehashed in its middle.
struct KeySweep<Key: Hashable & Sendable>: Sendable {
    /// The last keys, so that a sweep continues if the last one is gone.
    private var trail: [Key] = []
    private static var trailLimit: Int { 16 }

    /// The next key; the first one after the last.
    mutating func next<Value>(in table: [Key: Value]) -> Key? {
        guard !table.isEmpty else { return nil }
        var place = table.startIndex
        while let last = trail.last {
            if let index = table.index(forKey: last) {
                place = table.index(after: index)
                break
            }
            trail.removeLast()
        }
        if place == table.endIndex {
            trail.removeAll(keepingCapacity: true)
            place = table.startIndex
        }
        let key = table[place].key
        if trail.count == Self.trailLimit { trail.removeFirst() }
        trail.append(key)
        return key
    }
}

extension IPAddress {
    /// Whether a packet that is forwarded may have it at either end: not a group's, not loopback, not of one link alone.
    package var isAskable: Bool {
        switch family {
        case .ipv4: (1..<224).contains(v4 >> 24) && v4 >> 24 != 127
        case .ipv6: high >> 56 != 0xff && high >> 54 != 0x3fa && (high != 0 || low > 1)
        }
    }

    /// The next higher address, or the next lower one; the ends of the space meet.
    func neighbor(_ step: Int) -> IPAddress {
        switch family {
        case .ipv4: return IPAddress(v4: v4 &+ UInt32(truncatingIfNeeded: step))
        case .ipv6:
            let (sum, carries) =
                step > 0 ? low.addingReportingOverflow(1) : low.subtractingReportingOverflow(1)
            return IPAddress(v6High: carries ? (step > 0 ? high &+ 1 : high &- 1) : high, low: sum)
        }
    }
}

extension CIDR {
    /// The last address.
    var last: IPAddress {
        let length = Int(prefixLength)
        switch family {
        case .ipv4: return IPAddress(v4: network.v4 | (length == 32 ? 0 : .max >> UInt32(length)))
        case .ipv6:
            let high = length >= 64 ? network.high : network.high | .max >> UInt64(length)
            let low = length <= 64 ? .max : length == 128 ? network.low : network.low | .max >> UInt64(length - 64)
            return IPAddress(v6High: high, low: low)
        }
    }

    /// First and last address, their neighbors outside, and one inside.
    func corner(_ number: Int, _ random: inout ProofRandom) -> IPAddress {
        switch number {
        case 0: return network
        case 1: return last
        case 2: return network.neighbor(-1)
        case 3: return last.neighbor(1)
        default:
            let (high, low) = (random.next(), random.next())
            switch family {
            case .ipv4: return IPAddress(v4: network.v4 | UInt32(truncatingIfNeeded: low) & (network.v4 ^ last.v4))
            case .ipv6:
                return IPAddress(
                    v6High: network.high | high & (network.high ^ last.high),
                    low: network.low | low & (network.low ^ last.low))
            }
        }
    }
}
