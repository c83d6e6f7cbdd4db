// SPDX-License-Identifier: Apache-2.0
import NetworkTypes
import PolicyModel

/// Flows of pods in one direction: with these peers, on these ports.
public struct ReachScope: Sendable, Hashable {
    /// Peers by what they are. Every one that is named here or has one of ``addresses`` is part of the scope.
    public enum Peers: Sendable, Hashable {
        /// Only the addresses.
        case none
        /// But not a pod's own node, about which only policies of tiers decide.
        case everyone
        case nodes
        /// What is neither a pod nor a node, and nodes.
        case exceptPods
        /// Pods of other namespaces than this.
        case namespacesExcept(String)
    }
    public var peers: Peers
    public var addresses: Set<IPAddress>
    /// Normalized.
    public var ports: [PortSpan]

    public init(peers: Peers = .none, addresses: Set<IPAddress> = [], ports: [PortSpan] = PortSpan.all) {
        self.peers = peers
        self.addresses = addresses
        self.ports = PortSpan.normalized(ports)
    }

    func contains(_ address: IPAddress, _ party: ReachParty?) -> Bool {
        if addresses.contains(address) { return true }
        switch (peers, party) {
        case (.everyone, _), (.nodes, .nodes?), (.exceptPods, .nodes?), (.exceptPods, .outside?): return true
        case (.namespacesExcept(let namespace), .workload(let key)?): return key.namespace != namespace
        default: return false
        }
    }
}

/// What a change of policy does to the flows of a scope, as one pod's own policy judges them.
public enum ReachScopeEffect: Sendable, Hashable {
    /// All flows of the scope are denied, and no other flow has another verdict than before.
    case exact
    /// This flow of the scope is not denied.
    case open(IPAddress, PortSpan)
    /// This flow, which is not part of the scope, has another verdict.
    case wider(IPAddress, PortSpan)
    /// There are no peers that the scope is about.
    case empty
}

/// The addresses of two clusters with the same pods, one for all that neither of the two can tell apart, divided by
/// namespace.
public struct ReachPeers: Sendable {
    struct Key: Hashable, Sendable {
        var family: AddressFamily
        var oldClass: UInt32
        var newClass: UInt32
        var kind: ReachUnit.Kind
        var namespace: String
        var isNamed: Bool
    }

    struct Peer: Sendable {
        var key: Key
        var address: IPAddress
        /// Another one, for the pod that has the first.
        var other: IPAddress?
        var party: ReachParty?

        /// One that a pod meets when it does not meet itself.
        func address(metFrom own: IPAddress) -> IPAddress? { address == own ? other : address }
    }

    private(set) var peers: [Peer] = []
    private var numbers: [Key: Int] = [:]
    private let named: Set<IPAddress>

    /// - Parameter named: addresses that scopes name. Each is a peer, even if no policy distinguishes it.
    public init(_ old: ReachabilityMap, _ new: ReachabilityMap, naming named: Set<IPAddress> = []) {
        self.named = named
        if old.hasPlaces(like: new) {
            for (before, after) in zip(old.places, new.places) {
                add(
                    after.address, .workload(new.workloads[Int(after.pod)]), .pods,
                    (before.addressClass, after.addressClass))
            }
            add(JointUnits(old, new, withPods: false))
        } else {
            add(JointUnits(old, new))
        }
        for address in named.sorted() where old.place(at: address) == nil && new.place(at: address) == nil {
            let (before, after) = (old.other(at: address).key, new.other(at: address).key)
            let party: ReachParty = after.kind == .hosts ? .nodes : .outside
            add(address, party, after.kind, (before.addressClass, after.addressClass))
        }
        numbers = [:]
    }

    private mutating func add(_ joint: JointUnits) {
        for unit in joint.units {
            let classes = (unit.key.old.addressClass, unit.key.new.addressClass)
            for member in unit.members {
                guard let party = unit.key.party else { continue }
                add(member.new.address, party, unit.key.new.kind, classes)
            }
        }
    }

    private mutating func add(
        _ address: IPAddress, _ party: ReachParty, _ kind: ReachUnit.Kind, _ classes: (UInt32, UInt32)
    ) {
        var namespace = ""
        if case .workload(let key) = party { namespace = key.namespace }
        let key = Key(
            family: address.family, oldClass: classes.0, newClass: classes.1, kind: kind, namespace: namespace,
            isNamed: named.contains(address))
        guard let number = numbers[key] else {
            numbers[key] = peers.count
            peers.append(Peer(key: key, address: address, party: party))
            return
        }
        if peers[number].other == nil, peers[number].address != address { peers[number].other = address }
    }
}

extension ReachabilityMap {
    /// Whether both have the same pods at the same addresses, in the same order.
    fileprivate func hasPlaces(like other: ReachabilityMap) -> Bool {
        places.count == other.places.count
            && zip(places, other.places).allSatisfy { a, b in
                a.address == b.address && pods[Int(a.pod)].endpointName == other.pods[Int(b.pod)].endpointName
            }
    }
}

extension ReachabilityMap {
    /// By pod, numbers of the policies that it has for a direction: pods with the same numbers have the same ones.
    public func policyNumbers(_ direction: Direction) -> [EndpointName: Set<UInt32>] {
        var numbers: [EndpointName: Set<UInt32>] = [:]
        for place in places {
            numbers[pods[Int(place.pod)].endpointName, default: []].insert(
                direction == .ingress ? place.ingress : place.egress)
        }
        return numbers
    }

    /// What a changed cluster does to the flows of a scope at some pods. Exact over all addresses, ports and protocols.
    /// Only the pods' own policy for the direction is compared: what another pod's policy says about the same flow does
    /// not hide a difference.
    ///
    /// - Parameter standingForOthers: whether the answer is also for pods of others with the same policies.
    public static func effect(
        _ old: inout ReachabilityMap, _ new: inout ReachabilityMap, on pods: [(name: EndpointName, [IPAddress])],
        _ direction: Direction, _ peers: ReachPeers, _ scope: ReachScope, standingForOthers: Bool = false
    ) throws(ReachabilityError) -> ReachScopeEffect {
        var comparison = ScopeComparison(scope, direction)
        // Peers that no pod with the same two programs has met yet, by family.
        var left: [ScopeComparison.Programs: [ReachPeers.Peer]] = [:]
        for (name, addresses) in pods {
            for address in addresses {
                guard let before = old.place(at: address), let after = new.place(at: address),
                    new.pods[Int(after.pod)].endpointName == name
                else { continue }
                let programs = ScopeComparison.Programs(
                    old: direction == .ingress ? before.ingress : before.egress,
                    new: direction == .ingress ? after.ingress : after.egress, family: address.family)
                var own: [ReachPeers.Peer] = []
                for peer in left[programs] ?? peers.peers where peer.key.family == address.family {
                    // Others with the same policies meet the pod that does not meet itself.
                    guard let met = peer.address(metFrom: address) ?? (standingForOthers ? address : nil) else {
                        own.append(peer)
                        continue
                    }
                    if let effect = try comparison.compare(&old, &new, programs, peer, met) { return effect }
                }
                left[programs] = own
            }
        }
        return comparison.isEmpty ? .empty : .exact
    }
}

/// A scope's flows while they are compared.
private struct ScopeComparison {
    /// Those of a pod before and after.
    struct Programs: Hashable {
        var old: UInt32
        var new: UInt32
        var family: AddressFamily
    }

    private struct Key: Hashable {
        var programs: Programs
        var oldRow: UInt32
        var newRow: UInt32
        var isOwnNode: Bool
        var isInScope: Bool
    }

    let scope: ReachScope
    let direction: Direction
    let rest: [PortSpan]
    private var known: Set<Key> = []
    private(set) var isEmpty = true

    init(_ scope: ReachScope, _ direction: Direction) {
        self.scope = scope
        self.direction = direction
        rest = PortSpan.all.flatMap { $0.without(scope.ports) }
    }

    /// Nil: nothing against it.
    mutating func compare(
        _ old: inout ReachabilityMap, _ new: inout ReachabilityMap, _ programs: Programs, _ peer: ReachPeers.Peer,
        _ address: IPAddress
    ) throws(ReachabilityError) -> ReachScopeEffect? {
        for isOwnNode in peer.key.kind == .hosts && direction == .egress ? [false, true] : [false] {
            let isInScope = scope.contains(address, peer.party) && !(isOwnNode && scope.peers == .everyone)
            if isInScope { isEmpty = false }
            let keys = (
                ReachabilityMap.RowKey(addressClass: peer.key.oldClass, isOwnNode: isOwnNode),
                ReachabilityMap.RowKey(addressClass: peer.key.newClass, isOwnNode: isOwnNode)
            )
            let rows = (try old.row(programs.old, keys.0), try new.row(programs.new, keys.1))
            let key = Key(
                programs: programs, oldRow: rows.0, newRow: rows.1, isOwnNode: isOwnNode, isInScope: isInScope)
            guard known.insert(key).inserted else { continue }
            let before = old.accesses(programs.old, rows.0, keys.0, direction)
            let after = new.accesses(programs.new, rows.1, keys.1, direction)
            for (a, b) in ReachComparison.aligned(before, after) {
                if isInScope, b.verdict != .deny,
                    let span = scope.ports.first(where: { $0.intersection(b.ports) != nil })
                {
                    return .open(address, span.intersection(b.ports) ?? span)
                }
                guard a.verdict != b.verdict else { continue }
                let others = isInScope ? rest : PortSpan.all
                if let span = others.lazy.compactMap({ $0.intersection(b.ports) }).first {
                    return .wider(address, span)
                }
            }
        }
        return nil
    }
}

extension ReachabilityMap {
    /// One side's answers as those about a flow.
    fileprivate func accesses(
        _ program: UInt32, _ row: UInt32, _ key: RowKey, _ direction: Direction
    ) -> [PortAccess] {
        side(program, Int(row), sets(key), direction).map { ports, answer in
            PortAccess(ports: ports, verdict: answer?.verdict ?? .allow, egress: answer, ingress: nil)
        }
    }
}

extension PortSpan {
    /// What is left of it without spans that are normalized.
    fileprivate func without(_ spans: [PortSpan]) -> [PortSpan] {
        guard case .ports(let ports) = self else { return spans.contains(.otherProtocols) ? [] : [self] }
        var rest: [PortSpan] = []
        var next = Int(ports.range.first)
        for span in spans {
            guard case .ports(let taken)? = intersection(span) else { continue }
            if Int(taken.range.first) > next {
                rest.append(
                    .ports(ProtocolPorts(ports.ipProtocol, PortRange(UInt16(next), taken.range.first - 1))))
            }
            next = Int(taken.range.last) + 1
        }
        if next <= Int(ports.range.last) {
            rest.append(.ports(ProtocolPorts(ports.ipProtocol, PortRange(UInt16(next), ports.range.last))))
        }
        return rest
    }
}
