// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import NetworkTypes
import PolicyModel
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
        enum Rule {
            case policy(NetworkPolicyRule)
            case tier(TierRule)
            case authorization(AuthorizationRule)
        }
        var pod: Pod
        var direction: PolicyType
        var rule: Rule
    }

    private func targets() -> [Target] {
        var targets: [Target] = []
        func add(_ pod: Pod, _ ingress: [Target.Rule], _ egress: [Target.Rule]) {
            targets += ingress.map { Target(pod: pod, direction: .ingress, rule: $0) }
            targets += egress.map { Target(pod: pod, direction: .egress, rule: $0) }
        }
        let pods = world.localPods.filter { !$0.podIPs.isEmpty }
        for policy in world.policies {
            for pod in pods
            where pod.metadata.namespace == policy.metadata.namespace
                && Oracle.selects(policy.podSelector, pod.metadata.labels)
            {
                add(pod, policy.ingress.map(Target.Rule.policy), policy.egress.map(Target.Rule.policy))
            }
        }
        for policy in world.tierPolicies {
            for pod in pods where belongs(pod, to: policy.subject) {
                add(pod, policy.ingress.map(Target.Rule.tier), policy.egress.map(Target.Rule.tier))
            }
        }
        for policy in world.authorizationPolicies {
            let home = policy.metadata.namespace
            for pod in pods
            where [pod.metadata.namespace, world.settings.rootNamespace].contains(home)
                && Oracle.selects(policy.selector, pod.metadata.labels)
            {
                add(pod, policy.rules.map(Target.Rule.authorization), [])
            }
        }
        return targets
    }

    /// Nil where the two ends share no family.
    private mutating func flow(at target: Target) -> Flow? {
        let own = random.pick(target.pod.podIPs)
        var candidates = addresses(near: target)
        if candidates.isEmpty { candidates = interestingAddresses }
        candidates = candidates.filter { $0.family == own.family && $0 != own }
        guard !candidates.isEmpty else { return nil }
        let other = random.pick(candidates)
        let (source, destination) = target.direction == .egress ? (own, other) : (other, own)
        let peerPods = world.pods.filter { $0.podIPs.contains(other) }
        let named = target.direction == .egress ? peerPods : [target.pod]
        guard random.chance(percent: 88), let aim = aim(target.rule, named) else { return flow(source, destination) }
        return Flow(source: source, destination: destination, ipProtocol: aim.0, destinationPort: aim.1)
    }

    /// Empty: anywhere.
    private mutating func addresses(near target: Target) -> [IPAddress] {
        guard random.chance(percent: 80) else { return [] }
        switch target.rule {
        case .policy(let rule):
            return rule.peers.isEmpty
                ? [] : addresses(near: random.pick(rule.peers), from: target.pod.metadata.namespace)
        case .tier(let rule): return rule.peers.isEmpty ? [] : addresses(near: random.pick(rule.peers))
        case .authorization(let rule):
            let blocks = (rule.sources ?? []).flatMap { $0.ipBlocks + $0.notIpBlocks }
            return blocks.isEmpty ? world.pods.flatMap(\.podIPs) : addresses(near: random.pick(blocks))
        }
    }

    private mutating func addresses(near peer: TierPeer) -> [IPAddress] {
        switch peer {
        case .pods(let selection): return world.pods.filter { belongs($0, to: selection) }.flatMap(\.podIPs)
        case .nodes(let selector):
            return world.nodes.filter { Oracle.selects(selector, $0.metadata.labels) }.flatMap(\.addresses)
        case .networks(let networks): return addresses(near: random.pick(networks))
        }
    }

    private mutating func addresses(near prefix: CIDR) -> [IPAddress] {
        random.chance(percent: 70) ? prefix.edges : interestingAddresses.filter(prefix.contains)
    }

    private func belongs(_ pod: Pod, to selection: PodSelection) -> Bool {
        Oracle.selects(selection.namespaces, labels(ofNamespace: pod.metadata.namespace))
            && Oracle.selects(selection.pods, pod.metadata.labels)
    }

    /// Protocol and port at which a rule is aimed, or just beside; nil: any.
    ///
    /// - Parameter pods: whose named ports count.
    private mutating func aim(_ rule: Target.Rule, _ pods: [Pod]) -> (IPProtocol, UInt16)? {
        switch rule {
        case .policy(let rule):
            guard !rule.ports.isEmpty else { return nil }
            let port = random.pick(rule.ports)
            return (port.ipProtocol, number(near: port, of: pods))
        case .tier(let rule):
            guard let ports = rule.ports, !ports.isEmpty else { return nil }
            switch random.pick(ports) {
            case .range(let ipProtocol, let range): return (ipProtocol, number(near: range))
            case .named(let name):
                let ports = pods.flatMap(\.namedPorts).filter { $0.name == name }
                guard !ports.isEmpty, random.chance(percent: 85) else { return nil }
                let port = random.pick(ports)
                return (port.ipProtocol, port.number)
            }
        case .authorization(let rule):
            let ports = (rule.operations ?? []).flatMap { $0.ports + $0.notPorts }
            let isNear = !ports.isEmpty && random.chance(percent: 85)
            return (.tcp, isNear ? random.pick(ports) : random.pick(WorldPlan.portNumbers))
        }
    }

    private mutating func addresses(near peer: NetworkPolicyPeer, from namespace: String) -> [IPAddress] {
        switch peer {
        case .ipBlock(let cidr, let except):
            return addresses(near: except.isEmpty || random.chance(percent: 60) ? cidr : random.pick(except))
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
        case .range(let range): return number(near: range)
        case .named(let name):
            let numbers = pods.flatMap(\.namedPorts).filter { $0.name == name }.map(\.number)
            return numbers.isEmpty || random.chance(percent: 15)
                ? random.pick(WorldPlan.portNumbers) : random.pick(numbers)
        }
    }

    private mutating func number(near range: PortRange) -> UInt16 {
        random.pick([range.first, range.last, range.first, range.last, range.first &- 1, range.last &+ 1])
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
            case 2:
                (0..<nodeCount).map { WorldPlan.nodeAddress(own.family, node: $0) } + ownAddresses
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
        if isTiered, random.chance(percent: 3) {
            return Flow(
                source: source, destination: destination, ipProtocol: random.pick([.udp, .udp, .tcp]),
                destinationPort: random.pick([53, 67, 547]))
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
