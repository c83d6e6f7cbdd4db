// SPDX-License-Identifier: Apache-2.0

/// Answer of `bulkheadctl reach`.
public struct ReachAnswer: Codable, Sendable, Hashable {
    /// One for each pair of parties and answer, sorted by party.
    public var rows: [ReachRowAnswer]
    public init(rows: [ReachRowAnswer]) { self.rows = rows }
}

/// What policy says from one party to another.
public struct ReachRowAnswer: Codable, Sendable, Hashable {
    public var from: ReachPartyAnswer
    public var to: ReachPartyAnswer
    /// `IPv4`, `IPv6`: the families for which this is the answer.
    public var families: [String]
    /// True if one end is a pod and the other its own node. Otherwise nil.
    public var ownNode: Bool?
    /// True if prefixes outside are in no row, because all is denied there, and are inside those of this row, or this
    /// row is of all other addresses. Otherwise nil.
    public var leavesOutDenied: Bool?
    /// In order of protocol and port.
    public var ports: [PortAccessAnswer]
    /// One of the pairs of addresses.
    public var source: String
    public var destination: String

    public init(
        from: ReachPartyAnswer, to: ReachPartyAnswer, families: [String], isOwnNode: Bool,
        leavesOutDenied: Bool, ports: [PortAccessAnswer], source: String, destination: String
    ) {
        self.from = from
        self.to = to
        self.families = families
        ownNode = isOwnNode ? true : nil
        self.leavesOutDenied = leavesOutDenied ? true : nil
        self.ports = ports
        self.source = source
        self.destination = destination
    }
}

/// One end of a row.
public struct ReachPartyAnswer: Codable, Sendable, Hashable {
    /// `workload`, `nodes` or `outside`.
    public var kind: String
    /// Of a workload. Otherwise nil.
    public var namespace: String?
    /// Of a workload: `Deployment`, …; `Pod` for a pod without an owner. Otherwise nil.
    public var controller: String?
    /// Of a workload. Otherwise nil.
    public var name: String?
    /// How many pods of the workload the row is about. Otherwise nil.
    public var pods: Int?
    /// How many pods the workload has. Otherwise nil.
    public var podsInAll: Int?
    /// Of `outside`: the prefixes, each without those inside it that are in other rows. `0.0.0.0/0` and `::/0` are all
    /// addresses that no policy tells apart. Otherwise nil.
    public var networks: [String]?

    public init(
        kind: String, namespace: String? = nil, controller: String? = nil, name: String? = nil, pods: Int? = nil,
        podsInAll: Int? = nil, networks: [String]? = nil
    ) {
        self.kind = kind
        self.namespace = namespace
        self.controller = controller
        self.name = name
        self.pods = pods
        self.podsInAll = podsInAll
        self.networks = networks
    }
}

/// The verdict for some ports.
public struct PortAccessAnswer: Codable, Sendable, Hashable {
    /// `6379/TCP`, `1-1023/UDP`, `every TCP port` or `other protocols`.
    public var ports: String
    /// `allow`, `deny` or `depends` (on the request).
    public var verdict: String
    /// What the source's policies say; left out where no pod is.
    public var egress: DirectionAnswer?
    /// What the destination's policies say; left out where no pod is.
    public var ingress: DirectionAnswer?

    public init(ports: String, verdict: String, egress: DirectionAnswer?, ingress: DirectionAnswer?) {
        self.ports = ports
        self.verdict = verdict
        self.egress = egress
        self.ingress = ingress
    }
}

/// Answer of `bulkheadctl prove`.
public struct ProofAnswer: Codable, Sendable, Hashable {
    /// Whether all claims are proven.
    public var proven: Bool
    /// In the order in which they were given.
    public var claims: [ClaimAnswer]
    public init(claims: [ClaimAnswer]) {
        self.claims = claims
        proven = claims.allSatisfy { $0.result == ClaimAnswer.proven }
    }
}

/// What became of one claim.
public struct ClaimAnswer: Codable, Sendable, Hashable {
    public static let proven = "proven"
    public static let wrong = "wrong"
    public static let empty = "empty"

    /// The name that the file gives it, or the claim itself.
    public var name: String
    /// `deny shop/web to outside 443/TCP`.
    public var claim: String
    /// `proven`; `wrong`: `counterexample` shows it; `empty`: no flow between the ends is judged, so that the claim says
    /// nothing.
    public var result: String
    /// A flow for which the claim is wrong. Otherwise nil.
    public var counterexample: ReachFlowAnswer?
    /// Where the claim is written; nil: on the command line.
    public var line: Int?

    public init(
        name: String, claim: String, result: String, counterexample: ReachFlowAnswer? = nil, line: Int? = nil
    ) {
        self.name = name
        self.claim = claim
        self.result = result
        self.counterexample = counterexample
        self.line = line
    }
}

/// One flow, its verdict and the reasons.
public struct ReachFlowAnswer: Codable, Sendable, Hashable {
    /// `source -> destination port/protocol`.
    public var flow: String
    /// `namespace/name` of the pods at its ends; nil: no pod is there.
    public var from: String?
    public var to: String?
    /// `allow`, `deny` or `depends` (on the request).
    public var verdict: String
    /// What decides, as sentences.
    public var reasons: [String]

    public init(flow: String, from: String?, to: String?, verdict: String, reasons: [String]) {
        self.flow = flow
        self.from = from
        self.to = to
        self.verdict = verdict
        self.reasons = reasons
    }
}

/// Answer of `bulkheadctl equal`.
public struct EqualAnswer: Codable, Sendable, Hashable {
    /// Every flow has one verdict in both, and both have the same pods.
    public var equal: Bool
    /// One for each pair of parties, ports and verdicts.
    public var changes: [ReachChangeAnswer]
    /// Pods that only the old cluster has, as `namespace/name`. Flows with them are not compared.
    public var onlyOld: [String]
    /// Pods that only the new cluster has.
    public var onlyNew: [String]

    public init(equal: Bool, changes: [ReachChangeAnswer], onlyOld: [String], onlyNew: [String]) {
        self.equal = equal
        self.changes = changes
        self.onlyOld = onlyOld
        self.onlyNew = onlyNew
    }
}

/// Flows whose verdict differs.
public struct ReachChangeAnswer: Codable, Sendable, Hashable {
    public var from: ReachPartyAnswer
    public var to: ReachPartyAnswer
    /// As in ``PortAccessAnswer/ports``.
    public var ports: String
    /// `allow`, `deny` or `depends` (on the request).
    public var old: String
    public var new: String
    /// True if both depend on the request, by rules that differ, and no request was found for which the answers do.
    /// Otherwise nil.
    public var mayBeEqual: Bool?
    /// One of the flows, as each cluster judges it.
    public var oldFlow: ReachFlowAnswer
    public var newFlow: ReachFlowAnswer

    public init(
        from: ReachPartyAnswer, to: ReachPartyAnswer, ports: String, old: String, new: String, mayBeEqual: Bool,
        oldFlow: ReachFlowAnswer, newFlow: ReachFlowAnswer
    ) {
        self.from = from
        self.to = to
        self.ports = ports
        self.old = old
        self.new = new
        self.mayBeEqual = mayBeEqual ? true : nil
        self.oldFlow = oldFlow
        self.newFlow = newFlow
    }
}
