// SPDX-License-Identifier: Apache-2.0
import ControlSocket
import KubernetesClient
import Netfilter
import NodeNetwork

/// What the daemon feeds to the agent, beside what the control socket asks.
public protocol RunningAgent: ControlBackend, MetricsBackend {
    /// Follows links and routes of the network namespace that the agent's thread is in.
    func followNetwork(_ receiver: @escaping NetworkFollower.Receiver) async throws -> NetworkFollower
    /// Takes in the node's links and routes, by which the interface of each endpoint is known.
    func networkChanged(_ state: Result<NetworkState, NodeNetworkError>) async
    /// Hears of changes of our nftables tables in the network namespace that the agent's thread is in.
    func followRuleset(_ receiver: @escaping @Sendable () -> Void) async throws -> RulesetFollower
    /// Looks whether others have changed what is programmed, and puts it right.
    func rulesetChanged() async
    /// Takes in what changed in the manifests and puts it in force.
    func manifestsChanged(_ change: ManifestChange) async
    /// The same for the static guardrails.
    func guardrailsChanged(_ change: ManifestChange) async
    /// Takes in what changed in the cluster whose API server is followed.
    func clusterChanged(_ update: ClusterUpdate) async
    /// What is to be told about objects of the cluster: what of them is not enforced as their authors may expect.
    func reports() async -> [ObjectReport]
    /// For a run that ends at once: brings all to rest, and answers what still stands in the way.
    func settle() async -> String?
    /// Ends all streams of events and all waits for a pod's policy, and those that begin later.
    func endFollowing() async
    /// Stops the agent's own work; the kernel goes on enforcing.
    func stop() async
}
