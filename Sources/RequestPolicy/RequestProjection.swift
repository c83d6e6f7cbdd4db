// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import NetworkTypes
import PolicyModel

/// The part of ``CompiledPolicy`` that is about requests, kept from one step of the compiler to the next: a step costs a
/// look at what it changed, however many addresses the tables have. The result equals a projection of the whole.
public struct RequestProjection: Sendable {
    public private(set) var policy = RequestPolicy()
    /// The ingress programs with rules that read requests.
    private var readers: Set<ProgramID> = []
    /// The peer sets that their rules name.
    private var named: Set<PeerSetID> = []
    /// Lengths of the prefixes of ``policy``'s sources in a class, below which other entries count.
    private var coveringLengths: Set<UInt8> = []

    /// Of no policy.
    public init() {}

    /// A projection of the whole.
    public init(_ compiled: CompiledPolicy, generation: UInt64) {
        policy.generation = generation
        readers = Set(compiled.programs.lazy.filter { $0.value.readsRequests }.map(\.key))
        guard !readers.isEmpty else { return }
        projectPrograms(compiled)
        projectSources(compiled)
    }

    /// Takes a step of the compiler, whose result is `compiled`.
    ///
    /// - Returns: whether ``policy`` has changed. Its generation stays; set it with ``publish()``.
    public mutating func take(_ delta: CompiledDelta, of compiled: CompiledPolicy) -> Bool {
        var concernsPrograms = false
        for id in delta.removedPrograms where readers.remove(id) != nil { concernsPrograms = true }
        for id in delta.addedPrograms where compiled.programs[id]?.readsRequests == true {
            readers.insert(id)
            concernsPrograms = true
        }
        guard concernsPrograms || !readers.isEmpty else { return false }
        var hasChanged = false
        if concernsPrograms || concernsEndpoints(delta, compiled) {
            let (namedBefore, before) = (named, (policy.programs, policy.endpoints))
            projectPrograms(compiled)
            if named != namedBefore {
                projectSources(compiled)
                return true
            }
            hasChanged = before != (policy.programs, policy.endpoints)
        }
        return takeSources(delta, compiled) || hasChanged
    }

    /// Gives the present state its number.
    public mutating func publish() { policy.generation += 1 }

    private func concernsEndpoints(_ delta: CompiledDelta, _ compiled: CompiledPolicy) -> Bool {
        [delta.addedEndpoints, delta.changedEndpoints, delta.removedEndpoints].joined().contains { id in
            policy.endpoints[UInt32(id.rawValue)] != nil
                || compiled.endpoints[id].map { readers.contains($0.ingress) } ?? false
        }
    }

    /// Endpoints with such a program, and these programs.
    private mutating func projectPrograms(_ compiled: CompiledPolicy) {
        var endpoints: [UInt32: RequestEndpoint] = [:]
        var used: Set<ProgramID> = []
        for (id, endpoint) in compiled.endpoints where readers.contains(endpoint.ingress) {
            used.insert(endpoint.ingress)
            endpoints[UInt32(id.rawValue)] = RequestEndpoint(
                name: endpoint.name.description, addresses: endpoint.addresses, program: endpoint.ingress.rawValue)
        }
        if endpoints != policy.endpoints { policy.endpoints = endpoints }
        named = []
        policy.programs = [:]
        for id in used {
            guard let program = compiled.programs[id] else { continue }
            let rules = RequestProgram(program, of: compiled)
            policy.programs[id.rawValue] = rules
            for rule in rules.rules + rules.auditRules { named.formUnion(rule.peers.sets) }
        }
    }

    // MARK: Sources

    private func namedSets(of id: AddressClassID, _ compiled: CompiledPolicy) -> [PeerSetID] {
        compiled.addressClasses[id]?.peerSets.filter { named.contains($0) } ?? []
    }

    private func isKept(_ id: AddressClassID) -> Bool { policy.classes[id.rawValue] != nil }

    /// Classes and addresses, all of them.
    private mutating func projectSources(_ compiled: CompiledPolicy) {
        policy.classes = [:]
        policy.sources = AddressTable()
        coveringLengths = []
        guard !named.isEmpty else { return }
        for id in compiled.addressClasses.keys {
            let sets = namedSets(of: id, compiled)
            if !sets.isEmpty { policy.classes[id.rawValue] = sets }
        }
        guard !policy.classes.isEmpty else { return }
        let prefixes = compiled.addresses.prefixes
        for (prefix, entry) in prefixes where isKept(entry.addressClass) {
            coveringLengths.insert(prefix.prefixLength)
            policy.sources[prefix] = AddressEntry(addressClass: entry.addressClass)
        }
        for (prefix, entry) in prefixes where !isKept(entry.addressClass) && isCovered(prefix) {
            policy.sources[prefix] = AddressEntry.none
        }
        for (address, entry) in compiled.addresses.hosts {
            let prefix = CIDR(host: address)
            if let source = source(prefix, entry) { policy.sources[prefix] = source }
        }
    }

    /// Entries without their endpoints, as far as they decide which of the classes an address is in: those of the
    /// classes, and those of others inside their prefixes, with class 0.
    private func source(_ prefix: CIDR, _ entry: AddressEntry) -> AddressEntry? {
        if isKept(entry.addressClass) { return AddressEntry(addressClass: entry.addressClass) }
        return isCovered(prefix) ? AddressEntry.none : nil
    }

    private func isCovered(_ prefix: CIDR) -> Bool {
        coveringLengths.contains { length in
            guard length < prefix.prefixLength else { return false }
            let covering = policy.sources.prefixes[CIDR(prefix.network, prefixLength: Int(length))]
            return covering.map { $0.addressClass != AddressClassID.none } ?? false
        }
    }

    private mutating func takeSources(_ delta: CompiledDelta, _ compiled: CompiledPolicy) -> Bool {
        guard !named.isEmpty else { return false }
        var hasChanged = false
        for id in delta.removedAddressClasses where compiled.addressClasses[id] == nil && isKept(id) {
            policy.classes[id.rawValue] = nil
            hasChanged = true
        }
        let isRenamed = Set(delta.renamedAddressClasses)
        for id in delta.addedAddressClasses + delta.renamedAddressClasses {
            let sets = namedSets(of: id, compiled)
            let before = policy.classes[id.rawValue] ?? []
            guard sets != before else { continue }
            // The addresses of a class that is renamed are not in the step.
            if isRenamed.contains(id), sets.isEmpty != before.isEmpty {
                projectSources(compiled)
                return true
            }
            policy.classes[id.rawValue] = sets.isEmpty ? nil : sets
            hasChanged = true
        }
        for change in delta.addresses {
            let entry = compiled.addresses[change.prefix]
            let source = entry.flatMap { self.source(change.prefix, $0) }
            let before = policy.sources[change.prefix]
            guard source != before else { continue }
            func covers(_ entry: AddressEntry?) -> Bool { entry.map { $0 != AddressEntry.none } ?? false }
            // What it covers is not in the step.
            if !change.prefix.isHost, covers(source) != covers(before) {
                projectSources(compiled)
                return true
            }
            policy.sources[change.prefix] = source
            hasChanged = true
        }
        return hasChanged
    }
}

extension RequestPolicy {
    /// The part of the tables that is about requests. Empty if no endpoint has rules that read them.
    public init(_ policy: CompiledPolicy, generation: UInt64) {
        self = RequestProjection(policy, generation: generation).policy
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
