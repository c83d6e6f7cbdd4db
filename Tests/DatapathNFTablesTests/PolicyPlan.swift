// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import NetworkTypes
import PolicyModel

/// A policy as a test writes it, and its compiled form: slow and obvious.
struct PolicyPlan {
    struct Peers {
        var hosts: Set<IPAddress> = []
        var blocks: [AddressBlock] = []
    }
    struct Term {
        var peers: [String]
        var isExcluded = false
    }
    struct Rule {
        var tier: Tier = .networkPolicy
        var action: RuleAction = .allow
        /// Nil: every peer.
        var peers: [String]?
        /// Instead of `peers`: all of these must hold.
        var terms: [Term]?
        /// Nil: everything.
        var ports: [ProtocolPorts]?
        var policy = "allow"
        var name: String?
        var readsRequest = false
        /// The number by this name, also in other programs, as of one policy for several pods. Nil: one of its own.
        var shared: String?
    }
    struct Rules {
        var direction: Direction
        var rules: [Rule] = []
        /// Whether a NetworkPolicy selects the endpoint: what it does not allow is denied.
        var isIsolated = true
        var isOverLimit = false
        /// Rules in audit, before those in force.
        var audit: [Rule] = []
    }
    struct Endpoint {
        var addresses: [IPAddress]
        var ingress: String?
        var egress: String?
    }
    var peers: [String: Peers] = [:]
    var programs: [String: Rules] = [:]
    var endpoints: [String: Endpoint] = [:]
    var judgesOwnNode = false
}

/// Gives the names of plans their numbers, always the same, and compiles.
struct PlanCompiler {
    private var numbers: [String: UInt32] = [:]

    private mutating func number(_ name: String) -> UInt32 {
        if let number = numbers[name] { return number }
        let number = UInt32(numbers.count + 1)
        numbers[name] = number
        return number
    }

    private var ownClasses: [String] = []

    /// Classes of own addresses have the lowest numbers.
    private mutating func classNumber(_ name: String, isOwn: Bool) -> UInt32 {
        guard isOwn else { return AddressClassID.ownNodeLimit + number(name) }
        if !ownClasses.contains(name) { ownClasses.append(name) }
        return UInt32(ownClasses.firstIndex(of: name)! + 1)
    }

    private func key(_ text: String) -> StableKey {
        let hash = text.utf8.reduce(0xcbf2_9ce4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
        return StableKey(high: hash, low: UInt64(text.utf8.count))
    }

    mutating func compile(_ plan: PolicyPlan) -> CompiledPolicy {
        var policy = CompiledPolicy()
        policy.judgesOwnNode = plan.judgesOwnNode
        policy.rules[.noPolicy] = CompiledRule(key: key("none"), identity: .noPolicy(.ingress))
        var peerSets: [(id: PeerSetID, peers: PolicyPlan.Peers)] = []
        for (name, peers) in plan.peers.sorted(by: { $0.key < $1.key }) {
            let id = PeerSetID(rawValue: number("peers " + name))
            policy.peerSets[id] = PeerSetDescription(
                description: name, blocks: peers.blocks,
                hasChangingMembers: peers.blocks.contains { CIDR.loopback.contains($0.cidr) })
            peerSets.append((id, peers))
        }
        classify(plan, peerSets, &policy)
        let ports = segment(plan, &policy)
        for (name, rules) in plan.programs {
            let id = ProgramID(rawValue: number("program " + name))
            policy.programs[id] = compile(name, rules, ports, &policy)
        }
        for (name, endpoint) in plan.endpoints {
            let id = EndpointID(rawValue: UInt16(number("endpoint " + name)))
            func program(_ name: String?) -> ProgramID {
                name.map { ProgramID(rawValue: number("program " + $0)) } ?? .none
            }
            policy.endpoints[id] = CompiledEndpoint(
                key: key(name), name: EndpointName(namespace: "test", name: name), addresses: endpoint.addresses,
                ingress: program(endpoint.ingress), egress: program(endpoint.egress))
        }
        return policy
    }

    /// Classes by membership: of hosts, and of what the blocks' prefixes hold beside longer ones.
    private mutating func classify(
        _ plan: PolicyPlan, _ peerSets: [(id: PeerSetID, peers: PolicyPlan.Peers)], _ policy: inout CompiledPolicy
    ) {
        policy.addressClasses[.none] = AddressClass(key: key("none"), peerSets: [])
        var prefixes: Set<CIDR> = []
        for (_, peers) in peerSets {
            prefixes.formUnion(peers.hosts.map { CIDR(host: $0) })
            for block in peers.blocks { prefixes.formUnion([block.cidr] + block.except) }
        }
        var owners: [IPAddress: EndpointID] = [:]
        for (name, endpoint) in plan.endpoints {
            for address in endpoint.addresses {
                owners[address] = EndpointID(rawValue: UInt16(number("endpoint " + name)))
                prefixes.insert(CIDR(host: address))
            }
        }
        for prefix in prefixes {
            let members = peerSets.filter { _, peers in
                prefix.isHost && peers.hosts.contains(prefix.network)
                    || peers.blocks.contains { block in
                        block.cidr.contains(prefix) && !block.except.contains { $0.contains(prefix) }
                    }
            }.map(\.id).sorted()
            let name = members.isEmpty ? nil : "class \(members.map(\.rawValue))"
            let isOwn = members.contains { member in
                peerSets.first { $0.id == member }!.peers.blocks.contains { CIDR.loopback.contains($0.cidr) }
            }
            let id = name.map { AddressClassID(rawValue: classNumber($0, isOwn: isOwn)) } ?? .none
            if let name { policy.addressClasses[id] = AddressClass(key: key(name), peerSets: members) }
            let owner = prefix.isHost ? owners[prefix.network] ?? .none : .none
            policy.addresses[prefix] = AddressEntry(addressClass: id, endpoint: owner)
        }
    }

    private func segment(_ plan: PolicyPlan, _ policy: inout CompiledPolicy) -> [ProtocolPorts] {
        var segments: [ProtocolPorts] = []
        let all = plan.programs.values.flatMap { $0.rules + $0.audit }.compactMap(\.ports).flatMap { $0 }
        for ipProtocol in IPProtocol.withPorts {
            var starts: Set<Int> = [0]
            for ports in all where ports.ipProtocol == ipProtocol {
                starts.formUnion([Int(ports.range.first), Int(ports.range.last) + 1])
            }
            let sorted = starts.filter { $0 < 65536 }.sorted()
            for (index, start) in sorted.enumerated() {
                let end = index + 1 < sorted.count ? sorted[index + 1] - 1 : 65535
                segments.append(ProtocolPorts(ipProtocol, PortRange(UInt16(start), UInt16(end))))
            }
        }
        policy.portSegments = segments.enumerated().map { index, ports in
            PortSegment(ports, PortClassID(rawValue: UInt16(index + 1)))
        }
        return segments
    }

    private mutating func ids(_ peers: [String]) -> [PeerSetID] {
        peers.map { PeerSetID(rawValue: number("peers " + $0)) }.sorted()
    }

    private mutating func compile(
        _ rule: PolicyPlan.Rule, _ name: String, _ index: Int, _ direction: Direction, _ policy: inout CompiledPolicy
    ) -> ProgramRule {
        let own = rule.shared.map { "shared \($0)" } ?? "\(name) \(index)"
        let id = RuleID(rawValue: number(own))
        let kinds: [Tier: String] = [.networkPolicy: "NetworkPolicy", .authorization: "AuthorizationPolicy"]
        let policyKind = kinds[rule.tier] ?? "ClusterNetworkPolicy"
        let namespace = kinds[rule.tier] == nil ? "" : "shop"
        let reference = PolicyReference(kind: policyKind, namespace: namespace, name: rule.policy)
        let identity = RuleIdentity.rule(
            reference, direction, index: rule.shared == nil ? index : 0, name: rule.shared ?? rule.name)
        policy.rules[id] = CompiledRule(key: key(own), identity: identity)
        var peers = PeerMatch.any
        if let names = rule.peers { peers = .sets(ids(names)) }
        if let terms = rule.terms { peers = .terms(terms.map { PeerTerm(ids($0.peers), isExcluded: $0.isExcluded) }) }
        return ProgramRule(
            rule: id, tier: rule.tier, action: rule.action, peers: peers,
            ports: rule.ports.map { .ports($0) } ?? .any,
            request: rule.readsRequest
                ? RequestMatch(conditions: [RequestCondition(.method, [.text(.exact("GET"))])]) : nil)
    }

    private mutating func compile(
        _ name: String, _ plan: PolicyPlan.Rules, _ ports: [ProtocolPorts], _ policy: inout CompiledPolicy
    ) -> Program {
        let rules = plan.rules.enumerated().map { compile($1, "rule \(name)", $0, plan.direction, &policy) }
        let audited = plan.audit.enumerated().map { compile($1, "audit \(name)", $0, plan.direction, &policy) } + rules
        var otherwise = Cell(.allow, by: .noPolicy)
        if plan.isIsolated || plan.isOverLimit {
            let id = RuleID(rawValue: number("isolation \(name)"))
            let reference = PolicyReference(kind: "NetworkPolicy", namespace: "shop", name: "default-deny")
            policy.rules[id] = CompiledRule(
                key: key("isolation \(name)"),
                identity: plan.isOverLimit
                    ? .overLimit(plan.direction) : .isolation(plan.direction, by: [reference]))
            otherwise = Cell(.deny, by: id)
        }
        let classes = policy.addressClasses.keys.sorted()
        var program = Program(
            key: key(name), direction: plan.direction, rules: rules,
            rows: [UInt16](repeating: 0, count: Int(classes.last!.rawValue) + 1),
            columns: (0...ports.count).map { UInt16($0) }, columnCount: ports.count + 1, cells: [])
        if plan.isOverLimit {
            program.rules = []
            program.tierEnds = [.admin: otherwise.rule]
        } else if plan.isIsolated {
            program.tierEnds = [.networkPolicy: otherwise.rule]
        }
        if !plan.audit.isEmpty, !plan.isOverLimit {
            program.auditRules = audited
            program.auditTierEnds = program.tierEnds
        }
        for (row, id) in classes.enumerated() {
            program.rows[Int(id.rawValue)] = UInt16(row)
            for column in 0...ports.count {
                func cell(_ rules: [ProgramRule]) -> Cell {
                    guard !plan.isOverLimit else { return otherwise }
                    let peerSets = policy.addressClasses[id]!.peerSets
                    let port = column == 0 ? nil : ports[column - 1]
                    let tiers = decide(rules, peerSets, port, isIsolated: plan.isIsolated) ?? otherwise
                    let authorization = authorize(rules, peerSets, port)
                    guard tiers.action == .allow, let authorization else { return tiers }
                    return authorization.action != .allow || tiers.rule == .noPolicy ? authorization : tiers
                }
                let (inForce, inAudit) = (cell(rules), cell(audited))
                let wouldDeny = inForce.verdict == .allow && inAudit.verdict == .deny
                program.cells.append(wouldDeny ? Cell(.audit, by: inAudit.rule) : inForce)
            }
        }
        return program
    }

    /// Authorization, of which the first rule that matches decides. Nil: none does.
    private func authorize(_ rules: [ProgramRule], _ peerSets: [PeerSetID], _ ports: ProtocolPorts?) -> Cell? {
        let match = rules.first { $0.tier == .authorization && matches($0, peerSets, ports) }
        return match.map {
            Cell(
                $0.request != nil ? .handOver : $0.action == .allow ? .allow : .deny, by: $0.rule,
                neverDeniesItself: true)
        }
    }

    private func matches(_ rule: ProgramRule, _ peerSets: [PeerSetID], _ ports: ProtocolPorts?) -> Bool {
        func isMember(_ sets: [PeerSetID]) -> Bool { sets.contains(where: peerSets.contains) }
        if case .sets(let sets) = rule.peers, !isMember(sets) { return false }
        if case .terms(let terms) = rule.peers, terms.contains(where: { isMember($0.sets) == $0.isExcluded }) {
            return false
        }
        guard case .ports(let list) = rule.ports else { return true }
        return list.contains { named in
            guard let ports, ports.ipProtocol == named.ipProtocol else { return false }
            return named.range.contains(ports.range.first)
        }
    }

    /// Nil: no rule decides.
    private func decide(
        _ rules: [ProgramRule], _ peerSets: [PeerSetID], _ ports: ProtocolPorts?, isIsolated: Bool
    ) -> Cell? {
        for tier in Tier.allCases where tier != .authorization {
            let match = rules.first { $0.tier == tier && matches($0, peerSets, ports) }
            if let match, match.action != .pass {
                return Cell(match.action == .allow ? .allow : .deny, by: match.rule)
            }
            if tier == .networkPolicy, isIsolated, match == nil { return nil }
        }
        return nil
    }
}

extension CompiledDelta {
    /// What a compiler would tell between two policies.
    init(from old: CompiledPolicy, to new: CompiledPolicy) {
        self.init()
        func added<Key: Hashable & Comparable, Value>(_ a: [Key: Value], _ b: [Key: Value]) -> [Key] {
            b.keys.filter { a[$0] == nil }.sorted()
        }
        addedRules = added(old.rules, new.rules)
        removedRules = added(new.rules, old.rules)
        addedAddressClasses = added(old.addressClasses, new.addressClasses)
        removedAddressClasses = added(new.addressClasses, old.addressClasses)
        addedPrograms = added(old.programs, new.programs)
        removedPrograms = added(new.programs, old.programs)
        addedEndpoints = added(old.endpoints, new.endpoints)
        removedEndpoints = added(new.endpoints, old.endpoints)
        changedEndpoints = new.endpoints.keys.filter {
            old.endpoints[$0] != nil && old.endpoints[$0] != new.endpoints[$0]
        }
        .sorted()
        let prefixes = Set(old.addresses.hosts.keys.map { CIDR(host: $0) }).union(old.addresses.prefixes.keys)
            .union(new.addresses.hosts.keys.map { CIDR(host: $0) }).union(new.addresses.prefixes.keys)
        changesOwnNode = old.judgesOwnNode != new.judgesOwnNode
        addresses = prefixes.sorted().filter { old.addresses[$0] != new.addresses[$0] }.map {
            AddressChange($0, new.addresses[$0])
        }
    }
}
