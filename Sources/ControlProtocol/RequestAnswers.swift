// SPDX-License-Identifier: Apache-2.0

/// What the node's proxy has decided about HTTP requests.
public struct RequestCountersAnswer: Codable, Sendable, Hashable {
    /// Most requests first.
    public var rules: [RequestCounterAnswer]
    /// Requests by `allow`, `deny`, `wouldDeny` (these were allowed) and `refuse`.
    public var verdicts: [String: UInt64]
    /// Requests and connections that were refused before any rule decided, by reason.
    public var refused: [String: UInt64]
    public init(rules: [RequestCounterAnswer], verdicts: [String: UInt64], refused: [String: UInt64]) {
        self.rules = rules
        self.verdicts = verdicts
        self.refused = refused
    }
}

/// The requests that one rule has decided in one way.
public struct RequestCounterAnswer: Codable, Sendable, Hashable {
    public var rule: RuleAnswer
    /// `allow`, `deny` or `wouldDeny`.
    public var verdict: String
    public var requests: UInt64
    public init(rule: RuleAnswer, verdict: String, requests: UInt64) {
        self.rule = rule
        self.verdict = verdict
        self.requests = requests
    }
}

/// Flows whose HTTP requests decide, and the proxy that decides about them.
public struct RequestStatus: Codable, Sendable, Hashable {
    /// Pods of this node with such flows.
    public var endpoints: Int
    /// Whether the proxy's decider follows policy. If not, such flows are refused.
    public var proxyReady: Bool
    /// The namespace and service account by which the proxy pod is known.
    public var proxy: String
    /// `namespace/name` of this node's proxy pod; nil if no pod with an interface has that identity.
    public var proxyPod: String?
    /// Whether flows that need the proxy get there: it is ready, and marks and routes are in place.
    public var steered: Bool
    /// Why they do not, and are refused.
    public var problem: String?
    /// Seconds since flows that need the proxy have been refused.
    public var missingSeconds: Int?
    public init(
        endpoints: Int, proxyReady: Bool, proxy: String, proxyPod: String? = nil, steered: Bool,
        problem: String? = nil, missingSeconds: Int? = nil
    ) {
        self.endpoints = endpoints
        self.proxyReady = proxyReady
        self.proxy = proxy
        self.proxyPod = proxyPod
        self.steered = steered
        self.problem = problem
        self.missingSeconds = missingSeconds
    }
}
