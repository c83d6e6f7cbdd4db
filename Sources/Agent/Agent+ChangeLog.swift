// SPDX-License-Identifier: Apache-2.0
import FlowTelemetry
import Journal
import KubernetesObjects
import Logging
import PolicyModel

/// The log of policies that are added, changed and removed.
struct PolicyHistory {
    var log = ChangeLog<ObjectKey>()
    var times = PolicyTimes()
    /// Policies in force when the log was last brought up to date.
    var known: Set<ObjectKey> = []
    /// Policies that cannot be read, as last reported.
    var refused: Set<ObjectKey> = []
    /// Logs what a burst left out, once it is over.
    var summary: Task<Void, Never>?
}

extension Agent where Plane: ~Copyable {
    /// Logs each policy that `events` adds, changes or removes. Call this once they are in the pipeline.
    ///
    /// - Parameter source: where they come from, if the store does not say.
    func logChanges(_ events: [ObjectEvent], source: String? = nil) {
        noteEdits(history.times.note(events))
        let entries = events.compactMap { event -> ChangeLog<ObjectKey>.Entry? in
            let key = event.key
            guard key.kind.isPolicy else { return nil }
            let source = source ?? self.source(of: key)
            guard case .set = event else {
                return history.known.remove(key).map { .init(key: $0, change: .removed, source: source) }
            }
            let isNew = history.known.insert(key).inserted
            return .init(key: key, change: isNew ? .added : .changed, source: source)
        }
        let hasLost = entries.contains { $0.change == .removed }
        write(entries)
        if hasLost, history.known.isEmpty { tellAllGone(entries.count) }
    }

    /// Logs each policy of the API server that cannot be read, once.
    func logRefused(_ keys: Set<ObjectKey>, source: String) {
        let new = keys.subtracting(history.refused).sorted()
        history.refused = keys
        write(new.map { .init(key: $0, change: .refused, source: source) })
        for key in new { noteInJournal(JournalEvent(.refused, subject: "\(key)", "it cannot be read (\(source))")) }
    }

    /// Logs how many policies there are at first, each by its name if they are few.
    func logFirst() {
        history.known = []
        noteEdits(history.times.begin(inputs.store.policies))
        let policies = inputs.store.policies.map { ObjectEvent.set($0) }
        logger.info("policies at the start", metadata: ["count": "\(policies.count)"])
        logChanges(policies)
    }

    private func write(_ entries: [ChangeLog<ObjectKey>.Entry]) {
        guard !entries.isEmpty else { return }
        let now = (ContinuousClock.now - started) / .seconds(1)
        for entry in history.log.take(entries, at: now) {
            logger.info(
                "policy \(entry.change.rawValue)",
                metadata: [
                    "kind": "\(entry.key.kind.rawValue)", "policy": "\(entry.key.qualifiedName)",
                    "source": "\(entry.source)",
                ])
        }
        guard history.log.rest.total > 0, history.summary == nil else { return }
        history.summary = Task {
            try? await Task.sleep(for: .seconds(1))
            self.summarizeChanges()
        }
    }

    /// Logs what a burst has left out.
    func summarizeChanges() {
        history.summary = nil
        guard let rest = history.log.takeRest() else { return }
        let counts = ChangeLog<ObjectKey>.Change.allCases.compactMap { change in
            rest.counts[change].map { (change.rawValue, Logger.MetadataValue.string("\($0)")) }
        }
        logger.info(
            "more policies changed in the same second", metadata: Logger.Metadata(uniqueKeysWithValues: counts))
    }

    private func tellAllGone(_ count: Int) {
        let notice = "all policies are gone: no pod of this node is isolated by a policy object"
        logger.warning(
            "\(notice)", metadata: ["removed": "\(count)", "pushed endpoints": "\(inputs.resolved.endpoints.count)"])
        tellFollowers(notice)
    }

    /// The source of an object: a directory, the API server or the socket.
    func source(of key: ObjectKey) -> String {
        switch inputs.store.origin(of: key) {
        case .guardrail: settings.guardrailDirectory ?? "guardrails"
        case .manifest: settings.manifestDirectory ?? "manifests"
        case .cluster: clusterName
        case .socket, nil: "socket"
        }
    }
}

extension ObjectKey {
    /// `namespace/name`, or only the name of a cluster-wide object.
    fileprivate var qualifiedName: String { namespace.isEmpty ? name : "\(namespace)/\(name)" }
}
