// SPDX-License-Identifier: Apache-2.0
import Journal
import KubernetesObjects

extension JournalCore {
    /// Writes the changes of a step.
    ///
    /// - Parameter isBusy: whether others wait, so that there is no time for samples of verdicts.
    mutating func take(_ step: JournalStep, isBusy: Bool) {
        let first = sequence + 1
        let before = state
        var changed: [ObjectKey] = []
        for input in step.inputs {
            let key = input.event.key
            guard state != nil, take(input, first, step.time), key.kind.isPolicy || key.kind == .namespace else {
                continue
            }
            changed.append(key)
        }
        // A step without records needs none about its effect.
        guard sequence >= first, step.podCount > 0 || !changed.isEmpty else { return }
        var effect = JournalEffect(step: first, pods: step.pods, podCount: step.podCount)
        if let before, let state, !changed.isEmpty, !isBusy, let verdicts = differences(before, state, changed, step) {
            effect.verdicts = Array(verdicts.prefix(Self.verdictLimit))
            effect.verdictCount = verdicts.count
        }
        guard effect.podCount > 0 || effect.verdictCount > 0 else { return }
        append(.effect(effect), at: step.time)
    }

    private mutating func differences(
        _ before: JournalState, _ after: JournalState, _ changed: [ObjectKey], _ step: JournalStep
    ) -> [String]? {
        let now = clock.now().uptime
        guard let differ, !step.pods.isEmpty, now >= differAt else { return nil }
        let verdicts = differ(before, after, changed, step.pods)
        // However long it took, most of the time is for other things.
        let end = clock.now().uptime
        differAt = end + max(Self.differInterval, 20 * (end - now))
        return verdicts
    }

    /// - Returns: whether it changed anything.
    private mutating func take(_ input: JournalInput, _ step: UInt64, _ time: JournalTime) -> Bool {
        let key = input.event.key
        let old = state?.objects[key]
        guard case .set(let object) = input.event else {
            if let old {
                state?.objects[key] = nil
                append(change(key, old.journalDocument, [], source: input.source, step), at: time)
                return true
            }
            return takeElsewhere(key, input.before, nil, input.source, step, time)
        }
        guard covers(object) else {
            // Its name may have been that of a pod of this node.
            if let old {
                state?.objects[key] = nil
                append(change(key, old.journalDocument, [], source: input.source, step), at: time)
            }
            return takeElsewhere(key, old == nil ? input.before : nil, object, input.source, step, time) || old != nil
        }
        guard old != object else { return false }
        if old == nil, let before = input.before { _ = takeElsewhere(key, before, nil, input.source, step, time) }
        state?.objects[key] = object
        append(
            change(key, old.map(\.journalDocument) ?? [], object.journalDocument, source: input.source, step), at: time)
        return true
    }

    private mutating func takeElsewhere(
        _ key: ObjectKey, _ before: KubernetesObject?, _ after: KubernetesObject?, _ source: String, _ step: UInt64,
        _ time: JournalTime
    ) -> Bool {
        guard key.kind == .pod else { return false }
        let documents = (before.map(Self.seen) ?? [], after.map(Self.seen) ?? [])
        guard documents.0 != documents.1 else { return false }
        append(change(key, documents.0, documents.1, source: source, step, isElsewhere: true), at: time)
        return true
    }

    /// A pod of another node as the index has it: what else its object says decides nothing here.
    private static func seen(_ object: KubernetesObject) -> [UInt8] {
        guard case .pod(var pod) = object else { return object.journalDocument }
        let isFinished = pod.phase == .succeeded || pod.phase == .failed
        (pod.metadata.uid, pod.staticUID, pod.nodeName, pod.hostIPs) = ("", "", "", [])
        pod.phase = isFinished ? .succeeded : .running
        if isFinished { (pod.hostNetwork, pod.podIPs) = (false, []) }
        return KubernetesObject.pod(pod).journalDocument
    }
}
