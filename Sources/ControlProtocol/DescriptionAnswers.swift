// SPDX-License-Identifier: Apache-2.0

/// Answer of `GET /v1/describe?pod=`: a pod with everything that decides about it, in order of evaluation.
public struct PodDescription: Codable, Sendable, Hashable {
    public var namespace: String
    public var name: String
    /// The pod's node. Nil for a pod of another node: its name is not kept.
    public var node: String?
    public var addresses: [String]
    /// Nil where they are not known: without an address to which policy applies, they are not kept.
    public var labels: [String: String]?
    public var serviceAccount: String?
    /// Named ports, as `http 8080/TCP`.
    public var namedPorts: [String]
    /// metadata.creationTimestamp; nil if the object has none.
    public var createdAt: String?
    /// Its place in this node's tables: interface and programs. Nil for a pod that they do not protect.
    public var endpoint: EndpointAnswer?
    /// When a policy that selects it changed last, as far as this daemon has seen it.
    public var changedAt: String?
    public var ingress: DirectionDescription
    public var egress: DirectionDescription
    /// Facts in which this pod differs from others, as sentences.
    public var notes: [String]

    public init(namespace: String, name: String) {
        self.namespace = namespace
        self.name = name
        addresses = []
        namedPorts = []
        ingress = DirectionDescription()
        egress = DirectionDescription()
        notes = []
    }
}

/// Everything that decides one direction of a pod.
public struct DirectionDescription: Codable, Sendable, Hashable {
    /// What is decided before any policy, as sentences.
    public var always: [String] = []
    /// Layers with policies, in order of evaluation.
    public var layers: [LayerDescription] = []
    /// `deny` if a flow that no rule matches is denied, otherwise `allow`. Authorization is not part of it.
    public var otherwise = "allow"

    public init() {}
}

/// The policies of one tier, or of authorization, in order of evaluation.
public struct LayerDescription: Codable, Sendable, Hashable {
    /// `Admin`, `NetworkPolicy`, `Baseline` or `Authorization`.
    public var tier: String
    public var policies: [PolicyDescription]
    /// Policies that deny what no rule of the layer allows: for authorization, TCP alone. Empty: the next one decides.
    public var isolatedBy: [PolicyName]
    /// Packets that were denied because no rule allowed them. Nil if that is not counted here.
    public var denied: HitsAnswer?

    public init(tier: String, policies: [PolicyDescription], isolatedBy: [PolicyName]) {
        self.tier = tier
        self.policies = policies
        self.isolatedBy = isolatedBy
    }
}

/// Answer of `GET /v1/describe?policy=`: every policy with the name.
public struct PolicyDescriptionsAnswer: Codable, Sendable, Hashable {
    public var policies: [PolicyDescription]
    public init(policies: [PolicyDescription]) { self.policies = policies }
}

/// One policy in words, with what its selectors select now.
public struct PolicyDescription: Codable, Sendable, Hashable {
    public var policy: PolicyName
    /// `Admin`, `NetworkPolicy`, `Baseline` or `Authorization`.
    public var tier: String
    public var priority: Int?
    /// `enforce`, or `audit`: packets that it would deny are reported and pass.
    public var enforcement: String
    /// True if its rules only report what they match (Istio's action AUDIT). Else nil.
    public var report: Bool?
    /// The directory of guardrails or manifests, the API server, or `socket`.
    public var origin: String?
    public var createdAt: String?
    /// When this daemon last saw it change; nil: not since the daemon knows it.
    public var changedAt: String?
    /// The pods that it selects, in words.
    public var subject: String
    /// The same as pods of the whole cluster, as far as they are known.
    public var selects: PodsAnswer
    /// Why it selects none, and what was probably meant.
    public var hint: String?
    /// Local endpoints that it selects. Nil in the description of a pod.
    public var endpoints: PodsAnswer?
    /// Directions in which it denies what no rule allows.
    public var isolates: [String]
    public var ingress: [RuleDescription]
    public var egress: [RuleDescription]
    /// Parts that are not understood, as sentences.
    public var partial: [String]?
    /// What is wrong with a newer version that was refused.
    public var problems: [Problem]?
    /// Packets that were denied because none of its rules allowed them, by direction; other policies that isolate the
    /// same pods share the number.
    public var denied: [String: HitsAnswer]?
    /// Requests that the node's proxy has decided by it, by verdict.
    public var requests: [String: UInt64]?

    public init(
        policy: PolicyName, tier: String, enforcement: String, subject: String, selects: PodsAnswer,
        isolates: [String], ingress: [RuleDescription], egress: [RuleDescription]
    ) {
        self.policy = policy
        self.tier = tier
        self.enforcement = enforcement
        self.subject = subject
        self.selects = selects
        self.isolates = isolates
        self.ingress = ingress
        self.egress = egress
    }
}

/// One rule in words. A written rule of an AuthorizationPolicy with several sources or operations is several of these.
public struct RuleDescription: Codable, Sendable, Hashable {
    /// Position in its policy and direction, counted from 0.
    public var index: Int
    public var name: String?
    /// `allow`, `deny`, `pass` or `report`.
    public var action: String
    /// Whom it matches: any of these. Nil: everyone. Empty: none.
    public var peers: [PeerDescription]?
    /// What holds of the other end as well: all of these. Nil if there are none.
    public var conditions: [PeerConditionDescription]?
    /// What holds of the pod's own address, as sentences. Nil if there are none.
    public var destinations: [String]?
    /// Nil: every port of every protocol. Empty: none.
    public var ports: [PortDescription]?
    /// What it asks of an HTTP request. Nil: the rule decides about flows.
    public var request: String?
    /// What it has counted on this node, for all pods together. Nil: it is not in this node's tables.
    public var hits: HitsAnswer?

    public init(index: Int, name: String?, action: String) {
        self.index = index
        self.name = name
        self.action = action
    }
}

/// Some peers of a rule.
public struct PeerDescription: Codable, Sendable, Hashable {
    /// "pods app=web in namespace shop", "10.0.0.0/8 except 10.1.0.0/16".
    public var text: String
    /// The pods that it selects now. Nil for addresses and nodes.
    public var pods: PodsAnswer?
    /// A prefix, and the parts of it that are left out. Nil for pods and nodes.
    public var cidr: String?
    public var except: [String]?
    /// Addresses of nodes that it selects, the first ones. Nil for pods and prefixes.
    public var addresses: [String]?
    /// Why it selects nothing, and what was probably meant. Nil if it selects something.
    public var hint: String?

    public init(text: String) { self.text = text }
}

/// One condition on the other end.
public struct PeerConditionDescription: Codable, Sendable, Hashable {
    /// Any of these.
    public var peers: [PeerDescription]
    /// The condition holds if none of them matches.
    public var excluded: Bool

    public init(peers: [PeerDescription], excluded: Bool) {
        self.peers = peers
        self.excluded = excluded
    }
}

/// Ports of a rule.
public struct PortDescription: Codable, Sendable, Hashable {
    /// The name of a container port. Nil for numbers.
    public var name: String?
    /// `80/TCP`, `8000-8100/UDP`, `every TCP port`. For a name, the numbers that it has in the pods in question; empty:
    /// none of them has it.
    public var ports: [String]
    /// The name that was probably meant, if no pod has it.
    public var hint: String?

    public init(name: String? = nil, ports: [String], hint: String? = nil) {
        self.name = name
        self.ports = ports
        self.hint = hint
    }
}

/// Some pods: how many, and ten of them at most by name.
public struct PodsAnswer: Codable, Sendable, Hashable {
    public var count: Int
    /// As `namespace/name`, in order; of many pods not the first ones.
    public var names: [String]

    public init(count: Int, names: [String]) {
        self.count = count
        self.names = names
    }
}

/// What one rule has counted.
public struct HitsAnswer: Codable, Sendable, Hashable {
    public var packets: UInt64
    public var bytes: UInt64
    /// Requests that the node's proxy decided by it since the daemon started. Nil if there are none.
    public var requests: UInt64?
    /// Since when this daemon knows that it counts.
    public var since: String
    /// True if the counter is older than the daemon: it was taken over with the kernel's tables, and what earlier runs
    /// have counted is included. Else nil.
    public var earlier: Bool?

    public init(packets: UInt64, bytes: UInt64, requests: UInt64? = nil, since: String, earlier: Bool? = nil) {
        self.packets = packets
        self.bytes = bytes
        self.requests = requests
        self.since = since
        self.earlier = earlier
    }

    /// Whether it has counted nothing.
    public var isZero: Bool { packets == 0 && (requests ?? 0) == 0 }
}
