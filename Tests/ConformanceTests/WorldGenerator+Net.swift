// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import NetworkKit
import NetworkTypes
import PolicyOracle
import WorldKit

extension WorldGenerator {
    /// Lays the random world into a network of namespaces: as many of its pods as there are places for, the ones of the
    /// deciding node first, get the addresses of the network's pods; blocks in policies move with the addresses that
    /// they were made around.
    public mutating func lay(in net: NetWorld) {
        families = AddressFamily.allCases
        // The daemon finds its node's addresses by itself, and runs with the usual settings.
        world.settings = OracleSettings()
        world = world.writable
        let nodeLabels = world.nodes.map(\.metadata.labels)
        world.nodeName = NetDaemon.nodeName
        world.nodes = [(NetDaemon.nodeName, 0), ("node2", 1)].map { name, number in
            Node(
                metadata: ObjectMeta(
                    name: name, labels: number < nodeLabels.count ? nodeLabels[number] : [:]),
                addresses: [
                    NetAddressing.nodes[number], NetAddressing.nodes6[number], NetAddressing.gateways[number],
                    NetAddressing.gateways6[number],
                ])
        }
        var moves: [IPAddress: IPAddress] = [:]
        var rest = world.pods.filter { $0.nodeName == "node-0" } + world.pods.filter { $0.nodeName != "node-0" }
        world.pods = net.pods.compactMap { place in
            guard !rest.isEmpty else { return nil }
            var pod = rest.removeFirst()
            for address in pod.podIPs where moves[address] == nil { moves[address] = place.address(address.family) }
            pod.nodeName = place.node == 0 ? NetDaemon.nodeName : "node2"
            pod.hostNetwork = false
            pod.phase = .running
            pod.podIPs = [place.v4, place.v6]
            pod.hostIPs = [NetAddressing.nodes[place.node], NetAddressing.nodes6[place.node]]
            return pod
        }
        for number in NetAddressing.nodes.indices {
            moves[WorldPlan.nodeAddress(.ipv4, node: number)] = NetAddressing.nodes[number]
            moves[WorldPlan.nodeAddress(.ipv6, node: number)] = NetAddressing.nodes6[number]
        }
        for index in world.tierPolicies.indices {
            world.tierPolicies[index].egress = world.tierPolicies[index].egress.map { Self.moved($0, by: moves) }
        }
        for index in world.policies.indices {
            world.policies[index].ingress = world.policies[index].ingress.map { Self.moved($0, by: moves) }
            world.policies[index].egress = world.policies[index].egress.map { Self.moved($0, by: moves) }
        }
    }

    private static func moved(_ rule: NetworkPolicyRule, by moves: [IPAddress: IPAddress]) -> NetworkPolicyRule {
        var rule = rule
        rule.peers = rule.peers.map { peer in
            guard case .ipBlock(let cidr, let except) = peer else { return peer }
            let outer = moved(cidr, by: moves)
            let inner = except.map { moved($0, by: moves) }
            return .ipBlock(cidr: outer, except: inner.filter { outer.contains($0) && $0 != outer })
        }
        return rule
    }

    private static func moved(_ rule: TierRule, by moves: [IPAddress: IPAddress]) -> TierRule {
        var rule = rule
        rule.peers = rule.peers.map { peer in
            guard case .networks(let networks) = peer else { return peer }
            return .networks(Set(networks.map { moved($0, by: moves) }).sorted())
        }
        return rule
    }

    /// The prefix of the same length around where the least of its addresses that moved has gone.
    private static func moved(_ cidr: CIDR, by moves: [IPAddress: IPAddress]) -> CIDR {
        guard let from = moves.keys.filter({ cidr.contains($0) }).min(), let to = moves[from] else { return cidr }
        return CIDR(to, prefixLength: Int(cidr.prefixLength))
    }

    /// Flows that can be sent for real: between pods, and between pods and the outside host.
    public mutating func flows(_ count: Int, in net: NetWorld) -> [Flow] {
        let pods = Set(net.pods.flatMap { [$0.v4, $0.v6] })
        let outside: Set<IPAddress> = [NetAddressing.outside, NetAddressing.outside6]
        var found: [Flow] = []
        while found.count < count {
            let aimed = flows(20).filter { flow in
                pods.contains(flow.source) && pods.contains(flow.destination) && flow.isAsked
            }
            found += aimed.prefix(8)
            // One with an outside end, at a port that rules name.
            let pod = random.pick(pods.sorted())
            let host = outside.first { $0.family == pod.family }!
            let (source, destination) = random.chance(percent: 50) ? (pod, host) : (host, pod)
            let ipProtocol = random.pick([IPProtocol.tcp, .udp, .sctp])
            found.append(
                Flow(
                    source: source, destination: destination, ipProtocol: ipProtocol,
                    destinationPort: random.pick(WorldPlan.portNumbers)))
        }
        return Array(found.prefix(count))
    }
}

extension Flow {
    /// Whether a ``NetProbe`` can ask it.
    fileprivate var isAsked: Bool {
        switch ipProtocol {
        case .tcp, .udp, .sctp: destinationPort != 0
        case .icmp: source.family == .ipv4
        case .icmpv6: source.family == .ipv6
        default: false
        }
    }
}
