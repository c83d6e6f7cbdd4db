// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import NetworkTypes

/// Makes random worlds and random changes of them. The same seed makes the same world.
public struct WorldGenerator: Sendable {
    public var random: WorldRandom
    public package(set) var world: World
    package var families: [AddressFamily]
    var nodeCount: Int
    /// Whether there are policies of tiers, policies in audit, and addresses that only the node knows. Half of the
    /// worlds are without.
    let isTiered: Bool
    /// Whether pods have service accounts and there are AuthorizationPolicies.
    let isAuthorized: Bool
    /// Numbers given in names, so that no two objects share one.
    var serial = 0

    /// - Parameter isAuthorized: whether pods have service accounts and there are AuthorizationPolicies. All else is
    ///   the same with them.
    public init(seed: UInt64, isAuthorized: Bool = false) {
        self.isAuthorized = isAuthorized
        // Neighboring seeds must not make neighboring worlds.
        var mixer = WorldRandom(seed: seed &* 0xD134_2543_DE82_EF95)
        random = WorldRandom(seed: mixer.next())
        world = World(seed: seed, nodeName: "node-0")
        families = [[.ipv4], [.ipv6], [.ipv4, .ipv6]][random.weighted([30, 15, 55])]
        nodeCount = random.between(1, 4)
        isTiered = random.chance(percent: 50)
        if isTiered { world.settings = settings() }
        addCluster()
        if isAuthorized { addAuthorization() }
    }

    private mutating func addCluster() {
        for index in 0..<nodeCount where random.chance(percent: 92) { world.nodes.append(node(index)) }
        for name in WorldPlan.namespaceNames where random.chance(percent: 75) {
            world.namespaces.append(namespace(name))
        }
        for _ in 0..<[2, random.between(3, 12), random.between(12, 40)][random.weighted([10, 45, 45])] {
            world.pods.append(pod())
        }
        for _ in 0..<[0, random.between(1, 4), random.between(4, 12)][random.weighted([3, 50, 47])] {
            world.policies.append(policy())
        }
        guard isTiered else { return }
        for _ in 0..<[random.between(1, 3), random.between(3, 8)][random.weighted([50, 50])] {
            world.tierPolicies.append(tierPolicy())
        }
    }

    mutating func nextSerial() -> Int {
        serial += 1
        return serial
    }

    mutating func node(_ index: Int) -> Node {
        let addresses = families.map { WorldPlan.nodeAddress($0, node: index) }
        return Node(
            metadata: ObjectMeta(name: "node-\(index)", labels: labels(WorldPlan.nodeLabels, percent: 65)),
            addresses: addresses)
    }

    mutating func namespace(_ name: String) -> Namespace {
        var labels = self.labels(WorldPlan.namespaceLabels, percent: 60)
        labels[Namespace.nameLabel] = name
        return Namespace(metadata: ObjectMeta(name: name, labels: labels))
    }

    mutating func labels(_ plan: [(key: String, values: [String])], percent: Int) -> [String: String] {
        var labels: [String: String] = [:]
        for (key, values) in plan where random.chance(percent: percent) { labels[key] = random.pick(values) }
        return labels
    }

    mutating func pod() -> Pod {
        let name = "pod-\(nextSerial())"
        let metadata = ObjectMeta(
            name: name, namespace: random.pick(WorldPlan.namespaceNames), uid: "uid-\(name)",
            labels: labels(WorldPlan.podLabels, percent: 65), createdAt: Int64(random.between(0, 3)) * 1000)
        // Half of the pods live on the node that decides; a few are not scheduled.
        let node = random.chance(percent: 50) ? 0 : random.below(nodeCount)
        let scheduled = random.chance(percent: 97)
        var pod = Pod(
            metadata: metadata, nodeName: scheduled ? "node-\(node)" : "", namedPorts: namedPorts(),
            phase: [.running, .pending, .succeeded, .failed, .unknown][random.weighted([82, 5, 5, 4, 4])])
        if scheduled, random.chance(percent: 85) {
            pod.hostIPs = families.map { WorldPlan.nodeAddress($0, node: node) }
        }
        if scheduled, random.chance(percent: 7) {
            pod.hostNetwork = true
            pod.podIPs = families.map { WorldPlan.nodeAddress($0, node: node) }
        } else {
            pod.podIPs = podIPs(node: node)
        }
        return pod
    }

    mutating func podIPs(node: Int) -> [IPAddress] {
        if random.chance(percent: 3) { return [] }
        var used = families
        if used.count == 2, random.chance(percent: 20) { used.remove(at: random.below(2)) }
        if random.chance(percent: 10) { used.reverse() }
        // 30 host numbers a node: some pods claim an address that another has, or had.
        return used.map { WorldPlan.podAddress($0, node: node, host: random.between(1, 30)) }
    }

    /// The names that policies use, with numbers that differ from pod to pod; now and then one name twice, as two
    /// containers of one pod may have it.
    mutating func namedPorts() -> [NamedPort] {
        var ports: Set<NamedPort> = []
        for name in random.some(of: WorldPlan.portNames, percent: 70) {
            for _ in 0..<(random.chance(percent: 8) ? 2 : 1) {
                ports.insert(
                    NamedPort(name: name, ipProtocol: namedProtocol(name), number: random.pick(WorldPlan.portNumbers)))
            }
        }
        return ports.sorted()
    }

    private mutating func namedProtocol(_ name: String) -> IPProtocol {
        switch name {
        case "dns": random.pick([.udp, .tcp])
        case "sig": random.chance(percent: 80) ? .sctp : .tcp
        default: random.chance(percent: 94) ? .tcp : .udp
        }
    }
}
