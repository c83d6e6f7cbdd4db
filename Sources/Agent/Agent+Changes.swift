// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import ControlProtocol
import ControlSocket
import Datapath
import Journal
import KubernetesObjects
import PolicyPipeline
import PolicyResolver

extension Agent: RunningAgent where Plane: ~Copyable {
    public func apply(_ objects: [KubernetesObject]) throws(ErrorAnswer) -> ObjectsAnswer {
        var next = inputs.store
        let (events, answer) = try next.push(objects)
        defer { logPushes(events) }
        try push(next, inputs.resolved, events, what: "objects applied") { $0.ingest(events) }
        return answer
    }

    public func delete(_ keys: [ObjectKey]) throws(ErrorAnswer) -> ObjectsAnswer {
        var next = inputs.store
        let (events, answer) = try next.delete(keys)
        defer { logPushes(events) }
        try push(next, inputs.resolved, events, what: "objects deleted") { $0.ingest(events) }
        return answer
    }

    /// A refused push changes nothing.
    private func noteResolved(_ before: Int) {
        let after = inputs.resolved.endpoints.count
        guard before != after || after > 0 else { return }
        noteInJournal(JournalEvent(.resolved, resolvedBefore: before, resolvedAfter: after))
    }

    /// Events of a refused push did not take effect and are not logged.
    private func logPushes(_ events: [ObjectEvent]) {
        logChanges(
            events.filter { event in
                guard case .set(let object) = event else { return inputs.store.pushed[event.key] == nil }
                return inputs.store.pushed[event.key] == object
            }, source: "socket")
    }

    public func setResolved(_ body: ResolvedBody?) throws(ErrorAnswer) -> ResolvedAnswer {
        let body = body ?? ResolvedBody(endpoints: [])
        let policy = try PushedPolicy(body)
        let old = inputs.resolved
        try push(inputs.store, body, [], what: "resolved policy set, \(body.endpoints.count) endpoints") {
            pipeline throws(PushedPolicyError) in try pipeline.ingest(pushed: policy)
        }
        noteResolved(old.endpoints.count)
        ruleAges.edited.formUnion(EditedRules.between(old, body))
        restartEditedRules()
        return ResolvedAnswer(endpoints: body.endpoints.count)
    }

    public func resync() throws(ErrorAnswer) -> ResyncAnswer {
        guard !phase.keepsPrevious else {
            throw ErrorAnswer(.waitingForCluster, "nothing was changed: \(Self.waiting)")
        }
        // Hooks and tables that are gone first: the comparison of their content does not restore them.
        let restored = repairPlace()
        repairBridges()
        if let error = reconcile(.kernel) ?? programming.repairError { throw ErrorAnswer(.datapathFailed, "\(error)") }
        let report = programming.last
        return ResyncAnswer(
            words: report.wordsWritten, gracePeriods: report.gracePeriods, rebuilt: report.rebuilt, restored: restored,
            changes: report.repaired)
    }

    /// Saves what clients want for the next start, then enforces it. Saved first: a daemon that dies in between must
    /// not forget what is in force.
    private func push(
        _ next: ObjectStore, _ nextResolved: ResolvedBody, _ events: [ObjectEvent], what: String,
        ingest: (inout PolicyPipeline) throws(PushedPolicyError) -> Void
    ) throws(ErrorAnswer) {
        let before = KeptPushes(objects: inputs.store.pushedObjects, resolved: inputs.resolved)
        let noted = journalInputs(events, source: "socket")
        try keep(KeptPushes(objects: next.pushedObjects, resolved: nextResolved))
        do {
            try ingest(&pipeline)
        } catch {
            try keep(before)
            throw ErrorAnswer(.notAccepted, "\(error)")
        }
        inputs.store = next
        inputs.resolved = nextResolved
        journal.inputs += noted
        if let error = reconcile(.policy) {
            throw ErrorAnswer(.datapathFailed, "the change is kept, but the kernel could not be programmed: \(error)")
        }
        logger.info("\(what)")
        if phase.keepsPrevious {
            throw ErrorAnswer(.waitingForCluster, "the change is kept and takes effect later: \(Self.waiting)")
        }
    }

    static var waiting: String {
        "the kernel keeps what a previous run left until all objects of the API server are known"
    }

    private func keep(_ pushes: KeptPushes) throws(ErrorAnswer) {
        guard let file = settings.pushedFile else { return }
        do {
            try file.write(pushes)
        } catch {
            throw ErrorAnswer(.internalError, "the change could not be saved for a restart and was not made: \(error)")
        }
    }
}
