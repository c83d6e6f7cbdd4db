// SPDX-License-Identifier: Apache-2.0

/// What a client asks of the journal.
public struct HistoryQuestion: Sendable, Hashable {
    /// From this moment on; nil: from the beginning.
    public var since: PastMoment?
    /// Only the last ones.
    public var last: Int
    /// Only what is about this pod, policy or namespace: `namespace/name` or `name`; nil: everything.
    public var subject: String?
    /// Whether changes of other nodes' pods are included.
    public var includesPodsElsewhere: Bool

    public init(
        since: PastMoment? = nil, last: Int = HistoryQuestion.limit, subject: String? = nil,
        includesPodsElsewhere: Bool = false
    ) {
        self.since = since
        self.last = last
        self.subject = subject
        self.includesPodsElsewhere = includesPodsElsewhere
    }

    /// Limit of entries of one answer.
    public static let limit = 10_000
}

/// Answer of `GET /v1/history`.
public struct HistoryAnswer: Codable, Sendable, Hashable {
    /// The time of the first record; nil: the journal is empty.
    public var begins: String?
    /// In the order of what happened, whatever the clock said.
    public var entries: [HistoryEntry]
    /// Entries that were left out because they were more than asked for.
    public var omitted: Int
    /// Records that cannot be read.
    public var damaged: Int
    /// Records that could not be written since the daemon started.
    public var lost: UInt64
    /// Why the journal cannot be written now; nil if it can.
    public var problem: String?

    public init(
        begins: String?, entries: [HistoryEntry], omitted: Int = 0, damaged: Int = 0, lost: UInt64 = 0,
        problem: String? = nil
    ) {
        self.begins = begins
        self.entries = entries
        self.omitted = omitted
        self.damaged = damaged
        self.lost = lost
        self.problem = problem
    }
}

/// One record of the journal.
public struct HistoryEntry: Codable, Sendable, Hashable {
    /// Its number; `verdict --at '#123'` asks about the moment after it.
    public var sequence: UInt64
    /// By the clock of then.
    public var time: String
    /// `added`, `changed`, `removed`, `refused`, `resolved`, `attached`, `detached`, `repaired`, `failed`, `recovered`,
    /// `started`, `adopted`, `known`, `stopped`, `lost`.
    public var what: String
    /// The object, if it is about one; for `attached` and `detached`, the pod.
    public var kind: String?
    public var namespace: String?
    public var name: String?
    /// Where a change came from: a directory, the API server, the socket, the runtime.
    public var source: String?
    /// The API server's version of the object after the change; of a removal, the last one. Nil: not of an API server.
    public var resourceVersion: String?
    /// Its `metadata.generation`; nil if the API server does not say.
    public var generation: Int64?
    /// What else there is to say, in words.
    public var text: String?
    /// True for what changed while the daemon was not running, and was found at its start. Otherwise nil.
    public var whileStopped: Bool?
    /// True for a pod of another node. Otherwise nil.
    public var elsewhere: Bool?
    /// Pods of this node whose rules the step changed, at most 32; nil if none. Given with the step's first record.
    public var pods: [String]?
    /// How many there are.
    public var podCount: Int?
    /// Samples of what is now allowed or denied, at most 8; nil if there are none.
    public var verdicts: [String]?
    /// How many samples differ.
    public var verdictCount: Int?
    /// What the clock did since the record before: set back or forward. Otherwise nil.
    public var clock: String?
    /// True if records before this one are missing. Otherwise nil.
    public var gap: Bool?

    public init(sequence: UInt64, time: String, what: String) {
        self.sequence = sequence
        self.time = time
        self.what = what
    }
}
