// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import NetworkTypes
import PolicyModel

extension RequestPolicy {
    /// The part of the tables that is about requests. Empty if no endpoint has a flow that is handed to the proxy.
    public init(_ policy: CompiledPolicy, generation: UInt64) {
        self.init()
        self.generation = generation
        let handing = policy.programs.filter(\.value.handsOver)
        guard !handing.isEmpty else { return }
        var endpoints: [UInt32: RequestEndpoint] = [:]
        for (id, endpoint) in policy.endpoints where handing[endpoint.ingress] != nil {
            endpoints[UInt32(id.rawValue)] = RequestEndpoint(
                name: endpoint.name.description, addresses: endpoint.addresses, program: endpoint.ingress.rawValue)
        }
        self.endpoints = endpoints
        var named: Set<PeerSetID> = []
        for (id, program) in handing where endpoints.values.contains(where: { $0.program == id.rawValue }) {
            let rules = RequestProgram(program, of: policy)
            programs[id.rawValue] = rules
            for rule in rules.rules + rules.auditRules { named.formUnion(rule.peers.sets) }
        }
        for (id, addressClass) in policy.addressClasses {
            let sets = addressClass.peerSets.filter { named.contains($0) }
            if !sets.isEmpty { classes[id.rawValue] = sets }
        }
        sources = policy.addresses.restricted { classes[$0.rawValue] != nil }
    }
}

extension RequestProgram {
    fileprivate init(_ program: Program, of policy: CompiledPolicy) {
        func rules(_ rules: [ProgramRule]) -> [RequestRule] {
            rules.filter { $0.tier == .authorization }.compactMap { rule in
                let ports = rule.ports.ofTCP
                // A rule without any TCP port matches no flow of the proxy's.
                guard ports?.isEmpty != true else { return nil }
                return RequestRule(
                    identity: policy.rules[rule.rule]?.identity ?? .noPolicy(.ingress), action: rule.action,
                    peers: rule.peers, ports: ports, request: rule.request)
            }
        }
        self.init(rules: rules(program.rules), auditRules: rules(program.auditRules))
    }
}

extension PortMatch {
    /// Nil: all of them.
    fileprivate var ofTCP: [PortRange]? {
        guard case .ports(let list) = self else { return nil }
        let ranges = list.filter { $0.ipProtocol == .tcp }.map(\.range)
        return ranges.contains(.all) ? nil : ranges
    }
}

extension AddressTable {
    /// The entries, without their endpoints, that decide which of some classes an address is in: those of the classes,
    /// and those of others inside their prefixes, with class 0.
    fileprivate func restricted(to isKept: (AddressClassID) -> Bool) -> AddressTable {
        let covering = Set(prefixes.filter { isKept($0.value.addressClass) }.keys)
        let lengths = Set(covering.map(\.prefixLength))
        func isCovered(_ prefix: CIDR) -> Bool {
            lengths.contains {
                $0 < prefix.prefixLength && covering.contains(CIDR(prefix.network, prefixLength: Int($0)))
            }
        }
        var result = AddressTable()
        func keep(_ prefix: CIDR, _ entry: AddressEntry) {
            if isKept(entry.addressClass) {
                result[prefix] = AddressEntry(addressClass: entry.addressClass)
            } else if isCovered(prefix) {
                result[prefix] = AddressEntry.none
            }
        }
        for (prefix, entry) in prefixes { keep(prefix, entry) }
        for (address, entry) in hosts { keep(CIDR(host: address), entry) }
        return result
    }
}
