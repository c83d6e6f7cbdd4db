// SPDX-License-Identifier: Apache-2.0
import ControlProtocol
import KubernetesObjects
import PolicyModel
import RequestPolicy
import Requests

/// The calls of the control socket to the agent. A thrown ``ErrorAnswer`` becomes the answer; nothing has then changed,
/// unless its code is ``ErrorCode/datapathFailed``.
public protocol ControlBackend: Sendable {
    func status() async -> StatusAnswer
    /// Checks everything that enforces now, and repairs what is not as it should be.
    func verify() async -> VerifyAnswer
    func endpoints() async -> EndpointsAnswer
    func policies() async -> PoliciesAnswer
    func counters() async throws(ErrorAnswer) -> CountersAnswer
    /// - Parameter request: the HTTP request that the flow carries; nil: the question is about the flow as a whole.
    /// - Parameter asksKernel: whether the kernel is asked as well.
    func verdict(
        _ question: FlowQuestion, request: HTTPRequest?, asksKernel: Bool
    ) async throws(ErrorAnswer) -> VerdictAnswer
    /// The same with everything that was tried on the way to it. The kernel is asked as well.
    func explain(_ question: FlowQuestion, request: HTTPRequest?) async throws(ErrorAnswer) -> ExplainAnswer
    /// The same for each backend of a Service.
    func explain(_ question: ServiceQuestion, request: HTTPRequest?) async throws(ErrorAnswer) -> ExplainAnswer
    /// A pod with everything that decides about it.
    func describe(pod: EndpointName) async throws(ErrorAnswer) -> PodDescription
    /// Every policy that a name means.
    func describe(policy: PolicyQuestion) async throws(ErrorAnswer) -> PolicyDescriptionsAnswer
    /// What has no effect; of one namespace, or of all.
    func unused(namespace: String?) async throws(ErrorAnswer) -> UnusedAnswer
    /// The same for a moment of the past, by the journal.
    func verdict(
        _ question: FlowQuestion, request: HTTPRequest?, at moment: PastMoment
    ) async throws(ErrorAnswer) -> VerdictAnswer
    /// What the journal has recorded.
    func history(_ question: HistoryQuestion) async throws(ErrorAnswer) -> HistoryAnswer
    /// Compiled and programmed tables as text.
    func dump() async throws(ErrorAnswer) -> String

    /// Starts to follow drops, audits and requests; ends with ``unfollow(_:)-(EventFollower)``.
    func followEvents(_ options: StreamOptions) async -> EventFollower
    func unfollow(_ follower: EventFollower) async
    /// Starts to follow flows; ends with ``unfollow(_:)-(FlowFollower)``.
    func followFlows(_ options: StreamOptions) async -> FlowFollower
    func unfollow(_ follower: FlowFollower) async

    /// Starts to follow the requests' policy; ends with ``unfollow(_:)``.
    ///
    /// - Parameter decides: the follower is the node's proxy, and not one who only watches.
    func followRequests(decides: Bool) async -> RequestFollower
    func unfollow(_ follower: RequestFollower) async
    /// Adds what the node's proxy has counted.
    func count(_ requests: RequestCounts) async

    func apply(_ objects: [KubernetesObject]) async throws(ErrorAnswer) -> ObjectsAnswer
    func delete(_ keys: [ObjectKey]) async throws(ErrorAnswer) -> ObjectsAnswer
    func resolved() async -> ResolvedBody
    /// Nil removes all resolved policy.
    func setResolved(_ body: ResolvedBody?) async throws(ErrorAnswer) -> ResolvedAnswer
    /// Accepts a pod that the container runtime reports; answers when its policy is in the kernel.
    func attach(_ body: AttachmentBody) async throws(ErrorAnswer) -> AttachmentAnswer
    /// Forgets it; succeeds if it is not known.
    func detach(container: String, ifname: String) async throws(ErrorAnswer) -> DetachAnswer
    /// Forgets all attachments of a network that the runtime no longer has.
    func collect(_ body: CollectBody) async throws(ErrorAnswer) -> DetachAnswer
    func attachments() async -> AttachmentsAnswer
    /// What ``apply(_:)`` would do; changes nothing.
    func dryRun(_ objects: [KubernetesObject]) async throws(ErrorAnswer) -> DryRunAnswer
    /// What these objects and deletions would change; changes nothing. Who owns an object does not matter.
    func preview(
        _ objects: [KubernetesObject], deleting keys: [ObjectKey]
    ) async throws(ErrorAnswer) -> NodePreviewAnswer
    func version() async -> VersionAnswer
    func resync() async throws(ErrorAnswer) -> ResyncAnswer
}
