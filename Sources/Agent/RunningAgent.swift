// SPDX-License-Identifier: Apache-2.0
import ControlSocket
import KubernetesClient
import Netfilter
import NodeNetwork

/// What the daemon gives the agent, in addition to the calls of the control socket.
public protocol RunningAgent: ControlBackend, MetricsBackend {
    /// Follows links and routes of the network namespace of the agent's thread.
    func followNetwork(_ receiver: @escaping NetworkFollower.Receiver) async throws -> NetworkFollower
    /// Observes the node's links and routes, by which the interface of each endpoint is known.
    func networkChanged(_ state: Result<NetworkState, NodeNetworkError>) async
    /// Follows changes of Bulkhead's nftables tables in the network namespace of the agent's thread.
    func followRuleset(_ receiver: @escaping @Sendable () -> Void) async throws -> RulesetFollower
    /// Checks whether others have changed what is programmed, and repairs it.
    func rulesetChanged() async
    /// Observes changes of the manifests, and enforces them.
    func manifestsChanged(_ change: ManifestChange) async
    /// The same for the static guardrails.
    func guardrailsChanged(_ change: ManifestChange) async
    /// Observes changes of the cluster of the API server.
    func clusterChanged(_ update: ClusterUpdate) async
    /// Reports about objects of the cluster that are not enforced as their authors may expect.
    func reports() async -> [ObjectReport]
    /// For a run that ends at once: completes all work, and returns what is still missing.
    func settle() async -> String?
    /// Ends all streams of events and all waits for a pod's policy, present and future.
    func endFollowing() async
    /// Stops the agent's own work; the kernel keeps enforcing.
    func stop() async
}
