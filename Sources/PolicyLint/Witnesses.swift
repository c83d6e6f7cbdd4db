// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import NetworkTypes
import PolicyModel

/// A cluster of invented pods, namespaces and nodes that stands for every cluster to which some policies can apply.
///
/// For every subject and every peer of a rule there are the pods of ``LabelWitnesses``. A rule that the others make
/// pointless in this cluster is pointless in every cluster. The pods' addresses are in no block that a rule names, and
/// their named ports are in no range that a rule names, except those with everything.
struct Witnesses {
    /// The node whose pods the policies protect; all others are elsewhere.
    static let node = "bulkhead-lint"
    static let podLimit = 20_000

    private(set) var namespaces: [String: [String: String]]
    private(set) var nodes: [Node] = []
    /// Those that a policy's subject selects, and all others.
    private(set) var subjects: [Pod] = []
    private(set) var others: [Pod] = []
    /// Whether conclusions are valid.
    private(set) var isExact = true

    private var podLabels: LabelWitnesses
    private var namespaceLabels: LabelWitnesses
    private var nodeLabels: LabelWitnesses
    private var found: [LabelSelector: [String]] = [:]
    private var known: Set<PodKey> = []
    private var ports: [NamedPort] = []
    private var addresses: WitnessAddresses
    private let described: Set<String>

    private struct PodKey: Hashable {
        var namespace: String
        var labels: [String: String]
        var account: String
    }

    init(_ policies: [Policy], _ world: LintWorld) {
        let scopes = policies.flatMap(\.allSubjects)
        podLabels = LabelWitnesses(scopes.map(\.pods))
        let selectors = scopes.compactMap { subject -> LabelSelector? in
            if case .selector(let selector) = subject.namespaces { selector } else { nil }
        }
        namespaceLabels = LabelWitnesses(selectors)
        nodeLabels = LabelWitnesses(policies.flatMap(\.allNodes))
        namespaces = world.namespaces
        described = world.described
        addresses = WitnessAddresses(avoiding: policies.flatMap(\.allBlocks))
        ports = Self.ports(of: policies)
        // Namespaces with only a name come first: one with further labels is another one.
        for selector in selectors.sorted(by: { $0.requirements.count < $1.requirements.count }) {
            addNamespaces(selector)
        }
        for policy in policies { add(policy.subject, isLocal: true) }
        for policy in policies {
            for rule in policy.ingress + policy.egress {
                for peer in rule.allPeers { add(peer) }
            }
        }
        isExact = isExact && !podLabels.isOverLimit && !namespaceLabels.isOverLimit && !nodeLabels.isOverLimit
    }

    /// Namespaces, nodes and pods; the pods in `local` belong to ``node``.
    func objects(local: some Collection<Pod>) -> [KubernetesObject] {
        var result: [KubernetesObject] = namespaces.sorted { $0.key < $1.key }.map { name, labels in
            .namespace(Namespace(metadata: ObjectMeta(name: name, labels: labels)))
        }
        result += nodes.map { .node($0) }
        let isLocal = Set(local.map(\.metadata.name))
        for pod in subjects + others {
            var pod = pod
            pod.nodeName = isLocal.contains(pod.metadata.name) ? Self.node : "elsewhere"
            result.append(.pod(pod))
        }
        return result
    }

    // MARK: Namespaces

    private mutating func addNamespaces(_ selector: LabelSelector) {
        guard found[selector] == nil else { return }
        var names: [String] = []
        for labels in namespaceLabels.sets(selector) {
            let name = labels[Namespace.nameLabel] ?? "bulkhead-lint-\(namespaces.count)"
            var own = labels
            own[Namespace.nameLabel] = name
            // What a namespace is labeled is known, or only its name.
            if namespaces[name] == nil { namespaces[name] = own }
            if let known = namespaces[name], selector.selects(known) { names.append(name) }
        }
        found[selector] = names
    }

    private func names(_ scope: NamespaceScope) -> [String] {
        switch scope {
        case .named(let name): [name]
        case .selector(let selector): found[selector] ?? []
        }
    }

    // MARK: Pods and nodes

    private mutating func add(_ subject: PodSubject, isLocal: Bool = false) {
        let sets = podLabels.sets(subject.pods)
        for namespace in names(subject.namespaces) {
            for labels in sets { add(namespace, labels, isLocal: isLocal) }
        }
    }

    private mutating func add(
        _ namespace: String, _ labels: [String: String], account: String = LabelWitnesses.anyValue, isLocal: Bool
    ) {
        if namespaces[namespace] == nil { namespaces[namespace] = [Namespace.nameLabel: namespace] }
        guard known.insert(PodKey(namespace: namespace, labels: labels, account: account)).inserted else { return }
        guard known.count <= Self.podLimit, let own = addresses.next() else {
            isExact = false
            return
        }
        let pod = Pod(
            metadata: ObjectMeta(name: "pod-\(known.count)", namespace: namespace, labels: labels),
            serviceAccountName: account, namedPorts: ports, podIPs: own)
        if isLocal { subjects.append(pod) } else { others.append(pod) }
    }

    private mutating func add(_ peer: PolicyPeer) {
        switch peer {
        case .pods(let subject): add(subject)
        case .identity(let identity):
            let namespace = identity.namespace.witness
            for account in Set([identity.account.witness, LabelWitnesses.anyValue]).sorted() {
                add(namespace, [:], account: account, isLocal: false)
            }
        case .nodes(let selector):
            for set in nodeLabels.sets(selector) {
                guard let own = addresses.next() else {
                    isExact = false
                    return
                }
                let metadata = ObjectMeta(name: "bulkhead-lint-node-\(nodes.count)", labels: set)
                nodes.append(Node(metadata: metadata, addresses: own))
            }
        case .block: break
        }
    }

    /// Every port name that a rule names, at a number of its own.
    private static func ports(of policies: [Policy]) -> [NamedPort] {
        let all = policies.flatMap { $0.ingress + $0.egress }.flatMap { $0.ports ?? [] }
        var names: Set<NamedPort> = []
        var ranges: [PortRange] = []
        for port in all {
            switch port {
            case .named(let name, let ipProtocol):
                names.insert(NamedPort(name: name, ipProtocol: ipProtocol, number: 0))
            case .range(let range) where range.range != .all: ranges.append(range.range)
            case .range: break
            }
        }
        var free = (1...UInt16.max).reversed().lazy.filter { number in !ranges.contains { $0.contains(number) } }
            .makeIterator()
        return names.sorted().compactMap { port in
            free.next().map { NamedPort(name: port.name, ipProtocol: port.ipProtocol, number: $0) }
        }
    }
}

/// Addresses of both families that no rule's block contains, except blocks of a whole family.
private struct WitnessAddresses {
    private let blocks: [CIDR]
    /// Counts through 198.18.0.0/15 and 2001:2::/48 (RFC 2544, RFC 5180).
    private var number: UInt32 = 0

    init(avoiding blocks: [CIDR]) {
        let ranges = ["198.18.0.0/15", "2001:2::/48"].compactMap { try? CIDR($0) }
        self.blocks = blocks.filter { block in
            block.prefixLength > 0 && ranges.contains { $0.contains(block) || block.contains($0) }
        }
    }

    mutating func next() -> [IPAddress]? {
        while number < 1 << 17 {
            let own = [
                IPAddress(v4: 0xc612_0000 + number), IPAddress(v6High: 0x2001_0002_0000_0000, low: UInt64(number)),
            ]
            number += 1
            if !blocks.contains(where: { block in own.contains { block.contains($0) } }) { return own }
        }
        return nil
    }
}

extension TextMatch {
    /// A text that matches, and as few other conditions as possible.
    fileprivate var witness: String {
        switch self {
        case .exact(let text): text
        case .prefix(let start): start + LabelWitnesses.anyValue
        case .suffix(let end): LabelWitnesses.anyValue + end
        case .present: LabelWitnesses.anyValue
        }
    }
}

extension PolicyRule {
    /// Of both kinds of conditions on the other end.
    var allPeers: [PolicyPeer] { (peers ?? []) + conditions.flatMap(\.peers) }
}

extension Policy {
    /// The subject, and the peers that are pods.
    fileprivate var allSubjects: [PodSubject] {
        [subject]
            + (ingress + egress).flatMap(\.allPeers).compactMap { peer in
                if case .pods(let subject) = peer { subject } else { nil }
            }
    }

    /// The peers that are nodes.
    fileprivate var allNodes: [LabelSelector] {
        (ingress + egress).flatMap(\.allPeers).compactMap { peer in
            if case .nodes(let selector) = peer { selector } else { nil }
        }
    }

    fileprivate var allBlocks: [CIDR] {
        (ingress + egress).flatMap(\.allPeers).flatMap { peer -> [CIDR] in
            if case .block(let block) = peer { [block.cidr] + block.except } else { [] }
        }
    }
}
