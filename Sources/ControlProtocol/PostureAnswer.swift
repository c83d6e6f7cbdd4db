// SPDX-License-Identifier: Apache-2.0

/// Answer of `bulkheadctl report`.
public struct PostureAnswer: Codable, Sendable, Hashable {
    public var workloads: [WorkloadPostureAnswer]
    public var findings: [PostureFindingAnswer]
    /// How many findings there are of each severity; `high`, `medium`, `low`, `info`.
    public var counts: [String: Int]
    /// What the reader must know about the report as a whole.
    public var notes: [String]

    public init(
        workloads: [WorkloadPostureAnswer], findings: [PostureFindingAnswer], counts: [String: Int], notes: [String]
    ) {
        self.workloads = workloads
        self.findings = findings
        self.counts = counts
        self.notes = notes
    }
}

/// A workload, and what an attacker who controls it gains.
public struct WorkloadPostureAnswer: Codable, Sendable, Hashable {
    public var namespace: String
    /// `Deployment`, …; `Pod` for a pod without an owner.
    public var controller: String
    public var name: String
    public var pods: Int
    /// 0 to 100.
    public var score: Int
    /// What makes up the score.
    public var gains: [Gain]

    /// One thing that an attacker gains.
    public struct Gain: Codable, Sendable, Hashable {
        public var text: String
        public var points: Int
        public init(text: String, points: Int) {
            self.text = text
            self.points = points
        }
    }

    public init(namespace: String, controller: String, name: String, pods: Int, score: Int, gains: [Gain]) {
        self.namespace = namespace
        self.controller = controller
        self.name = name
        self.pods = pods
        self.score = score
        self.gains = gains
    }
}

/// One finding about a workload or a policy.
public struct PostureFindingAnswer: Codable, Sendable, Hashable {
    /// `BR001`.
    public var code: String
    /// `high`, `medium`, `low` or `info`.
    public var severity: String
    public var title: String
    /// `Deployment shop/web`, `NetworkPolicy shop/redis`.
    public var object: String
    public var message: String
    /// Where a policy is written. Otherwise nil.
    public var file: String?
    public var line: Int?
    public var fix: String
    /// The suggested policy as YAML. Nil: there is none, and `fix` says why.
    public var policy: String?

    public init(
        code: String, severity: String, title: String, object: String, message: String, file: String? = nil,
        line: Int? = nil, fix: String, policy: String? = nil
    ) {
        self.code = code
        self.severity = severity
        self.title = title
        self.object = object
        self.message = message
        self.file = file
        self.line = line
        self.fix = fix
        self.policy = policy
    }
}
