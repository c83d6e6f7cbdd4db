// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import Journal
import JournalFiles
import KubernetesObjects
import PolicyModel
import PolicyPipeline
import PrometheusText

/// What the journal gets with the next step.
struct JournalNotes {
    var inputs: [JournalInput] = []
    /// Whether the journal knows all objects, so that changes are changes of them.
    var hasBegun = false
    /// The API server's versions of policies of the first lists.
    var versions: [ObjectKey: ObjectVersion] = [:]
}

extension Agent where Plane: ~Copyable {
    /// Changes for the journal. Call this before they are indexed, because it needs the pods before.
    ///
    /// - Parameters:
    ///   - source: where they come from; nil: as the store says.
    ///   - reporter: who says so, for objects that the store no longer has.
    ///   - versions: the API server's versions of them.
    func journalInputs(
        _ events: [ObjectEvent], source: String?, reporter: String? = nil, _ versions: [ObjectKey: ObjectVersion] = [:]
    ) -> [JournalInput] {
        guard settings.journal != nil, journal.hasBegun else { return [] }
        // An object that changed more than once has the version of the last change only.
        let places = events.enumerated().filter { versions[$1.key] != nil }
        let last = Dictionary(places.map { ($1.key, $0) }, uniquingKeysWith: { $1 })
        return events.enumerated().map { place, event in
            let isThere = if case .set = event { true } else { false }
            let known = isThere ? self.source(of: event.key) : reporter ?? self.source(of: event.key)
            // What takes the place of an object of the API server has no version.
            let isOfCluster = !isThere || inputs.store.origin(of: event.key) == .cluster
            return JournalInput(
                event, before: podBefore(event), source: source ?? known,
                version: isOfCluster && last[event.key] == place ? versions[event.key] : nil)
        }
    }

    /// The pod that an event changes, for the journal, which knows only pods of this node.
    private func podBefore(_ event: ObjectEvent) -> KubernetesObject? {
        let key = event.key
        guard key.kind == .pod else { return nil }
        let name = EndpointName(namespace: key.namespace, name: key.name)
        guard var pod = pipeline.object(ofPod: name) else { return nil }
        if pipeline.isLocal(name) { pod.nodeName = settings.nodeName }
        return .pod(pod)
    }

    /// Hands the noted changes to the journal, with what the compiler changed for pods of this node.
    func writeJournal(_ delta: CompiledDelta) {
        guard let writer = settings.journal, !journal.inputs.isEmpty else { return }
        var step = JournalStep(time: writer.clock.now())
        swap(&step.inputs, &journal.inputs)
        let endpoints = delta.changedEndpoints + delta.addedEndpoints
        step.podCount = endpoints.count
        step.pods = endpoints.prefix(Self.namedPods).compactMap { pipeline.compiled.endpoints[$0]?.name.description }
        writer.add(step)
    }

    /// Pods that one record names.
    private static var namedPods: Int { 32 }

    /// Tells the journal about something that is not a change of an object.
    func noteInJournal(_ event: @autoclosure () -> JournalEvent) {
        settings.journal?.add(event())
    }

    /// Hands the journal objects of the first lists, as far as it keeps them as a whole.
    func gatherForJournal(_ events: [ObjectEvent], _ versions: [ObjectKey: ObjectVersion]) {
        guard let writer = settings.journal else { return }
        journal.versions.merge(versions) { $1 }
        let kept = events.filter { event in
            guard case .set(.pod(let pod)) = event else { return true }
            return pod.nodeName == settings.nodeName
        }
        if !kept.isEmpty { writer.gather(kept) }
    }

    /// Tells the journal that all objects are known.
    ///
    /// - Parameter others: objects that it was not given before.
    func beginJournal(_ others: [KubernetesObject] = []) {
        guard let writer = settings.journal else { return }
        journal.inputs = []
        journal.hasBegun = true
        let policies = inputs.store.policies
        let kept = others.filter { object in
            guard case .pod(let pod) = object else { return !object.kind.isPolicy }
            return pod.nodeName == settings.nodeName
        }
        let counts = "\(policies.count) policies, \(pipeline.statistics.localEndpoints) pods here"
        var beginning = JournalBeginning(
            policies: policies, others: kept, resolved: inputs.resolved.endpoints.count,
            text: "all objects are known: \(counts)")
        beginning.versions = journal.versions.filter { inputs.store.origin(of: $0.key) == .cluster }
        journal.versions = [:]
        writer.begin(beginning)
    }

    func journalMetrics() -> [MetricFamily] {
        guard let status = settings.journal?.status else { return [] }
        return [
            .counter("bulkhead_journal_records_total", "Records written to the journal.", status.written),
            .counter("bulkhead_journal_bytes_total", "Bytes written to the journal.", status.bytes),
            .counter(
                "bulkhead_journal_lost_total", "Records that could not be written to the journal, or came too fast.",
                status.lost),
            .counter(
                "bulkhead_journal_damaged_total", "Parts of the journal that could not be read at the start.",
                status.damaged),
        ]
    }

    /// Tells the journal what the container runtime's reports changed.
    func noteAttachments(from old: Attachments, to new: Attachments) {
        guard settings.journal != nil else { return }
        for (key, record) in new.records.sorted(by: { $0.key < $1.key }) where old.records[key] == nil {
            noteInJournal(JournalEvent(.attached, subject: record.podName, record.text(key)))
        }
        for (key, record) in old.records.sorted(by: { $0.key < $1.key }) where new.records[key] == nil {
            noteInJournal(JournalEvent(.detached, subject: record.podName, record.text(key)))
        }
    }
}

extension Attachments.Record {
    fileprivate var podName: String { "\(pod.namespace)/\(pod.name)" }

    fileprivate func text(_ key: Attachments.Key) -> String {
        "interface \(key.ifname) with \(pod.addresses.map(\.description).joined(separator: ", "))"
    }
}

extension ObjectEvent {
    /// What it sets.
    var object: KubernetesObject? {
        if case .set(let object) = self { object } else { nil }
    }
}
