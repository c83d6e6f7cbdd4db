// SPDX-License-Identifier: Apache-2.0
import Journal
import KubernetesObjects

extension JournalCore {
    /// Writes the changes of a step.
    ///
    /// - Parameter isBusy: whether others wait, so that there is no time for samples of verdicts.
    mutating func take(_ step: JournalStep, isBusy: Bool) {
        if let missed = step.missed { take(missed) }
        let first = sequence + 1
        let lastHere = last[.changes]
        var samples = SampledStep()
        for input in step.inputs {
            let old = state?.objects[input.event.key]
            guard state != nil, take(input, first, step.time) else { continue }
            samples.add(input, old)
        }
        // A step without records needs none about its effect.
        guard sequence >= first, step.podCount > 0 || !samples.changed.isEmpty else { return }
        var effect = JournalEffect(
            step: first, pods: step.pods, podCount: step.podCount, isElsewhere: last[.changes] == lastHere)
        if !isBusy, let verdicts = differences(samples, step) {
            effect.verdicts = Array(verdicts.prefix(Self.verdictLimit))
            effect.verdictCount = verdicts.count
        }
        guard effect.podCount > 0 || effect.verdictCount > 0 else { return }
        append(.effect(effect), at: step.time)
    }

    private mutating func differences(_ samples: SampledStep, _ step: JournalStep) -> [String]? {
        let now = clock.now().uptime
        guard let differ, let state, now >= differAt, !samples.changed.isEmpty,
            !step.pods.isEmpty || samples.hasRelabeled
        else { return nil }
        let (before, after) = samples.worlds(around: state)
        let verdicts = differ(before, after, samples.changed, step.pods)
        // However long it took, most of the time is for other things.
        let end = clock.now().uptime
        differAt = end + max(Self.differInterval, 20 * (end - now))
        return verdicts
    }

    /// Writes a change.
    ///
    /// - Returns: whether it changed anything.
    mutating func take(_ input: JournalInput, _ step: UInt64, _ time: JournalTime) -> Bool {
        let key = input.event.key
        let old = state?.objects[key]
        guard case .set(let object) = input.event else {
            if let old {
                state?.objects[key] = nil
                append(change(key, old.journalDocument, [], input, step), at: time)
                return true
            }
            return takeElsewhere(key, input.before, nil, input, step, time)
        }
        guard covers(object) else {
            // Its name may have been that of a pod of this node.
            if let old {
                state?.objects[key] = nil
                append(change(key, old.journalDocument, [], input, step), at: time)
            }
            return takeElsewhere(key, old == nil ? input.before : nil, object, input, step, time) || old != nil
        }
        guard old != object else { return false }
        if old == nil, let before = input.before { _ = takeElsewhere(key, before, nil, input, step, time) }
        state?.objects[key] = object
        append(change(key, old.map(\.journalDocument) ?? [], object.journalDocument, input, step), at: time)
        return true
    }

    private mutating func takeElsewhere(
        _ key: ObjectKey, _ before: KubernetesObject?, _ after: KubernetesObject?, _ input: JournalInput,
        _ step: UInt64, _ time: JournalTime
    ) -> Bool {
        guard key.kind == .pod else { return false }
        let documents = (before.map(Self.seen) ?? [], after.map(Self.seen) ?? [])
        guard documents.0 != documents.1 else { return false }
        append(change(key, documents.0, documents.1, input, step, isElsewhere: true), at: time)
        return true
    }

    /// A pod of another node as the index has it: what else its object says decides nothing here.
    private static func seen(_ object: KubernetesObject) -> [UInt8] {
        guard case .pod(var pod) = object else { return object.journalDocument }
        let isFinished = pod.isFinished
        (pod.metadata.uid, pod.staticUID, pod.nodeName, pod.hostIPs) = ("", "", "", [])
        pod.phase = isFinished ? .succeeded : .running
        if isFinished { (pod.hostNetwork, pod.podIPs) = (false, []) }
        return KubernetesObject.pod(pod).journalDocument
    }
}

/// What a step changed, as far as samples of verdicts may show it.
private struct SampledStep {
    /// Policies, namespaces, and pods with other labels than before.
    private(set) var changed: [ObjectKey] = []
    private(set) var hasRelabeled = false
    /// What the state had before the step.
    private var old: [ObjectKey: KubernetesObject?] = [:]
    /// Pods with other labels, before and after: the state lacks those of other nodes.
    private var relabeled: [ObjectKey: (before: KubernetesObject, after: KubernetesObject)] = [:]

    /// Pods whose labels are sampled.
    private static let podLimit = 4

    mutating func add(_ input: JournalInput, _ before: KubernetesObject?) {
        let key = input.event.key
        if old[key] == nil { old[key] = .some(before) }
        if key.kind.isPolicy || key.kind == .namespace {
            changed.append(key)
        } else if case .set(.pod(let after)) = input.event, case .pod(let pod)? = before ?? input.before,
            pod.metadata.labels != after.metadata.labels, relabeled.count < Self.podLimit, relabeled[key] == nil
        {
            changed.append(key)
            hasRelabeled = true
            relabeled[key] = (.pod(pod), .pod(after))
        }
    }

    /// The states before and after.
    func worlds(around state: JournalState) -> (before: JournalState, after: JournalState) {
        var (before, after) = (state, state)
        for (key, object) in old { before.objects[key] = object }
        for (key, pod) in relabeled {
            if before.objects[key] == nil { before.objects[key] = pod.before }
            if after.objects[key] == nil { after.objects[key] = pod.after }
        }
        return (before, after)
    }
}
