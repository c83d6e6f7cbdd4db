// SPDX-License-Identifier: Apache-2.0

/// Answer of `GET /v1/unused`: what has no effect, as far as this node can know. Each list is bounded; `leftOut` counts
/// what it does not show.
public struct UnusedAnswer: Codable, Sendable, Hashable {
    /// When the daemon started.
    public var started: String
    /// Policies in this node's tables that have matched nothing: neither a rule nor the isolation.
    public var policies: [UnusedPolicy] = []
    /// Rules in this node's tables that have matched nothing, of the other policies.
    public var rules: [UnusedRule] = []
    /// Policies that select no pod of the cluster.
    public var selectNothing: [EmptySubject] = []
    /// Peers and named ports of any policy that select nothing now.
    public var peers: [EmptyPeer] = []
    /// Policies that select pods, but none of this node.
    public var notHere = 0
    /// How many entries each list leaves out, by its name. Empty if there are none.
    public var leftOut: [String: Int] = [:]

    public init(started: String) { self.started = started }
}

/// A policy that has matched nothing.
public struct UnusedPolicy: Codable, Sendable, Hashable {
    public var policy: PolicyName
    public var enforcement: String
    public var createdAt: String?
    public var changedAt: String?
    /// Since when all of its rules have counted.
    public var since: String
    /// True if counters are included that are older than the daemon. Else nil.
    public var earlier: Bool?

    public init(
        policy: PolicyName, enforcement: String, createdAt: String?, changedAt: String?, since: String, earlier: Bool?
    ) {
        self.policy = policy
        self.enforcement = enforcement
        self.createdAt = createdAt
        self.changedAt = changedAt
        self.since = since
        self.earlier = earlier
    }
}

/// A rule that has matched nothing.
public struct UnusedRule: Codable, Sendable, Hashable {
    public var rule: RuleAnswer
    public var createdAt: String?
    public var changedAt: String?
    public var since: String
    public var earlier: Bool?

    public init(rule: RuleAnswer, createdAt: String?, changedAt: String?, since: String, earlier: Bool?) {
        self.rule = rule
        self.createdAt = createdAt
        self.changedAt = changedAt
        self.since = since
        self.earlier = earlier
    }
}

/// A policy that selects no pod.
public struct EmptySubject: Codable, Sendable, Hashable {
    public var policy: PolicyName
    public var subject: String
    /// Why, and what was probably meant.
    public var hint: String

    public init(policy: PolicyName, subject: String, hint: String) {
        self.policy = policy
        self.subject = subject
        self.hint = hint
    }
}

/// A part of a rule that selects nothing.
public struct EmptyPeer: Codable, Sendable, Hashable {
    public var rule: RuleAnswer
    /// The peer in words, or `port NAME`.
    public var peer: String
    /// Why, and what was probably meant.
    public var hint: String

    public init(rule: RuleAnswer, peer: String, hint: String) {
        self.rule = rule
        self.peer = peer
        self.hint = hint
    }
}
