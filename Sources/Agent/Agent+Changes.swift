import CompiledPolicy
import ControlProtocol
// SPDX-License-Identifier: Apache-2.0
import ControlSocket
import Datapath
import KubernetesObjects
import PolicyPipeline
import PolicyResolver

extension Agent: RunningAgent where Plane: ~Copyable {
    public func apply(_ objects: [KubernetesObject]) throws(ErrorAnswer) -> ObjectsAnswer {
        var next = store
        let (events, answer) = try next.push(objects)
        defer { logPushes(events) }
        try putInForce(next, resolvedBody, what: "objects applied") { $0.apply(events) }
        return answer
    }

    public func delete(_ keys: [ObjectKey]) throws(ErrorAnswer) -> ObjectsAnswer {
        var next = store
        let (events, answer) = try next.delete(keys)
        defer { logPushes(events) }
        try putInForce(next, resolvedBody, what: "objects deleted") { $0.apply(events) }
        return answer
    }

    /// Of events that did not come into force because the push was refused, nothing is logged.
    private func logPushes(_ events: [ObjectEvent]) {
        logChanges(
            events.filter { event in
                guard case .set(let object) = event else { return store.pushed[event.key] == nil }
                return store.pushed[event.key] == object
            }, source: "socket")
    }

    public func setResolved(_ body: ResolvedBody?) throws(ErrorAnswer) -> ResolvedAnswer {
        let body = body ?? ResolvedBody(endpoints: [])
        let policy = try PushedPolicy(body)
        try putInForce(store, body, what: "resolved policy set, \(body.endpoints.count) endpoints") {
            try $0.apply(pushed: policy)
        }
        return ResolvedAnswer(endpoints: body.endpoints.count)
    }

    public func resync() throws(ErrorAnswer) -> ResyncAnswer {
        guard !cluster.keepsPrevious else {
            throw ErrorAnswer(.waitingForCluster, "nothing was changed: \(Self.waiting)")
        }
        do {
            let report = try resyncNow()
            return ResyncAnswer(
                words: report.wordsWritten, gracePeriods: report.gracePeriods, rebuilt: report.rebuilt)
        } catch {
            throw ErrorAnswer(.datapathFailed, "\(error)")
        }
    }

    /// Keeps what clients want for the next start, then puts it in force. Kept first: what is in force must not be
    /// forgotten by a daemon that dies in between.
    private func putInForce(
        _ next: ObjectStore, _ nextResolved: ResolvedBody, what: String,
        step: (inout PolicyPipeline) throws -> CompiledDelta
    ) throws(ErrorAnswer) {
        let before = KeptPushes(objects: store.pushedObjects, resolved: resolvedBody)
        do {
            try keep(KeptPushes(objects: next.pushedObjects, resolved: nextResolved))
            try advance { pipeline in
                let delta = try step(&pipeline)
                store = next
                resolvedBody = nextResolved
                return delta
            }
            logger.info("\(what)")
            if cluster.keepsPrevious {
                throw ErrorAnswer(.waitingForCluster, "the change is kept and comes into force later: \(Self.waiting)")
            }
        } catch let error as PushedPolicyError {
            try keep(before)
            throw ErrorAnswer(.notAccepted, "\(error)")
        } catch let error as DatapathError {
            throw ErrorAnswer(.datapathFailed, "the change is kept, but the kernel could not be programmed: \(error)")
        } catch let error as ErrorAnswer {
            throw error
        } catch {
            throw ErrorAnswer(.internalError, "\(error)")
        }
    }

    private static var waiting: String {
        "the kernel keeps what a previous run left until all objects of the API server are known"
    }

    private func keep(_ pushes: KeptPushes) throws(ErrorAnswer) {
        guard let file = settings.pushedFile else { return }
        do {
            try file.write(pushes)
        } catch {
            throw ErrorAnswer(.internalError, "the change could not be kept for a restart and was not made: \(error)")
        }
    }
}
