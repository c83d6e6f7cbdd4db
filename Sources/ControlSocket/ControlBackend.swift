// SPDX-License-Identifier: Apache-2.0
import ControlProtocol
import KubernetesObjects
import PolicyModel

/// What the control socket asks of the agent. An ``ErrorAnswer`` that is thrown becomes the answer; after it nothing
/// has changed, unless its code is ``ErrorCode/datapathFailed``.
public protocol ControlBackend: Sendable {
    func status() async -> StatusAnswer
    func endpoints() async -> EndpointsAnswer
    func policies() async -> PoliciesAnswer
    func counters() async throws(ErrorAnswer) -> CountersAnswer
    func verdict(_ question: FlowQuestion) async throws(ErrorAnswer) -> VerdictAnswer
    /// Compiled and programmed tables as text.
    func dump() async throws(ErrorAnswer) -> String

    /// Starts to follow records of some kinds; ends with ``unfollow(_:)``.
    func follow(_ kinds: Set<FlowRecord.Kind>) async -> EventFollower
    func unfollow(_ follower: EventFollower) async

    func apply(_ objects: [KubernetesObject]) async throws(ErrorAnswer) -> ObjectsAnswer
    func delete(_ keys: [ObjectKey]) async throws(ErrorAnswer) -> ObjectsAnswer
    func resolved() async -> ResolvedBody
    /// Nil removes all resolved policy.
    func setResolved(_ body: ResolvedBody?) async throws(ErrorAnswer) -> ResolvedAnswer
    /// Accepts a pod that the container runtime reports; answers when its policy is in the kernel.
    func attach(_ body: AttachmentBody) async throws(ErrorAnswer) -> AttachmentAnswer
    /// Forgets it; no error where it is not known.
    func detach(container: String, ifname: String) async throws(ErrorAnswer) -> DetachAnswer
    /// Forgets all of a network that the runtime has not got any more.
    func collect(_ body: CollectBody) async throws(ErrorAnswer) -> DetachAnswer
    func attachments() async -> AttachmentsAnswer
    func resync() async throws(ErrorAnswer) -> ResyncAnswer
}
