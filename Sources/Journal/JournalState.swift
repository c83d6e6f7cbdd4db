// SPDX-License-Identifier: Apache-2.0
import Documents
import KubernetesObjects

/// What the journal knows as a whole at one moment: policies in force, namespaces, nodes, and this node's pods. Pods of
/// other nodes are too many; the journal knows those that changed.
public struct JournalState: Sendable, Equatable {
    public var objects: [ObjectKey: KubernetesObject]
    /// Endpoints of resolved policy; the journal does not keep what that says.
    public var resolved: Int

    public init(objects: [ObjectKey: KubernetesObject] = [:], resolved: Int = 0) {
        self.objects = objects
        self.resolved = resolved
    }

    /// Moves to the state after a record.
    ///
    /// - Returns: false if the record does not say enough.
    public mutating func apply(_ record: JournalRecord) -> Bool {
        switch record.content {
        case .effect: return true
        case .event(let event):
            if event.isBase, !event.isElsewhere { return false }
            if event.kind == .resolved || event.kind == .known { resolved = event.resolvedAfter }
            return true
        case .change(let change) where change.isElsewhere: return true
        case .change(let change): return set(change.key, change.after, change)
        }
    }

    /// Moves to the state before a record.
    ///
    /// - Returns: false if the record does not say enough.
    public mutating func revert(_ record: JournalRecord) -> Bool {
        switch record.content {
        case .effect: return true
        case .event(let event):
            if event.isBase, !event.isElsewhere { return false }
            if event.kind == .resolved || event.kind == .known { resolved = event.resolvedBefore }
            return true
        case .change(let change) where change.isElsewhere: return true
        case .change(let change): return set(change.key, change.before, change)
        }
    }

    private mutating func set(_ key: ObjectKey, _ document: [UInt8], _ change: JournalChange) -> Bool {
        guard !change.isElided else { return false }
        guard !document.isEmpty else {
            objects[key] = nil
            return true
        }
        guard let object = KubernetesObject(journalDocument: document), object.key == key else { return false }
        objects[key] = object
        return true
    }
}

/// A state with the place in the journal at which it was one, as a file.
public struct JournalCheckpoint: Sendable, Equatable {
    /// The last record that it includes.
    public var sequence: UInt64
    public var state: JournalState

    public init(sequence: UInt64, state: JournalState) {
        self.sequence = sequence
        self.state = state
    }

    /// The bytes of the file; nil if they would be more than `limit`.
    public func bytes(limit: Int) -> [UInt8]? {
        var output = JournalSegment.head
        let head = DocumentNode.object([
            ("sequence", .integer(Int64(clamping: sequence))), ("objects", .integer(Int64(state.objects.count))),
            ("resolved", .integer(Int64(state.resolved))),
        ])
        JournalSegment.append(framed: Array(head.json.utf8), to: &output)
        for (_, object) in state.objects {
            let document = object.journalDocument
            guard document.count <= JournalSegment.recordLimit, output.count + document.count <= limit else {
                return nil
            }
            JournalSegment.append(framed: document, to: &output)
        }
        return output.count <= limit ? output : nil
    }

    /// Reads the file as a whole; nil if any part of it is damaged.
    public init?(_ bytes: [UInt8]) {
        let frames = JournalSegment.frames(in: bytes)
        guard frames.isWhole, let first = frames.contents.first,
            let head = try? JSONReader.read(Array(bytes[first])),
            case .integer(let sequence)? = head["sequence"]?.value,
            case .integer(let count)? = head["objects"]?.value, case .integer(let resolved)? = head["resolved"]?.value,
            let number = UInt64(exactly: sequence), count == frames.contents.count - 1
        else { return nil }
        var objects: [ObjectKey: KubernetesObject] = [:]
        for range in frames.contents.dropFirst() {
            guard let object = KubernetesObject(journalDocument: Array(bytes[range])) else { return nil }
            objects[object.key] = object
        }
        guard objects.count == frames.contents.count - 1 else { return nil }
        self.init(sequence: number, state: JournalState(objects: objects, resolved: Int(resolved)))
    }
}
