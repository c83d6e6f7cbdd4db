// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import NetworkTypes
import PolicyModel
import WorldKit

/// A small cluster that events change at random; small, so that things meet often.
struct RandomWorld {
    var random: SplitMix64
    private(set) var objects: [ObjectKey: KubernetesObject] = [:]
    private var clock: Int64 = 0

    init(seed: UInt64) { random = SplitMix64(seed: seed) }

    private mutating func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &random) < percent }
    private mutating func pick<T>(_ list: [T]) -> T { list[Int.random(in: 0..<list.count, using: &random)] }

    static let namespaces = ["a", "b", "c"]
    private static let keys = ["app", "tier"]
    private static let values = ["x", "y", "z"]
    static let addresses: [IPAddress] =
        (1...24).map { IPAddress(v4: 0x0a00_0000 + UInt32($0)) }
        + (1...4).map { IPAddress(v6High: 0xfd00_0000_0000_0000, low: UInt64($0)) }
    static let outside: [IPAddress] = [
        IPAddress(v4: 0x0808_0808), IPAddress(v4: 0xc0a8_0001), IPAddress(v4: 0xc0a8_0002),
        IPAddress(v6High: 0x2001_0db8_0000_0000, low: 1),
    ]

    /// One event, often none that matters.
    mutating func event() -> ObjectEvent {
        let object: KubernetesObject
        switch Int.random(in: 0..<100, using: &random) {
        case 0..<50: object = .pod(pod())
        case 50..<60:
            object = .namespace(Namespace(metadata: ObjectMeta(name: pick(Self.namespaces), labels: labels())))
        case 60..<65:
            let metadata = ObjectMeta(name: pick(["n1", "n2"]), labels: labels())
            object = .node(Node(metadata: metadata, addresses: nodeAddresses()))
        case 65..<78: object = .tierPolicy(tierPolicy())
        default: object = .networkPolicy(policy())
        }
        if chance(35) {
            objects[object.key] = nil
            return .removed(object.key)
        }
        objects[object.key] = object
        return .set(object)
    }

    private mutating func nodeAddresses() -> [IPAddress] {
        [IPAddress(v4: 0xc0a8_0000 + UInt32.random(in: 1...3, using: &random))]
    }

    private mutating func labels() -> [String: String] {
        var result: [String: String] = [:]
        for key in Self.keys where chance(60) { result[key] = pick(Self.values) }
        return result
    }

    private mutating func pod() -> Pod {
        clock += 1
        var ports: [NamedPort] = []
        for name in ["http", "dns"] where chance(50) {
            ports.append(
                NamedPort(name: name, ipProtocol: chance(70) ? .tcp : .udp, number: pick([80, 8080, 53])))
        }
        // One of each family at most, as core/v1 PodStatus.podIPs has it.
        var addresses: [IPAddress] = []
        if chance(85) { addresses.append(pick(Self.addresses.filter { $0.family == .ipv4 })) }
        if chance(20) { addresses.append(pick(Self.addresses.filter { $0.family == .ipv6 })) }
        let meta = ObjectMeta(
            name: pick(["p1", "p2", "p3", "p4"]), namespace: pick(Self.namespaces),
            uid: chance(80) ? "same" : "uid-\(clock)", labels: labels(), createdAt: chance(50) ? 0 : clock)
        return Pod(
            metadata: meta, nodeName: pick(["n1", "n1", "n2", ""]), hostNetwork: chance(5), namedPorts: ports.sorted(),
            phase: chance(90) ? .running : .succeeded, podIPs: addresses,
            hostIPs: chance(30) ? nodeAddresses() : [])
    }

    private mutating func selector() -> LabelSelector {
        var result = LabelSelector()
        if chance(30) { return result }
        if chance(60) { result.matchLabels[pick(Self.keys)] = pick(Self.values) }
        if chance(40) {
            let key = pick(Self.keys)
            let values = chance(50) ? ["x"] : ["y", "z"]
            switch Int.random(in: 0..<4, using: &random) {
            case 0: result.matchExpressions.append(LabelRequirement(key: key, operator: .in, values: values))
            case 1: result.matchExpressions.append(LabelRequirement(key: key, operator: .notIn, values: values))
            case 2: result.matchExpressions.append(LabelRequirement(key: key, operator: .exists))
            default: result.matchExpressions.append(LabelRequirement(key: key, operator: .doesNotExist))
            }
        }
        return result
    }

    private mutating func peer() -> NetworkPolicyPeer {
        switch Int.random(in: 0..<10, using: &random) {
        case 0..<4: return .pods(namespaces: nil, pods: selector())
        case 4..<6: return .pods(namespaces: selector(), pods: nil)
        case 6..<8: return .pods(namespaces: selector(), pods: selector())
        default:
            let length = pick([0, 8, 24, 28, 30, 32])
            let cidr = CIDR(pick(Self.addresses + Self.outside), prefixLength: length)
            var except: [CIDR] = []
            for _ in 0..<2 where chance(40) && length < 32 {
                let inside = CIDR(pick(Self.addresses + Self.outside), prefixLength: min(length + pick([1, 4, 8]), 32))
                if cidr.contains(inside) { except.append(inside) }
            }
            return .ipBlock(cidr: cidr, except: except)
        }
    }

    private mutating func rule() -> NetworkPolicyRule {
        var rule = NetworkPolicyRule()
        for _ in 0..<Int.random(in: 0...2, using: &random) { rule.peers.append(peer()) }
        for _ in 0..<Int.random(in: 0...2, using: &random) {
            let port: NetworkPolicyPort.Port
            switch Int.random(in: 0..<4, using: &random) {
            case 0: port = .any
            case 1: port = .named(pick(["http", "dns"]))
            case 2: port = .range(PortRange(pick([80, 8080, 53])))
            default: port = .range(PortRange(pick([50, 80]), pick([80, 9000])))
            }
            rule.ports.append(NetworkPolicyPort(ipProtocol: pick([.tcp, .tcp, .udp, .sctp]), port: port))
        }
        return rule
    }

    private mutating func policy() -> NetworkPolicy {
        var types: Set<PolicyType> = chance(70) ? [.ingress] : []
        if types.isEmpty || chance(50) { types.insert(.egress) }
        var policy = NetworkPolicy(
            metadata: ObjectMeta(name: pick(["q1", "q2", "q3"]), namespace: pick(Self.namespaces)),
            podSelector: selector(), policyTypes: types)
        for _ in 0..<Int.random(in: 0...2, using: &random) { policy.ingress.append(rule()) }
        for _ in 0..<Int.random(in: 0...2, using: &random) { policy.egress.append(rule()) }
        return policy
    }

    private mutating func tierPolicy() -> TierPolicy {
        var policy = TierPolicy(
            kind: pick(TierPolicy.Kind.allCases), metadata: ObjectMeta(name: pick(["g1", "g2", "g3"])),
            tier: pick([.admin, .baseline]), priority: pick([0, 5, 5, 10]),
            subject: PodSelection(namespaces: selector(), pods: selector()),
            enforcement: chance(25) ? .audit : .enforce)
        for _ in 0..<Int.random(in: 0...3, using: &random) { policy.ingress.append(tierRule(.ingress)) }
        for _ in 0..<Int.random(in: 0...3, using: &random) { policy.egress.append(tierRule(.egress)) }
        return policy
    }

    private mutating func tierRule(_ direction: Direction) -> TierRule {
        var rule = TierRule(
            name: chance(50) ? "named" : nil, action: pick([.accept, .deny, .pass]), peers: [],
            unknown: chance(5) ? ["spec: unknown"] : [])
        for _ in 0..<Int.random(in: 1...2, using: &random) {
            switch direction == .ingress ? 0 : Int.random(in: 0..<4, using: &random) {
            case 0, 1: rule.peers.append(.pods(PodSelection(namespaces: selector(), pods: selector())))
            case 2: rule.peers.append(.nodes(selector()))
            default:
                rule.peers.append(
                    .networks([CIDR(pick(Self.addresses + Self.outside), prefixLength: pick([0, 8, 24, 30, 32]))]))
            }
        }
        guard chance(60) else { return rule }
        var ports: [TierPort] = []
        for _ in 0..<Int.random(in: 1...2, using: &random) {
            if chance(30) {
                ports.append(.named(pick(["http", "dns"])))
            } else {
                ports.append(.range(pick([.tcp, .udp, .sctp]), chance(30) ? .all : PortRange(pick([53, 80, 8080]))))
            }
        }
        rule.ports = ports
        return rule
    }

    /// Destinations of local routes: no pod inside, perhaps pods inside.
    static let localPrefixes: [CIDR] = [
        CIDR(IPAddress(v4: 0x0808_0800), prefixLength: 24), CIDR(IPAddress(v4: 0x0a00_0010), prefixLength: 28),
        CIDR(IPAddress(v4: 0x0a00_0004), prefixLength: 31),
        CIDR(IPAddress(v6High: 0xfd00_0000_0000_0000, low: 0), prefixLength: 127),
    ]

    /// What the node takes in by its local routes, now and then something else.
    mutating func localAddresses() -> [CIDR]? {
        guard chance(8) else { return nil }
        let hosts = (1...2).compactMap { _ in chance(60) ? CIDR(host: pick(Self.outside)) : nil }
        return hosts + (chance(50) ? [pick(Self.localPrefixes)] : [])
    }

    /// A flow between addresses of this world, of one family as every packet is.
    mutating func flow() -> Flow {
        let source = pick(Self.addresses + Self.outside)
        return Flow(
            source: source, destination: pick((Self.addresses + Self.outside).filter { $0.family == source.family }),
            ipProtocol: pick([.tcp, .tcp, .udp, .sctp, .icmp]), destinationPort: pick([80, 8080, 53, 51, 9001]))
    }
}
