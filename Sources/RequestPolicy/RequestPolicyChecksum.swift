// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import NetworkTypes
import PolicyModel

/// 128 bits of everything that decides in a ``RequestPolicy``. It shows a line that was lost or misread. It is not a
/// protection from a daemon that lies.
public struct RequestPolicyChecksum: Sendable, Hashable, CustomStringConvertible {
    public var high: UInt64 = 0
    public var low: UInt64 = 0

    /// The sum over the parts, so that their order does not matter.
    public init(_ policy: RequestPolicy) {
        for (number, sets) in policy.classes {
            add { hash in
                hash.add(UInt64(number))
                for set in sets { hash.add(UInt64(set.rawValue)) }
            }
        }
        for (address, entry) in policy.sources.hosts { add(CIDR(host: address), entry) }
        for (prefix, entry) in policy.sources.prefixes { add(prefix, entry) }
        for (number, program) in policy.programs {
            let rules = program.rules.count
            add(
                [.setProgram(number, rules: rules, auditRules: program.auditRules.count)]
                    + (program.rules + program.auditRules).map(RequestPolicyLine.rule))
        }
        for (number, endpoint) in policy.endpoints { add([.setEndpoint(number, endpoint)]) }
    }

    /// Reads 32 hexadecimal digits; nil for anything else.
    public init?(_ text: String) {
        guard text.utf8.count == 32, text.utf8.allSatisfy({ UInt8(ascii: "+") != $0 && UInt8(ascii: "-") != $0 }),
            let high = UInt64(text.prefix(16), radix: 16), let low = UInt64(text.suffix(16), radix: 16)
        else { return nil }
        (self.high, self.low) = (high, low)
    }

    public var description: String { StableKey(high: high, low: low).description }

    private mutating func add(_ prefix: CIDR, _ entry: AddressEntry) {
        add { hash in
            hash.add(byte: prefix.prefixLength)
            hash.add(byte: prefix.family.rawValue)
            hash.add(prefix.network.high)
            hash.add(prefix.network.low)
            hash.add(UInt64(entry.addressClass.rawValue))
        }
    }

    private mutating func add(_ lines: [RequestPolicyLine]) {
        var bytes: [UInt8] = []
        for line in lines { line.append(to: &bytes) }
        add { hash in
            for byte in bytes { hash.add(byte: byte) }
        }
    }

    private mutating func add(_ part: (inout StableHash) -> Void) {
        var hash = StableHash()
        part(&hash)
        let key = hash.finish()
        high &+= key.high
        low &+= key.low
    }
}
