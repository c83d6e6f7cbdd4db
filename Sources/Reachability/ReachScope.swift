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
        var party: ReachParty?
    }

    private(set) var peers: [Peer] = []

    /// - Parameter named: addresses that scopes name. Each is a peer, even if no policy distinguishes it.
    public init(_ old: ReachabilityMap, _ new: ReachabilityMap, naming named: Set<IPAddress> = []) {
        var known: Set<Key> = []
        func add(
            _ address: IPAddress, _ party: ReachParty?, _ kind: ReachUnit.Kind, _ classes: (UInt32, UInt32)
        ) -> Peer? {
            var namespace = ""
            if case .workload(let key)? = party { namespace = key.namespace }
            let key = Key(
                family: address.family, oldClass: classes.0, newClass: classes.1, kind: kind, namespace: namespace,
                isNamed: named.contains(address))
            return known.insert(key).inserted ? Peer(key: key, address: address, party: party) : nil
        }
        var found: [Peer?] = []
        for unit in JointUnits(old, new).units {
            let classes = (unit.key.old.addressClass, unit.key.new.addressClass)
            for member in unit.members {
                found.append(add(member.new.address, unit.key.party, unit.key.new.kind, classes))
            }
        }
        for address in named.sorted() where old.place(at: address) == nil && new.place(at: address) == nil {
            let (before, after) = (old.other(at: address).key, new.other(at: address).key)
            let party: ReachParty = after.kind == .hosts ? .nodes : .outside
            found.append(add(address, party, after.kind, (before.addressClass, after.addressClass)))
        }
        peers = found.compactMap(\.self)
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
    public static func effect(
        _ old: inout ReachabilityMap, _ new: inout ReachabilityMap, on pods: [(name: EndpointName, [IPAddress])],
        _ direction: Direction, _ peers: ReachPeers, _ scope: ReachScope
    ) throws(ReachabilityError) -> ReachScopeEffect {
        var comparison = ScopeComparison(scope, direction)
        for (name, addresses) in pods {
            for address in addresses {
                guard let before = old.place(at: address), let after = new.place(at: address),
                    new.pods[Int(after.pod)].endpointName == name
                else { continue }
                let programs = direction == .ingress ? (before.ingress, after.ingress) : (before.egress, after.egress)
                for peer in peers.peers where peer.key.family == address.family && peer.address != address {
                    if let effect = try comparison.compare(&old, &new, programs, peer) { return effect }
                }
            }
        }
        return comparison.isEmpty ? .empty : .exact
    }
}

/// A scope's flows while they are compared.
private struct ScopeComparison {
    struct Key: Hashable {
        var rows: [UInt32]
        var isInScope: Bool
    }

    let scope: ReachScope
    let direction: Direction
    let rest: [PortSpan]
    var known: Set<Key> = []
    var isEmpty = true

    init(_ scope: ReachScope, _ direction: Direction) {
        self.scope = scope
        self.direction = direction
        rest = PortSpan.all.flatMap { $0.without(scope.ports) }
    }

    /// Nil: nothing against it.
    mutating func compare(
        _ old: inout ReachabilityMap, _ new: inout ReachabilityMap, _ programs: (UInt32, UInt32),
        _ peer: ReachPeers.Peer
    ) throws(ReachabilityError) -> ReachScopeEffect? {
        for isOwnNode in peer.key.kind == .hosts && direction == .egress ? [false, true] : [false] {
            let isInScope = scope.contains(peer.address, peer.party) && !(isOwnNode && scope.peers == .everyone)
            if isInScope { isEmpty = false }
            let keys = (
                ReachabilityMap.RowKey(addressClass: peer.key.oldClass, isOwnNode: isOwnNode),
                ReachabilityMap.RowKey(addressClass: peer.key.newClass, isOwnNode: isOwnNode)
            )
            let rows = (try old.row(programs.0, keys.0), try new.row(programs.1, keys.1))
            let key = Key(
                rows: [programs.0, rows.0, programs.1, rows.1, isOwnNode ? 1 : 0], isInScope: isInScope)
            guard known.insert(key).inserted else { continue }
            let before = old.accesses(programs.0, rows.0, keys.0, direction)
            let after = new.accesses(programs.1, rows.1, keys.1, direction)
            for (a, b) in ReachComparison.aligned(before, after) {
                if isInScope, b.verdict != .deny,
                    let span = scope.ports.first(where: { $0.intersection(b.ports) != nil })
                {
                    return .open(peer.address, span.intersection(b.ports) ?? span)
                }
                guard a.verdict != b.verdict else { continue }
                let others = isInScope ? rest : PortSpan.all
                if let span = others.lazy.compactMap({ $0.intersection(b.ports) }).first {
                    return .wider(peer.address, span)
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
