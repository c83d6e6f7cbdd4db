// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import NetworkTypes
import PolicyModel

extension WorldGenerator {
    mutating func policy() -> NetworkPolicy {
        // Policies in namespaces without pods select none; most go where pods of this node are.
        let homes = world.localPods.map(\.metadata.namespace)
        let namespace =
            homes.isEmpty || random.chance(percent: 20) ? random.pick(WorldPlan.namespaceNames) : random.pick(homes)
        let types: Set<PolicyType> = [[.ingress], [.egress], [.ingress, .egress]][random.weighted([35, 25, 40])]
        return NetworkPolicy(
            metadata: ObjectMeta(name: "policy-\(nextSerial())", namespace: namespace),
            podSelector: random.chance(percent: 40) ? LabelSelector() : podSelector(),
            policyTypes: types, ingress: rules(isNamed: types.contains(.ingress)),
            egress: rules(isNamed: types.contains(.egress)), enforcement: enforcement(auditPercent: 15))
    }

    /// Rules of a direction that `policyTypes` does not name mean nothing; some are written all the same.
    private mutating func rules(isNamed: Bool) -> [NetworkPolicyRule] {
        guard isNamed || random.chance(percent: 12) else { return [] }
        return (0..<random.weighted([18, 50, 22, 10])).map { _ in rule() }
    }

    mutating func rule() -> NetworkPolicyRule {
        let peers = (0..<random.weighted([14, 50, 26, 10])).map { _ in peer() }
        let ports = (0..<random.weighted([22, 42, 24, 12])).map { _ in port() }
        return NetworkPolicyRule(peers: peers, ports: ports)
    }

    mutating func peer() -> NetworkPolicyPeer {
        switch random.weighted([25, 20, 20, 35]) {
        case 0: return .pods(namespaces: nil, pods: podSelector())
        case 1: return .pods(namespaces: namespaceSelector(), pods: nil)
        case 2: return .pods(namespaces: namespaceSelector(), pods: podSelector())
        default: return ipBlock()
        }
    }

    mutating func podSelector() -> LabelSelector { selector(WorldPlan.podLabels, names: []) }

    mutating func namespaceSelector() -> LabelSelector {
        selector(WorldPlan.namespaceLabels, names: WorldPlan.namespaceNames)
    }

    mutating func selector(_ plan: [(key: String, values: [String])], names: [String]) -> LabelSelector {
        var plan = plan
        if !names.isEmpty { plan.append((Namespace.nameLabel, names)) }
        var selector = LabelSelector()
        let (labels, expressions) = [(0, 0), (1, 0), (2, 0), (0, 1), (1, 1), (0, 2)][
            random.weighted([14, 38, 8, 28, 7, 5])]
        for _ in 0..<labels {
            let (key, values) = random.pick(plan)
            selector.matchLabels[key] = random.pick(values)
        }
        for _ in 0..<expressions { selector.matchExpressions.append(requirement(plan)) }
        return selector
    }

    private mutating func requirement(_ plan: [(key: String, values: [String])]) -> LabelRequirement {
        let (key, values) = random.pick(plan)
        let chosen = random.some(of: values + ["other"], percent: 45)
        switch random.weighted([35, 25, 22, 18]) {
        case 0: return LabelRequirement(key: key, operator: .in, values: chosen.isEmpty ? [values[0]] : chosen)
        case 1: return LabelRequirement(key: key, operator: .notIn, values: chosen.isEmpty ? [values[0]] : chosen)
        case 2: return LabelRequirement(key: key, operator: .exists)
        default: return LabelRequirement(key: key, operator: .doesNotExist)
        }
    }

    /// A prefix around an address that flows use, and excepts around other such addresses or nested at random; an
    /// except is longer than the prefix and inside it, and may hold another.
    mutating func ipBlock() -> NetworkPolicyPeer {
        let addresses = interestingAddresses
        let cidr = block(around: random.pick(addresses))
        guard !cidr.isHost else { return .ipBlock(cidr: cidr, except: []) }
        var excepts: [CIDR] = []
        let inside = addresses.filter(cidr.contains)
        for _ in 0..<random.weighted([45, 28, 17, 10]) {
            let around = excepts.isEmpty || random.chance(percent: 60) ? random.pick(inside) : excepts[0].network
            let length = prefixLength(of: around.family, from: Int(cidr.prefixLength) + 1)
            excepts.append(CIDR(around, prefixLength: length))
        }
        return .ipBlock(cidr: cidr, except: excepts)
    }

    mutating func block(around center: IPAddress) -> CIDR {
        CIDR(center, prefixLength: prefixLength(of: center.family, from: 0))
    }

    private mutating func prefixLength(of family: AddressFamily, from low: Int) -> Int {
        let usual =
            family == .ipv4
            ? [0, 1, 8, 9, 16, 17, 22, 24, 27, 28, 29, 30, 31, 32] : [0, 1, 32, 48, 64, 65, 112, 120, 124, 127, 128]
        let possible = usual.filter { $0 >= low }
        return random.chance(percent: 85) && !possible.isEmpty
            ? random.pick(possible) : random.between(low, family.bitWidth)
    }

    /// Of what the node takes in by its local routes: the edges, and loopback's.
    var ownAddresses: [IPAddress] {
        (world.settings.localAddresses + CIDR.loopback.filter { families.contains($0.family) }).flatMap(\.edges)
    }

    /// Where flows come from and go to: pods', nodes' and outside addresses of the families in use.
    var interestingAddresses: [IPAddress] {
        let pods = world.pods.flatMap(\.podIPs)
        let nodes = (0..<nodeCount).flatMap { node in families.map { WorldPlan.nodeAddress($0, node: node) } }
        return pods + nodes + ownAddresses
            + WorldPlan.outside.filter { families.contains($0.family) }
    }

    mutating func port() -> NetworkPolicyPort {
        switch random.weighted([12, 30, 22, 36]) {
        case 0: return NetworkPolicyPort(ipProtocol: anyProtocol(), port: .any)
        case 1:
            return NetworkPolicyPort(
                ipProtocol: anyProtocol(), port: .range(PortRange(random.pick(WorldPlan.portNumbers))))
        case 2:
            let low = random.pick(WorldPlan.portNumbers)
            let last = min(Int(low) + random.pick([1, 10, 1000, 65535]), 65535)
            return NetworkPolicyPort(ipProtocol: anyProtocol(), port: .range(PortRange(low, UInt16(last))))
        default:
            let name = random.pick(WorldPlan.portNames)
            return NetworkPolicyPort(ipProtocol: policyProtocol(name), port: .named(name))
        }
    }

    mutating func anyProtocol() -> IPProtocol { [.tcp, .udp, .sctp][random.weighted([70, 20, 10])] }

    private mutating func policyProtocol(_ name: String) -> IPProtocol {
        switch name {
        case "dns": random.pick([.udp, .tcp])
        case "sig": .sctp
        default: random.chance(percent: 90) ? .tcp : .udp
        }
    }
}
