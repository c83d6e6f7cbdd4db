// SPDX-License-Identifier: Apache-2.0

/// What the kernel says of a question, beside what the daemon's tables say.
public struct KernelComparison: Codable, Sendable, Hashable {
    /// Whether the kernel's answer is the daemon's for every flow that it was asked. Left out if it was asked none.
    public var agrees: Bool?
    /// Why the kernel was not asked at all; otherwise left out.
    public var notAsked: String?
    /// One for each family that both ends have.
    public var flows: [ComparedFlow]
    /// What a bug report needs; only where they disagree.
    public var bundle: DisagreementBundle?

    /// The kernel was not asked.
    public init(notAsked: String) {
        self.notAsked = notAsked
        flows = []
    }

    public init(flows: [ComparedFlow]) {
        self.flows = flows
        let answers = flows.compactMap(\.agrees)
        agrees = answers.isEmpty ? nil : !answers.contains(false)
        if answers.isEmpty { notAsked = flows.lazy.compactMap(\.notAsked).first }
    }

    /// What to do about a disagreement.
    public static let remedy =
        "the kernel and the daemon disagree: a bug, or a change by others; run `bulkheadctl diags`, and `bulkheadctl "
        + "resync` to write the tables again"
}

/// One flow as the daemon and the kernel decide it on this node.
public struct ComparedFlow: Codable, Sendable, Hashable {
    /// `source -> destination port/protocol`.
    public var flow: String
    /// `forwarded`, `toOwnNode` or `fromOwnNode`.
    public var way: String
    /// By the daemon's tables: the directions of this node's pods alone.
    public var model: NodeDecision
    /// By the kernel; left out if it was not asked.
    public var kernel: NodeDecision?
    /// Left out if the kernel was not asked.
    public var agrees: Bool?
    /// Why it was not asked, or why its answer says nothing about policy; otherwise left out.
    public var notAsked: String?
    /// What differs, as sentences; left out if nothing does.
    public var differences: [String]?

    public init(flow: String, way: String, model: NodeDecision) {
        self.flow = flow
        self.way = way
        self.model = model
    }
}

/// What one node decides about a flow.
public struct NodeDecision: Codable, Sendable, Hashable {
    /// `allow`, `deny` or `depends`.
    public var verdict: String
    /// What decided for each of this node's pods; left out if none of them is on that side, or if the other side had
    /// already denied.
    public var egress: DecidingRule?
    public var ingress: DecidingRule?
    /// Why a packet is dropped, unless a rule decided; otherwise left out.
    public var cause: String?

    public init(verdict: String, egress: DecidingRule?, ingress: DecidingRule?, cause: String? = nil) {
        self.verdict = verdict
        self.egress = egress
        self.ingress = ingress
        self.cause = cause
    }
}

/// A rule by its number in the tables.
public struct DecidingRule: Codable, Sendable, Hashable {
    /// 0: no rule.
    public var number: Int
    /// The rule; left out if the daemon knows none with this number.
    public var rule: RuleAnswer?
    /// The number of the rule in audit that would deny; otherwise left out.
    public var wouldDeny: Int?

    public init(number: Int, rule: RuleAnswer?, wouldDeny: Int? = nil) {
        self.number = number
        self.rule = rule
        self.wouldDeny = wouldDeny
    }
}

/// Everything about a disagreement between daemon and kernel that a bug report needs.
public struct DisagreementBundle: Codable, Sendable, Hashable {
    /// RFC 3339.
    public var time: String
    /// The daemon's version.
    public var version: String
    public var node: String
    public var datapath: String
    /// The question as it was asked.
    public var from: String
    public var to: String
    /// The answers to it.
    public var flows: [ComparedFlow]
    /// The rows of the daemon's tables that decide, one for each direction.
    public var rows: [TableRow]
    /// How many times the tables were written since the daemon started.
    public var writes: Int
    /// Changes by others that were found and repaired since then.
    public var repaired: Int

    public init(
        time: String, version: String, node: String, datapath: String, from: String, to: String, flows: [ComparedFlow],
        rows: [TableRow], writes: Int, repaired: Int
    ) {
        self.time = time
        self.version = version
        self.node = node
        self.datapath = datapath
        self.from = from
        self.to = to
        self.flows = flows
        self.rows = rows
        self.writes = writes
        self.repaired = repaired
    }
}

/// The place in the tables where one direction of a flow is decided.
public struct TableRow: Codable, Sendable, Hashable {
    public var flow: String
    public var direction: String
    /// The pod, and its number in the tables.
    public var endpoint: String
    /// 0: no policy.
    public var program: Int
    /// Of the address at the other end.
    public var addressClass: Int
    public var portClass: Int
    /// What the cell says, `allow`, `deny`, `audit`, `ask` or `handOver`; left out without a program.
    public var action: String?
    /// The rule in the cell.
    public var rule: Int?

    public init(
        flow: String, direction: String, endpoint: String, program: Int, addressClass: Int, portClass: Int,
        action: String?, rule: Int?
    ) {
        self.flow = flow
        self.direction = direction
        self.endpoint = endpoint
        self.program = program
        self.addressClass = addressClass
        self.portClass = portClass
        self.action = action
        self.rule = rule
    }
}
