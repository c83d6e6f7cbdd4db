// SPDX-License-Identifier: Apache-2.0

/// Answer of `GET /v1/endpoints`, in order of name.
public struct EndpointsAnswer: Codable, Sendable, Hashable {
    public var endpoints: [EndpointAnswer]
    public init(endpoints: [EndpointAnswer]) { self.endpoints = endpoints }
}

/// One local endpoint.
public struct EndpointAnswer: Codable, Sendable, Hashable {
    /// Its number in the tables; 0 where it is gone.
    public var id: Int
    public var namespace: String
    public var name: String
    public var addresses: [String]
    public var ingress: EndpointDirection
    public var egress: EndpointDirection
    /// The interface by which its packets enter the node. Nil: not found, or behind a bridge.
    public var interface: InterfaceAnswer?
    /// The port of a bridge of the node by which its packets come, whose sources are checked there. Where this and
    /// ``interface`` are nil, policy may not hold for it.
    public var bridgePort: InterfaceAnswer?
    /// True for an endpoint that is known by its interface alone, to no object: only guardrails that select all pods
    /// hold for it. Else nil.
    public var unknown: Bool?
    /// True for an endpoint that stands for a pod of which the container runtime has told and no object has yet: it is
    /// denied everything. Else nil.
    public var held: Bool?
    /// TCP ports whose flows go through the node's proxy, because authorization reads their requests: `80`,
    /// `8000-8100`. Nil if there are none.
    public var requestPorts: [String]?

    public init(
        id: Int, namespace: String, name: String, addresses: [String], ingress: EndpointDirection,
        egress: EndpointDirection, interface: InterfaceAnswer?, bridgePort: InterfaceAnswer? = nil,
        unknown: Bool? = nil, held: Bool? = nil, requestPorts: [String]? = nil
    ) {
        self.id = id
        self.namespace = namespace
        self.name = name
        self.addresses = addresses
        self.ingress = ingress
        self.egress = egress
        self.interface = interface
        self.bridgePort = bridgePort
        self.unknown = unknown
        self.held = held
        self.requestPorts = requestPorts
    }
}

/// One direction of one endpoint.
public struct EndpointDirection: Codable, Sendable, Hashable {
    /// Number of the program that decides; 0 allows everything. Endpoints with the same rules share one.
    public var program: Int
    /// Rules of the program.
    public var rules: Int
    /// Policies that are involved, ordered by name.
    public var policies: [PolicyName]
    public init(program: Int, rules: Int, policies: [PolicyName]) {
        self.program = program
        self.rules = rules
        self.policies = policies
    }
}

/// A network interface of the node.
public struct InterfaceAnswer: Codable, Sendable, Hashable {
    public var index: Int
    public var name: String
    public init(index: Int, name: String) {
        self.index = index
        self.name = name
    }
}

/// Answer of `GET /v1/policies`, ordered by namespace and name; refused documents last.
public struct PoliciesAnswer: Codable, Sendable, Hashable {
    public var policies: [PolicyAnswer]
    /// Refused documents, policies or not.
    public var problems: [Problem]
    public init(policies: [PolicyAnswer], problems: [Problem]) {
        self.policies = policies
        self.problems = problems
    }
}

/// One policy.
public struct PolicyAnswer: Codable, Sendable, Hashable {
    public enum State: String, Codable, Sendable {
        /// Decides nothing; packets of the local endpoints in `endpoints` that it would deny are reported.
        case audited
        /// Decides for the local endpoints in `endpoints`.
        case enforced
        /// Valid, but selects no endpoint of this node.
        case selectsNoEndpoint
    }
    public var kind: String
    public var namespace: String
    public var name: String
    /// The directory of guardrails or manifests, or `socket`.
    public var origin: String
    public var state: State
    /// `Admin`, `NetworkPolicy`, `Baseline` or `Authorization`; nil for resolved policy.
    public var tier: String?
    /// For the tiers Admin and Baseline: lower is tried first.
    public var priority: Int?
    /// `enforce`, or `audit`: packets that it would deny are reported and pass.
    public var enforcement: String
    /// The pods that it selects, in words; nil for resolved policy.
    public var subject: String?
    /// Parts that are not understood, as sentences with the field's path. A rule with such a part accepts only by the
    /// parts that are understood, or otherwise denies everything that reaches it. Nil if there are none.
    public var partial: [String]?
    /// Local endpoints that it selects, as `namespace/name`, in order.
    public var endpoints: [String]
    /// What is wrong with a newer version that was refused; the previous version is in force.
    public var problems: [Problem]
    /// Requests that the node's proxy has decided by it since the daemon started, by verdict: `allow`, `deny`,
    /// `wouldDeny`. Nil if there are none.
    public var requests: [String: UInt64]?
    /// metadata.creationTimestamp; nil if the object has none.
    public var createdAt: String?
    /// When this daemon last saw it change; nil: not since the daemon knows it.
    public var changedAt: String?

    public init(
        kind: String, namespace: String, name: String, origin: String, tier: String?, priority: Int?,
        enforcement: String, subject: String?, partial: [String]?, endpoints: [String], problems: [Problem],
        requests: [String: UInt64]? = nil, createdAt: String? = nil, changedAt: String? = nil
    ) {
        self.createdAt = createdAt
        self.changedAt = changedAt
        self.kind = kind
        self.namespace = namespace
        self.name = name
        self.origin = origin
        self.tier = tier
        self.priority = priority
        self.enforcement = enforcement
        self.subject = subject
        self.partial = partial
        state = endpoints.isEmpty ? .selectsNoEndpoint : enforcement == "audit" ? .audited : .enforced
        self.endpoints = endpoints
        self.problems = problems
        self.requests = requests
    }
}

/// Answer of `GET /v1/counters`.
public struct CountersAnswer: Codable, Sendable, Hashable {
    /// Most packets first.
    public var rules: [RuleCounterAnswer]
    public var datapath: DatapathCountersAnswer
    /// What the node's proxy has counted since the daemon started; nil if it has reported nothing.
    public var requests: RequestCountersAnswer?
    public init(
        rules: [RuleCounterAnswer], datapath: DatapathCountersAnswer, requests: RequestCountersAnswer? = nil
    ) {
        self.rules = rules
        self.datapath = datapath
        self.requests = requests
    }
}

/// What one rule decided since it was first programmed; the sum survives changes of the tables and of other policy.
public struct RuleCounterAnswer: Codable, Sendable, Hashable {
    /// Its number in the tables; 0 if it is gone.
    public var id: Int
    public var rule: RuleAnswer
    /// True if a policy in audit decides: these packets passed and would have been denied. Otherwise nil.
    public var audit: Bool?
    public var packets: UInt64
    public var bytes: UInt64
    /// True if the rule is no longer in force: policy has changed since it counted. Otherwise nil.
    public var gone: Bool?
    public init(
        id: Int, rule: RuleAnswer, audit: Bool? = nil, packets: UInt64, bytes: UInt64, gone: Bool? = nil
    ) {
        self.id = id
        self.rule = rule
        self.audit = audit
        self.packets = packets
        self.bytes = bytes
        self.gone = gone
    }
}

/// Packets dropped for a reason other than a rule, and events that were not reported.
public struct DatapathCountersAnswer: Codable, Sendable, Hashable {
    /// Source address not the pod's own.
    public var spoofed: UInt64
    /// Transport header not found and the pod isolated in that direction.
    public var unparsable: UInt64
    /// Inconsistent tables; the packet was dropped.
    public var inconsistent: UInt64
    /// Tunnel packets from a pod to a node.
    public var tunnel: UInt64
    /// Source-routed packets from a pod.
    public var sourceRouted: UInt64
    /// ICMP redirects, and ICMP errors about flows of others, from a pod.
    public var unrelatedErrors: UInt64
    /// Packets whose IP header cannot be read.
    public var malformed: UInt64
    /// TCP flows whose requests decide, dropped because they were not on their way to or from the node's proxy.
    public var handOver: UInt64
    /// Passed, although policies in audit would deny it. nftables counts flows.
    public var audited: UInt64
    /// Drop events not reported: over the rate limit, or a repetition of the same flow.
    public var suppressedEvents: UInt64
    /// Drop events lost on the way out of the kernel.
    public var lostEvents: UInt64
    /// New flows that were allowed and not reported: over the rate limit; and whose report was lost on the way.
    public var flowsLeftOut: UInt64
    public var flowsLost: UInt64
    public init(
        spoofed: UInt64, unparsable: UInt64, inconsistent: UInt64, tunnel: UInt64, sourceRouted: UInt64,
        unrelatedErrors: UInt64, malformed: UInt64, handOver: UInt64 = 0, audited: UInt64, suppressedEvents: UInt64,
        lostEvents: UInt64, flowsLeftOut: UInt64 = 0, flowsLost: UInt64 = 0
    ) {
        self.spoofed = spoofed
        self.unparsable = unparsable
        self.inconsistent = inconsistent
        self.tunnel = tunnel
        self.sourceRouted = sourceRouted
        self.unrelatedErrors = unrelatedErrors
        self.malformed = malformed
        self.handOver = handOver
        self.audited = audited
        self.suppressedEvents = suppressedEvents
        self.lostEvents = lostEvents
        self.flowsLeftOut = flowsLeftOut
        self.flowsLost = flowsLost
    }
}
