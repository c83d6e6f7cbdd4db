// SPDX-License-Identifier: Apache-2.0
import BulkheadABI
import CompiledPolicy
import NetworkTypes
import PolicyModel

/// The words of the tables as people know them: what a packet looks up there.
extension Generation {
    /// What a word of the map `tables` says.
    func name(ofWord word: UInt32) -> String {
        let byte = Int(word) * 4
        switch byte {
        case ..<Int(BH_ROOT4_OFFSET): return "word \(word) of the tables' header"
        case ..<Int(BH_ROOT6_OFFSET):
            let slot = word - AddressTable4.root
            return "the addresses \(IPAddress(v4: slot << 16))/16"
        case ..<Int(BH_PORTS_OFFSET):
            let slot = UInt64(word - AddressTree6.root)
            return "the addresses \(IPAddress(v6High: slot << 48, low: 0))/16"
        case ..<Int(BH_ENDPOINTS_OFFSET): return portName((byte - Int(BH_PORTS_OFFSET)) / 2)
        case ..<Int(BH_INTERFACES_OFFSET):
            let place = byte - Int(BH_ENDPOINTS_OFFSET)
            let part = ["the ingress program", "the egress program", "the place", "word 3"][place / 4 % 4]
            return "\(part) of endpoint \(place / 16)"
        case ..<Int(BH_FIXED_BYTES): return "the interfaces of pods, word \((byte - Int(BH_INTERFACES_OFFSET)) / 4)"
        default:
            return programs.name(ofWord: word) ?? "the addresses' lists, word \(word)"
        }
    }

    /// A word holds the classes of two ports.
    private func portName(_ index: Int) -> String {
        let (table, port) = (index / Int(BH_PORTS), index % Int(BH_PORTS))
        guard table < IPProtocol.withPorts.count else { return "the ports" }
        return "the ports \(port) and \(port + 1)/\(IPProtocol.withPorts[table])"
    }
}

extension KeyMemory {
    /// What a word of the map `keys` stands for.
    func name(ofWord word: UInt32) -> String {
        let (kind, number) = place(ofWord: word)
        switch kind {
        case .addressClass: return "the key of address class \(number)"
        case .program: return "the key of program \(number)"
        case .rule: return "the key of rule \(number)"
        case .endpoint: return "the key of endpoint \(number)"
        case nil: return "word \(word) of the keys"
        }
    }
}
