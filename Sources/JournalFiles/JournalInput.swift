// SPDX-License-Identifier: Apache-2.0
import Journal
import KubernetesObjects

/// One change of an object, as the daemon saw it.
public struct JournalInput: Sendable {
    public var event: ObjectEvent
    /// For a pod of another node: the object before, as far as policy sees it; nil if there was none.
    public var before: KubernetesObject?
    /// Where it came from.
    public var source: String
    /// The API server's version of it.
    public var version: ObjectVersion?

    public init(
        _ event: ObjectEvent, before: KubernetesObject? = nil, source: String, version: ObjectVersion? = nil
    ) {
        self.event = event
        self.before = before
        self.source = source
        self.version = version
    }

    /// Whether it is about a pod of another node, and changes nothing that the journal keeps as a whole.
    func isElsewhere(_ node: String) -> Bool {
        guard !wasHere(node) else { return false }
        switch event {
        case .set(.pod(let pod)): return pod.nodeName != node
        case .set: return false
        case .removed:
            guard case .pod(let pod) = before else { return false }
            return pod.nodeName != node
        }
    }

    /// Whether it was a pod of this node before.
    func wasHere(_ node: String) -> Bool {
        if case .pod(let pod) = before { pod.nodeName == node } else { false }
    }

    /// About how many bytes it takes in memory.
    var weight: Int { 200 + (event.object?.weight ?? 0) + (before?.weight ?? 0) }
}

extension ObjectEvent {
    fileprivate var object: KubernetesObject? {
        if case .set(let object) = self { object } else { nil }
    }
}

/// The changes of one step, and what they changed on this node.
public struct JournalStep: Sendable {
    public var inputs: [JournalInput] = []
    /// Pods of this node whose rules changed; the first of them.
    public var pods: [String] = []
    public var podCount = 0
    public var time: JournalTime
    /// Changes of pods of other nodes that came too fast.
    var missed: JournalLoss?

    public init(time: JournalTime) { self.time = time }
}

/// All objects are known now.
public struct JournalBeginning: Sendable {
    /// All policies in force.
    public var policies: [KubernetesObject]
    /// Other objects; added to those of ``JournalWriter/gather(_:)``.
    public var others: [KubernetesObject]
    /// Endpoints of resolved policy.
    public var resolved: Int
    /// For the record.
    public var text: String
    /// The API server's versions of objects, as far as they are known.
    public var versions: [ObjectKey: ObjectVersion] = [:]

    public init(policies: [KubernetesObject], others: [KubernetesObject] = [], resolved: Int = 0, text: String) {
        self.policies = policies
        self.others = others
        self.resolved = resolved
        self.text = text
    }
}

/// The journal as it was read, with the state at its end.
public struct JournalSnapshot: Sendable {
    public var contents: JournalContents
    public var position: JournalPosition
    /// Nil until all objects are known.
    public var state: JournalState?
}

/// How the journal is doing.
public struct JournalStatus: Sendable, Hashable {
    /// Records written since the start.
    public var written: UInt64 = 0
    /// Records that could not be written, and changes that came too fast.
    public var lost: UInt64 = 0
    /// Records and ends of files that could not be read at the start.
    public var damaged: UInt64 = 0
    /// Bytes written since the start.
    public var bytes: UInt64 = 0
    /// Why nothing can be written now.
    public var problem: String?

    public init() {}
}

/// Something for the log.
public enum JournalReport: Sendable, Hashable {
    case opened(records: Int, damaged: Int)
    case setAside(String)
    case off(String)
    case on(lost: UInt64)
    /// The state is too large for a checkpoint.
    case checkpointFailed(String)
}
