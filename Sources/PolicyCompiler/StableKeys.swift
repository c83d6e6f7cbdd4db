// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import NetworkTypes
import PolicyModel

/// The keys by which a restarted daemon finds its numbers again. All of them depend only on canonical content.
extension StableHash {
    mutating func add(_ reference: PolicyReference) {
        add(reference.kind)
        add(reference.namespace)
        add(reference.name)
    }

    mutating func add(_ identity: RuleIdentity) {
        switch identity {
        case .rule(let policy, let direction, let index, let name):
            add(1)
            add(policy)
            add(direction.rawValue)
            add(index)
            add(name == nil ? 0 : 1)
            add(name ?? "")
        case .isolation(let direction, let policies):
            add(2)
            add(direction.rawValue)
            add(policies.count)
            for policy in policies { add(policy) }
        case .ownNode(let direction):
            add(3)
            add(direction.rawValue)
        case .noPolicy(let direction):
            add(4)
            add(direction.rawValue)
        case .overLimit(let direction):
            add(5)
            add(direction.rawValue)
        case .failsafe(let what):
            add(6)
            add(what)
        case .report(let policy, let direction, let index):
            add(7)
            add(policy)
            add(direction.rawValue)
            add(index)
        }
    }

    mutating func add(_ address: IPAddress) {
        add(byte: address.family.rawValue)
        add(address.high)
        add(address.low)
    }

    mutating func add(_ prefix: CIDR) {
        add(prefix.network)
        add(byte: prefix.prefixLength)
    }

    mutating func add(_ blocks: [AddressBlock]) {
        add(blocks.count)
        for block in blocks {
            add(block.cidr)
            add(block.except.count)
            for except in block.except { add(except) }
        }
    }

    mutating func add(_ port: ProtocolPorts) {
        add(byte: port.ipProtocol.rawValue)
        add(UInt64(port.range.first) << 16 | UInt64(port.range.last))
    }

    mutating func add(_ ports: PortMatch) {
        guard case .ports(let list) = ports else { return add(0) }
        add(1)
        add(list.count)
        for port in list { add(port) }
    }
}

extension StableHash {
    mutating func add(_ tier: ResolvedTier, peerSetKey: (PeerSetID) -> StableKey) {
        add(byte: tier.tier.rawValue)
        add(tier.rules.count)
        for rule in tier.rules {
            add(rule.identity)
            add(rule.action.rawValue)
            add(rule.ports)
            switch rule.peers {
            case .any: add(-1)
            case .sets(let sets): add(sets.map(peerSetKey))
            case .terms(let terms):
                add(-2)
                add(terms.count)
                for term in terms {
                    add(byte: term.isExcluded ? 1 : 0)
                    add(term.sets.map(peerSetKey))
                }
            }
            if let request = rule.request { add(request) }
        }
        add(tier.otherwiseDeny == nil ? 0 : 1)
        if let deny = tier.otherwiseDeny { add(deny) }
    }
}

extension StableHash {
    /// In order of key.
    fileprivate mutating func add(_ keys: [StableKey]) {
        add(keys.count)
        for key in keys.sorted() { add(key) }
    }

    fileprivate mutating func add(_ request: RequestMatch) {
        add(request.conditions.count)
        for condition in request.conditions {
            switch condition.field {
            case .method: add(1)
            case .host: add(2)
            case .path: add(3)
            case .header(let name):
                add(4)
                add(name)
            }
            add(byte: condition.isExcluded ? 1 : 0)
            add(condition.values.count)
            for value in condition.values { add(value.written) }
        }
    }
}

extension StableKey {
    init(_ identity: RuleIdentity) {
        var hash = StableHash()
        hash.add(identity)
        self = hash.finish()
    }

    /// A peer set: changing members are not part of its key, so that it is found again after they change.
    package init(_ description: PeerSetDescription) {
        var hash = StableHash()
        hash.add(description.description)
        hash.add(description.identity.blocks)
        hash.add(description.bounds)
        if description.hasChangingMembers { hash.add(byte: 1) }
        self = hash.finish()
    }

    /// A class: the keys of its peer sets, in order of key.
    init(peerSets: [StableKey]) {
        var hash = StableHash()
        hash.add(peerSets.count)
        for key in peerSets.sorted() { hash.add(key) }
        self = hash.finish()
    }

    /// An endpoint: name and addresses, but no UID, which a restarted daemon could not read from the tables.
    init(endpoint name: EndpointName, addresses: [IPAddress]) {
        var hash = StableHash()
        hash.add(name.shownNamespace)
        hash.add(name.shownName)
        hash.add(addresses.count)
        for address in addresses { hash.add(address) }
        self = hash.finish()
    }

    /// A program: its direction and its tiers with the content of all rules.
    init(_ content: ProgramContent, peerSetKey: (PeerSetID) -> StableKey) {
        var hash = StableHash()
        hash.add(content.direction.rawValue)
        for tiers in [content.tiers, content.audit].compactMap(\.self) {
            hash.add(tiers.count)
            for tier in tiers { hash.add(tier, peerSetKey: peerSetKey) }
        }
        self = hash.finish()
    }
}

/// What makes two programs the same.
struct ProgramContent: Sendable, Hashable {
    var direction: Direction
    var tiers: [ResolvedTier]
    /// With the policies in audit; nil if there are none.
    var audit: [ResolvedTier]?

    /// The tiers of both parts.
    var allTiers: [ResolvedTier] { tiers + (audit ?? []) }

    /// Whether a written rule or isolation is in force, in addition to what is always allowed.
    var isEnforced: Bool {
        tiers.contains { tier in
            tier.otherwiseDeny != nil
                || tier.rules.contains { $0.identity.isOfPolicy }
        }
    }
}

extension RuleIdentity {
    fileprivate var isOfPolicy: Bool {
        switch self {
        case .rule, .isolation: true
        case .report, .ownNode, .noPolicy, .failsafe, .overLimit: false
        }
    }
}
