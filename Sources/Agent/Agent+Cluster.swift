import CLinuxShim
import ControlProtocol
// SPDX-License-Identifier: Apache-2.0
import ControlSocket
import KubernetesClient
import KubernetesObjects
import KubernetesWatch
import NetworkTypes
import PolicyModel
import PolicyPipeline
import PolicyResolver

/// What the agent knows of the cluster whose API server it follows.
struct ClusterView {
    /// Pods, namespaces and nodes, as far as the first lists have come; nil: they are in force, or no server is
    /// followed.
    var gathering: PolicyPipeline?
    /// Whether the kernel keeps what a previous run left until all is known.
    var keepsPrevious = false
    /// UIDs of this node's pods, for what is told about them.
    var uids: [EndpointName: String] = [:]
    /// Since when no interface leads to a pod of this node, by what is to be told of it: a pod's successor under its name
    /// has another UID, and a time of its own.
    var unreachable: [ObjectReport: ContinuousClock.Instant] = [:]
}

extension Agent where Plane: ~Copyable {
    /// Takes in what changed in the cluster. Nothing of it is in force before all is known; then all is, in one step.
    public func clusterChanged(_ update: ClusterUpdate) {
        noteLocalPods(update.events)
        let told = update.events.filter { $0.isAboutPolicy }
        let policies = told.compactMap { store.takeClusterPolicy($0) }
        let others = told.isEmpty ? update.events : update.events.filter { !$0.isAboutPolicy }
        guard var gathering = cluster.gathering.take() else {
            // Its failure is noted and retried.
            try? advance { $0.apply(others + policies) }
            logChanges(policies, source: clusterName)
            return
        }
        // Policies wait in the store: guardrails may come before them, or go, until then.
        gathering.ingest(others)
        guard update.stage == .complete else {
            cluster.gathering = gathering
            return
        }
        putInForce(gathering)
    }

    /// All of the cluster is known: the kernel gets it in place of what it held.
    private func putInForce(_ gathered: consuming PolicyPipeline) {
        giveBackMemory()
        gathered.ingest(localAddresses: localAddresses.sorted())
        gathered.ingest(attachments: attached.pods)
        gathered.ingest(store.policies.sorted { $0.key < $1.key }.map { .set($0) })
        pipeline = gathered
        cluster.keepsPrevious = false
        // In the same step, so that no pod is without the guardrails for a moment.
        pipeline.ingest(interfaces: unknown.candidates)
        do {
            _ = try pipeline.apply(pushed: try PushedPolicy(resolvedBody))
        } catch {
            logger.error("resolved policy is not accepted any more", metadata: ["error": "\(error)"])
            _ = pipeline.apply([])
        }
        logger.notice(
            "all of the cluster is known",
            metadata: [
                "pods": "\(pipeline.statistics.cluster.pods)", "policies": "\(store.policies.count)",
                "endpoints": "\(pipeline.statistics.localEndpoints)",
            ])
        // Its failure is noted and retried.
        _ = try? resyncNow()
        logFirst()
        giveBackMemory()
    }

    /// The API server that is followed, as the log and the answers name it.
    var clusterName: String { settings.cluster.map { "\($0.connection.access.server)" } ?? "cluster" }

    /// The lists have come and gone, and so has what read them. Before and after the first compilation, which needs most.
    private func giveBackMemory() {
        bh_trim_heap()
        bh_forget_start()
    }

    private func noteLocalPods(_ events: [ObjectEvent]) {
        for event in events {
            switch event {
            case .set(.pod(let pod)) where pod.nodeName == settings.nodeName:
                let name = EndpointName(namespace: pod.metadata.namespace, name: pod.metadata.name)
                cluster.uids[name] = pod.metadata.uid
            case .removed(let key) where key.kind == .pod:
                cluster.uids[EndpointName(namespace: key.namespace, name: key.name)] = nil
            case .set, .removed: continue
            }
        }
    }

    func clusterStatus() -> ClusterStatus? {
        guard let follower = settings.cluster else { return nil }
        let now = ContinuousClock.now
        let watches = follower.watches
        return ClusterStatus(
            server: "\(follower.connection.access.server)", complete: cluster.gathering == nil,
            keepsPrevious: cluster.keepsPrevious,
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
            + store.shadowedInCluster.map { key in
                Problem(
                    object: "\(key)", field: "",
                    reason: "overridden on this node by the static guardrail of the same name",
                    hint: "change the guardrail, or give the object another name")
            }
    }
}

extension ObjectEvent {
    fileprivate var isAboutPolicy: Bool { key.kind.isPolicy }
}
