// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import NetworkTypes
import PolicyOracle

extension WorldGenerator {
    /// Flows of the present world, most of them with an end on the node that decides. Most are aimed at a rule:
    /// at an address that it names or just outside, at a port that it names or just beside.
    public mutating func flows(_ count: Int) -> [Flow] {
        let targets = targets()
        var flows: [Flow] = []
        flows.reserveCapacity(count)
        while flows.count < count {
            let aimed = !targets.isEmpty && random.chance(percent: 72)
            if let flow = aimed ? flow(at: random.pick(targets)) : plainFlow() { flows.append(flow) }
        }
        return flows
    }

    /// A rule with a pod of this node that it is for.
    private struct Target {
        var pod: Pod
        var direction: PolicyType
        var rule: NetworkPolicyRule
    }

    private func targets() -> [Target] {
        var targets: [Target] = []
        let pods = world.localPods.filter { !$0.podIPs.isEmpty }
        for policy in world.policies {
            let selected = pods.filter {
                $0.metadata.namespace == policy.metadata.namespace
                    && Oracle.selects(policy.podSelector, $0.metadata.labels)
            }
            for pod in selected {
                targets += policy.ingress.map { Target(pod: pod, direction: .ingress, rule: $0) }
                targets += policy.egress.map { Target(pod: pod, direction: .egress, rule: $0) }
            }
        }
        return targets
    }

    /// Nil where the two ends share no family.
    private mutating func flow(at target: Target) -> Flow? {
        let own = random.pick(target.pod.podIPs)
        var candidates: [IPAddress] = []
        if !target.rule.peers.isEmpty, random.chance(percent: 80) {
            candidates = addresses(near: random.pick(target.rule.peers), from: target.pod.metadata.namespace)
        }
        if candidates.isEmpty { candidates = interestingAddresses }
        candidates = candidates.filter { $0.family == own.family && $0 != own }
        guard !candidates.isEmpty else { return nil }
        let other = random.pick(candidates)
        let (source, destination) = target.direction == .egress ? (own, other) : (other, own)
        guard !target.rule.ports.isEmpty, random.chance(percent: 88) else {
            return flow(source, destination)
        }
        let port = random.pick(target.rule.ports)
        let peerPods = world.pods.filter { $0.podIPs.contains(other) }
        let number = number(near: port, of: target.direction == .egress ? peerPods : [target.pod])
        return Flow(source: source, destination: destination, ipProtocol: port.ipProtocol, destinationPort: number)
    }

    private mutating func addresses(near peer: NetworkPolicyPeer, from namespace: String) -> [IPAddress] {
        switch peer {
        case .ipBlock(let cidr, let except):
            let prefix = except.isEmpty || random.chance(percent: 60) ? cidr : random.pick(except)
            return random.chance(percent: 70) ? prefix.edges : interestingAddresses.filter(prefix.contains)
        case .pods(let namespaces, let pods):
            return world.pods.filter { pod in
                let home = pod.metadata.namespace
                let isHomeNamed = namespaces.map { Oracle.selects($0, labels(ofNamespace: home)) }
                return isHomeNamed ?? (home == namespace)
                    && Oracle.selects(pods ?? LabelSelector(), pod.metadata.labels)
            }.flatMap(\.podIPs)
        }
    }

    private func labels(ofNamespace name: String) -> [String: String] {
        world.namespaces.first { $0.metadata.name == name }?.metadata.labels ?? [Namespace.nameLabel: name]
    }

    private mutating func number(near port: NetworkPolicyPort, of pods: [Pod]) -> UInt16 {
        switch port.port {
        case .any: return random.pick([0, 65535, random.pick(WorldPlan.portNumbers)])
        case .range(let range):
            return random.pick([range.first, range.last, range.first, range.last, range.first &- 1, range.last &+ 1])
        case .named(let name):
            let numbers = pods.flatMap(\.namedPorts).filter { $0.name == name }.map(\.number)
            return numbers.isEmpty || random.chance(percent: 15)
                ? random.pick(WorldPlan.portNumbers) : random.pick(numbers)
        }
    }

    /// Pod to pod, to outside, from outside, from and to nodes, to itself, and now and then nothing of this node's.
    private mutating func plainFlow() -> Flow? {
        let pods = world.pods.filter { !$0.podIPs.isEmpty }
        let local = pods.filter { $0.nodeName == world.nodeName }
        guard !pods.isEmpty else { return flow(random.pick(interestingAddresses), random.pick(interestingAddresses)) }
        let pod = random.pick(local.isEmpty || random.chance(percent: 8) ? pods : local)
        let own = random.pick(pod.podIPs)
        let others: [IPAddress] =
            switch random.weighted([55, 22, 12, 6, 5]) {
            case 0: anotherPod(pods, than: pod)
            case 1: WorldPlan.outside + [WorldPlan.mapped]
            case 2: (0..<nodeCount).map { WorldPlan.nodeAddress(own.family, node: $0) }
            case 3: pod.podIPs
            default: [own.next, own.previous]
            }
        let other = random.pick(others)
        return random.chance(percent: 50) ? flow(own, other) : flow(other, own)
    }

    private mutating func anotherPod(_ pods: [Pod], than pod: Pod) -> [IPAddress] {
        let others = pods.filter { $0 != pod }
        return others.isEmpty ? WorldPlan.outside : random.pick(others).podIPs
    }

    private mutating func flow(_ source: IPAddress, _ destination: IPAddress) -> Flow? {
        guard source.family == destination.family else { return nil }
        let ipProtocol: IPProtocol =
            switch random.weighted([60, 15, 7, 18]) {
            case 0: .tcp
            case 1: .udp
            case 2: .sctp
            default: random.pick(WorldPlan.otherProtocols)
            }
        let port: UInt16 =
            switch random.weighted([80, 5, 5, 10]) {
            case 0: random.pick(WorldPlan.portNumbers)
            case 1: 0
            case 2: 65535
            default: UInt16(truncatingIfNeeded: random.next())
            }
        return Flow(source: source, destination: destination, ipProtocol: ipProtocol, destinationPort: port)
    }
}
