// SPDX-License-Identifier: Apache-2.0
import ControlProtocol
import KubernetesObjects
import PolicyDescriptions
import PolicyModel
import PolicyPipeline
import PolicyTranslation

extension Agent where Plane: ~Copyable {
    /// Compiles the objects in a copy of the pipeline: what is in force, and the kernel, stay as they are.
    public func dryRun(_ objects: [KubernetesObject]) async throws(ErrorAnswer) -> DryRunAnswer {
        try refuseToRehearse()
        let (accepted, planned) = inputs.store.plan(objects)
        let plan = RehearsalPlan(
            events: accepted.map { .set($0) }, added: planned.added, changed: planned.changed,
            unchanged: planned.unchanged)
        return await Self.dryRun(accepted, planned, moment(plan))
    }

    /// Outside of this actor, like ``preview(_:deleting:)``.
    private nonisolated static func dryRun(
        _ accepted: [KubernetesObject], _ planned: DryRunAnswer, _ moment: PreviewMoment
    ) async -> DryRunAnswer {
        var answer = planned
        let rehearsal = Rehearsal(moment)
        let next = rehearsal.after
        let pods = Dictionary(
            next.policySelections.compactMap { reference, pods in reference.objectKey.map { ($0, pods) } },
            uniquingKeysWith: { first, _ in first })
        let policies = accepted.map(\.key).filter(\.kind.isPolicy)
        answer.selections = policies.map { key in
            .init(policy: "\(key)", endpoints: (pods[key] ?? []).map(\.description))
        }
        answer.limits = LimitStatus(
            unprotected: next.endpointsOverLimit.map(\.description),
            deniedPrograms: next.statistics.programsOverLimit)
        var empty = UnusedAnswer(started: "")
        var describer = PolicyDescriber(next.cluster)
        let wanted = Set(policies.map { PolicyReference($0) })
        describer.addEmpty(to: &empty) { wanted.contains($0) }
        answer.selectNothing = empty.selectNothing.isEmpty ? nil : empty.selectNothing
        answer.peers = empty.peers.isEmpty ? nil : empty.peers
        answer.leftOut = empty.leftOut.isEmpty ? nil : empty.leftOut
        answer.preview = rehearsal.answer
        return answer
    }
}

extension ObjectStore {
    /// What ``push(_:)`` would do, without the limit that one refused object refuses all of them.
    ///
    /// - Returns: the objects that would not be refused, in order, and the answer without selections.
    func plan(_ objects: [KubernetesObject]) -> ([KubernetesObject], DryRunAnswer) {
        var answer = DryRunAnswer()
        var accepted: [KubernetesObject] = []
        var seen: Set<ObjectKey> = []
        for object in objects.sorted(by: { $0.key < $1.key }) {
            guard seen.insert(object.key).inserted else {
                answer.refused.append(Problem(object: "\(object.key)", field: "", reason: "occurs more than once"))
                continue
            }
            do throws(ErrorAnswer) {
                try refuseOwned([object.key])
            } catch {
                answer.refused += error.error.problems
                continue
            }
            accepted.append(object)
            let name = "\(object.key)"
            switch pushed[object.key] {
            case nil: answer.added.append(name)
            case object: answer.unchanged.append(name)
            default: answer.changed.append(name)
            }
        }
        return (accepted, answer)
    }
}
