// SPDX-License-Identifier: Apache-2.0
import BulkheadABI
import CompiledPolicy
import NetworkTypes

extension Capacities {
    /// Whether all numbers of the step fit: each is below its capacity.
    func hold(_ delta: CompiledDelta) -> Bool {
        delta.addedAddressClasses.allSatisfy { $0.rawValue < addressClasses }
            && delta.addedPrograms.allSatisfy { $0.rawValue < programs }
            && delta.addedRules.allSatisfy { $0.rawValue < rules }
    }

    func hold(_ policy: borrowing CompiledPolicy) -> Bool {
        policy.addressClasses.keys.allSatisfy { $0.rawValue < addressClasses }
            && policy.programs.keys.allSatisfy { $0.rawValue < programs }
            && policy.rules.keys.allSatisfy { $0.rawValue < rules }
    }

    /// The highest number of words that an address word can point to and the verifier accepts.
    static let wordLimit: UInt32 = 1 << 26

    /// These capacities, doubled until they hold `policy`.
    func grown(for policy: borrowing CompiledPolicy) -> Capacities {
        var grown = self
        while !policy.addressClasses.keys.allSatisfy({ $0.rawValue < grown.addressClasses }) {
            grown.addressClasses *= 2
        }
        while !policy.programs.keys.allSatisfy({ $0.rawValue < grown.programs }) { grown.programs *= 2 }
        while !policy.rules.keys.allSatisfy({ $0.rawValue < grown.rules }) { grown.rules *= 2 }
        let cells = policy.programs.values.reduce(0) { $0 + $1.cells.count + ($1.rows.count + $1.columns.count) / 2 }
        let least = cells + cells / 2 + Self.addressWords(policy.addresses)
        while Int(grown.words - TableMemory.heapBegin) < least { grown = grown.withDoubleHeap }
        return grown
    }

    /// An estimate of the words for the address tables: lists if few addresses share their upper bits, chunks if many
    /// do.
    private static func addressWords(_ table: borrowing AddressTable) -> Int {
        var parts: [IPAddress: Int] = [:]
        for address in table.hosts.keys {
            parts[address.masked(to: address.family == .ipv4 ? 24 : 112), default: 0] += 1
        }
        return parts.reduce(table.prefixes.count * 24) { sum, part in
            let chunks = part.value > 3 ? 256 : 16
            return sum + (part.key.family == .ipv4 ? chunks : 2 * chunks + 16)
        }
    }

    var withDoubleHeap: Capacities {
        var doubled = self
        doubled.words = TableMemory.heapBegin + (words - TableMemory.heapBegin) * 2
        return doubled
    }
}
