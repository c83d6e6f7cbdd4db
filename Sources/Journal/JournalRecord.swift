// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects

/// One entry of the journal.
public struct JournalRecord: Sendable, Hashable {
    /// Rises by one with each record. The order of records is this one, whatever the clock says.
    public var sequence: UInt64
    /// The sequence number of the record before it in its ring; 0 for the first one. If that record is missing, so is
    /// what it said.
    public var previous: UInt64
    public var time: JournalTime
    public var content: JournalContent

    public init(sequence: UInt64 = 0, previous: UInt64 = 0, time: JournalTime, content: JournalContent) {
        self.sequence = sequence
        self.previous = previous
        self.time = time
        self.content = content
    }

    /// The ring that keeps it.
    public var ring: JournalRing {
        switch content {
        case .change(let change): change.isElsewhere ? .pods : .changes
        case .event(let event): event.isElsewhere ? .pods : .changes
        case .effect(let effect): effect.isElsewhere ? .pods : .changes
        }
    }
}

/// A ring of segments. Pods of other nodes change more often than everything else, and must not displace it.
public enum JournalRing: String, Sendable, Hashable, CaseIterable {
    case changes
    /// Pods of other nodes.
    case pods
}

/// A moment by both clocks, in milliseconds.
public struct JournalTime: Sendable, Hashable {
    /// Since 1970; it steps when the clock is set.
    public var wall: Int64
    /// Since the node booted; it never steps.
    public var uptime: Int64
    public init(wall: Int64, uptime: Int64) {
        self.wall = wall
        self.uptime = uptime
    }
}

/// What a record says.
public enum JournalContent: Sendable, Hashable {
    case change(JournalChange)
    case effect(JournalEffect)
    case event(JournalEvent)
}

/// An object that was added, changed or removed.
public struct JournalChange: Sendable, Hashable {
    public var key: ObjectKey
    /// Its document before, as JSON in one line; empty: there was none.
    public var before: [UInt8]
    /// Its document after; empty: there is none.
    public var after: [UInt8]
    /// Where the change came from: a directory, the API server, the socket.
    public var source: String
    /// The first record of the step that the change belongs to.
    public var step: UInt64
    /// Whether it happened while the daemon was not running, and was found at its start.
    public var whileStopped: Bool
    /// Whether it is a pod of another node.
    public var isElsewhere: Bool
    /// Whether the documents were too large and are left out.
    public var isElided: Bool
    /// The API server's version of the object after; of a removal, the last one. Nil: not of an API server.
    public var version: ObjectVersion?

    public init(
        key: ObjectKey, before: [UInt8] = [], after: [UInt8] = [], source: String, step: UInt64 = 0,
        whileStopped: Bool = false, isElsewhere: Bool = false, isElided: Bool = false, version: ObjectVersion? = nil
    ) {
        self.key = key
        self.before = before
        self.after = after
        self.source = source
        self.step = step
        self.whileStopped = whileStopped
        self.isElsewhere = isElsewhere
        self.isElided = isElided
        self.version = version
        kind = before.isEmpty ? .added : after.isEmpty ? .removed : .changed
    }

    public enum Kind: String, Sendable, Hashable, CaseIterable {
        case added
        case changed
        case removed
    }

    public var kind: Kind
}

/// What a step changed in verdicts.
public struct JournalEffect: Sendable, Hashable {
    /// The first record of the step.
    public var step: UInt64
    /// Pods of this node whose rules the step changed; the first of them.
    public var pods: [String]
    /// How many there are.
    public var podCount: Int
    /// Flows that are now allowed or denied, as sentences; the first of them.
    public var verdicts: [String]
    /// How many samples differ.
    public var verdictCount: Int
    /// Whether the step changed only pods of other nodes.
    public var isElsewhere: Bool

    public init(
        step: UInt64, pods: [String], podCount: Int, verdicts: [String] = [], verdictCount: Int = 0,
        isElsewhere: Bool = false
    ) {
        self.step = step
        self.pods = pods
        self.podCount = podCount
        self.verdicts = verdicts
        self.verdictCount = verdictCount
        self.isElsewhere = isElsewhere
    }
}

/// Something that is not an object's change.
public struct JournalEvent: Sendable, Hashable {
    public enum Kind: String, Sendable, Hashable, CaseIterable {
        /// The daemon started.
        case started
        /// All objects are known. What was in force before is known if the state of the previous run was.
        case known
        /// The daemon stopped in order.
        case stopped
        /// A document was refused.
        case refused
        /// A client replaced the resolved policy.
        case resolved
        /// The container runtime reported a pod.
        case attached
        /// The container runtime no longer has a pod's interface.
        case detached
        /// Others had changed the kernel's content, and it was repaired.
        case repaired
        /// The kernel could not be programmed.
        case failed
        /// It could be programmed again.
        case recovered
        /// What the daemon found in the kernel at its start.
        case adopted
        /// Changes are missing one by one, because the disk did not keep up. What they changed together follows.
        case lost
    }

    /// What the kernel still enforced of the previous run, at a start.
    public enum Found: String, Sendable, Hashable, CaseIterable {
        /// Everything that must be in place was.
        case whole
        /// Something was missing.
        case part
        case nothing
        /// Tables of another version or of the other datapath, about which this one knows nothing.
        case other
    }

    public var kind: Kind
    /// The object or pod that it is about; empty for the daemon itself.
    public var subject: String
    /// In words.
    public var text: String
    /// For `started`: the kernel's name for this boot.
    public var boot: String
    /// Whether the state before it is not known.
    public var isBase: Bool
    /// Whether it is about the knowledge of pods of other nodes.
    public var isElsewhere: Bool
    /// For `resolved` and `known`: endpoints of resolved policy before and after.
    public var resolvedBefore: Int
    public var resolvedAfter: Int
    /// For `adopted`; the text then says what was missing.
    public var found: Found?

    public init(
        _ kind: Kind, subject: String = "", _ text: String = "", boot: String = "", isBase: Bool = false,
        isElsewhere: Bool = false, resolvedBefore: Int = 0, resolvedAfter: Int = 0, found: Found? = nil
    ) {
        self.kind = kind
        self.subject = subject
        self.text = text
        self.boot = boot
        self.isBase = isBase
        self.isElsewhere = isElsewhere
        self.resolvedBefore = resolvedBefore
        self.resolvedAfter = resolvedAfter
        self.found = found
    }
}
