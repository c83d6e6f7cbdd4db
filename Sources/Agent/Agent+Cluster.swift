// SPDX-License-Identifier: Apache-2.0
import ControlProtocol
import ControlSocket
import KubernetesClient
import KubernetesObjects
import KubernetesWatch
import NetworkTypes
import PolicyModel
import PolicyPipeline
import PolicyResolver

extension Agent where Plane: ~Copyable {
    /// Indexes changes of the cluster. Nothing takes effect before everything is known; then everything does, in one
    /// step.
    public func clusterChanged(_ update: ClusterUpdate) {
        inputs.podUIDs.take(update.events, onNode: settings.nodeName)
        let change = inputs.store.take(cluster: update.events)
        guard var gathering = inputs.gathering.take() else {
            journal.inputs += journalInputs(change.others, source: clusterName, update.versions)
            pipeline.ingest(change.others)
            observe(change.policies, from: clusterName, update.versions)
            return
        }
        // Policies wait in the store: until then, guardrails may override them or be removed.
        gathering.ingest(change.others)
        gatherForJournal(change.others, update.versions)
        guard update.stage == .complete else {
            inputs.gathering = gathering
            return
        }
        putInForce(gathering)
    }

    /// All objects of the cluster are known: the kernel gets them instead of its previous content.
    private func putInForce(_ gathered: consuming PolicyPipeline) {
        gathered.ingest(localAddresses: inputs.localAddresses.sorted())
        gathered.ingest(attachments: inputs.attachments.pods)
        gathered.ingest(inputs.store.policies.sorted { $0.key < $1.key }.map { .set($0) })
        // In the same step, so that no pod is without the guardrails for a moment.
        gathered.ingest(interfaces: podInterfaces)
        do {
            try gathered.ingest(pushed: try PushedPolicy(inputs.resolved))
        } catch {
            logger.error("resolved policy is no longer accepted", metadata: ["error": "\(error)"])
        }
        pipeline = gathered
        phase.move(on: .clusterKnown)
        reconcile([.policy, .kernel])
        beginJournal()
        logger.notice(
            "all objects of the cluster are known",
            metadata: [
                "pods": "\(pipeline.statistics.cluster.pods)", "policies": "\(inputs.store.policies.count)",
                "endpoints": "\(pipeline.statistics.localEndpoints)",
            ])
        logFirst()
    }

    /// The name of the API server in the log and in answers.
    var clusterName: String { settings.cluster.map { "\($0.connection.access.server)" } ?? "cluster" }

    func clusterStatus() -> ClusterStatus? {
        guard let follower = settings.cluster else { return nil }
        let now = ContinuousClock.now
        let watches = follower.watches
        return ClusterStatus(
            server: "\(follower.connection.access.server)", complete: phase.isClusterKnown,
            keepsPrevious: phase.keepsPrevious,
            watches: watches.map { watch in
                let version = watch.status?.resourceVersion ?? ""
                return WatchAnswer(
                    resource: watch.resource.name, phase: (watch.status?.phase ?? .idle).rawValue,
                    objects: watch.status?.objects ?? 0,
                    secondsSinceSign: ((now - watch.lastSign) / .seconds(1) * 1000).rounded() / 1000,
                    failures: watch.status?.failures ?? 0, error: watch.status?.lastFailure?.description,
                    resourceVersion: version.isEmpty ? nil : version)
            }, problems: clusterProblems(watches))
    }

    private func clusterProblems(_ watches: [FollowedWatch]) -> [Problem] {
        let refused = watches.flatMap { $0.status?.refused ?? [:] }.sorted { $0.key < $1.key }
        return refused.map { Problem(object: "\($0.key)", field: "", reason: $0.value) }
            + inputs.store.shadowedInCluster.map { key in
                Problem(
                    object: "\(key)", field: "",
                    reason: "overridden on this node by the static guardrail of the same name",
                    hint: "change the guardrail, or give the object another name")
            }
    }
}
