// SPDX-License-Identifier: Apache-2.0
import ControlProtocol
import KubernetesClient
import KubernetesObjects
import Netfilter
import NetworkTypes
import NodeNetwork

/// What the control socket asks of the agent. An ``ErrorAnswer`` that is thrown becomes the answer; after it nothing
/// has changed, unless its code is ``ErrorCode/datapathFailed``.
public protocol ControlBackend: Sendable {
    func status() async -> StatusAnswer
    func endpoints() async -> EndpointsAnswer
    func policies() async -> PoliciesAnswer
    func counters() async throws(ErrorAnswer) -> CountersAnswer
    func verdict(_ question: VerdictQuestion) async throws(ErrorAnswer) -> VerdictAnswer
    /// Compiled and programmed tables as text.
    func dump() async throws(ErrorAnswer) -> String

    /// Starts to follow records of some kinds; ends with ``unfollow(_:)``.
    func follow(_ kinds: Set<FlowRecord.Kind>) async -> EventFollower
    func unfollow(_ follower: EventFollower) async

    func apply(_ objects: [KubernetesObject]) async throws(ErrorAnswer) -> ObjectsAnswer
    func delete(_ keys: [ObjectKey]) async throws(ErrorAnswer) -> ObjectsAnswer
    func resolved() async -> ResolvedBody
    /// Nil takes back all resolved policy.
    func setResolved(_ body: ResolvedBody?) async throws(ErrorAnswer) -> ResolvedAnswer
    /// Takes in a pod that the container runtime tells of; answers when its policy is in the kernel.
    func attach(_ body: AttachmentBody) async throws(ErrorAnswer) -> AttachmentAnswer
    /// Forgets it; no error where it is not known.
    func detach(container: String, ifname: String) async throws(ErrorAnswer) -> DetachAnswer
    /// Forgets all of a network that the runtime has not got any more.
    func collect(_ body: CollectBody) async throws(ErrorAnswer) -> DetachAnswer
    func attachments() async -> AttachmentsAnswer
    func resync() async throws(ErrorAnswer) -> ResyncAnswer
}

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

/// A verdict's question as asked on the socket.
public struct VerdictQuestion: Sendable, Hashable {
    /// One end: a pod or an address.
    public enum End: Sendable, Hashable {
        case pod(namespace: String, name: String)
        case address(IPAddress)

        /// Reads an address, or `namespace/name`. Nil for anything else.
        public init?(_ text: some StringProtocol) {
            if let address = try? IPAddress(text) {
                self = .address(address)
                return
            }
            let parts = text.split(separator: "/", omittingEmptySubsequences: false)
            guard parts.count == 2, parts.allSatisfy({ !$0.isEmpty }) else { return nil }
            self = .pod(namespace: String(parts[0]), name: String(parts[1]))
        }
    }
    public var from: End
    public var to: End
    public var ipProtocol: IPProtocol
    /// Nil exactly for protocols without ports.
    public var port: UInt16?

    public init(from: End, to: End, ipProtocol: IPProtocol, port: UInt16?) {
        self.from = from
        self.to = to
        self.ipProtocol = ipProtocol
        self.port = port
    }
}
