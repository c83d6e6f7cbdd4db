// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import ControlProtocol
import ControlSocket
import RequestPolicy

extension Agent where Plane: ~Copyable {
    public func followRequests(decides: Bool) -> RequestFollower {
        if requests.followers.isEmpty {
            projectRequests()
            requests.isDue = false
            requests.projection.publish()
        } else {
            publishRequestsNow()
        }
        let follower = RequestFollower(holdsRequests ? nil : requests.projection.policy, decides: decides)
        guard !listeners.isEnding else {
            follower.finish()
            return follower
        }
        requests.followers.insert(follower)
        if decides { proxyFollows() }
        return follower
    }

    public func unfollow(_ follower: RequestFollower) {
        follower.finish()
        guard requests.followers.remove(follower) != nil, follower.decides, !hasDecider else { return }
        guard requests.leaving == nil else { return }
        requests.leaving = Task {
            try? await Task.sleep(for: RequestServing.grace)
            self.proxyLeft()
        }
    }

    private var hasDecider: Bool { requests.followers.contains(where: \.decides) }

    private func proxyFollows() {
        requests.leaving?.cancel()
        requests.leaving = nil
        guard !requests.isReady else { return }
        requests.isReady = true
        logger.notice("the proxy for requests follows")
        setRequestProxyReady(true)
    }

    private func proxyLeft() {
        guard !Task.isCancelled else { return }
        requests.leaving = nil
        guard !hasDecider, requests.isReady, !listeners.isEnding else { return }
        requests.isReady = false
        logger.warning("the proxy for requests is away; flows that need it are refused until it is back")
        setRequestProxyReady(false)
    }

    /// Ends all streams: the daemon stops.
    func endRequestFollowing() {
        for follower in requests.followers { follower.finish() }
    }

    /// Takes a step of the compiler, and sends followers what it changed for them a moment later: a burst of changes is
    /// one batch.
    func publishRequests(_ delta: CompiledDelta, _ changed: Changed) {
        guard !requests.followers.isEmpty else { return }
        if changed.contains(.kernel) {
            projectRequests()
        } else if requests.projection.take(delta, of: pipeline.compiled) {
            requests.isDue = true
        }
        guard requests.isDue || requests.wasHeld, requests.publishing == nil else { return }
        requests.publishing = Task {
            try? await Task.sleep(for: RequestServing.moment)
            guard !Task.isCancelled else { return }
            self.publishRequestsNow()
        }
    }

    /// Without the steps before: from the whole tables.
    private func projectRequests() {
        let generation = requests.projection.policy.generation
        let whole = RequestProjection(pipeline.compiled, generation: generation)
        if !whole.policy.hasSameRules(as: requests.projection.policy) { requests.isDue = true }
        requests.projection = whole
    }

    private func publishRequestsNow() {
        requests.publishing?.cancel()
        requests.publishing = nil
        guard requests.isDue || requests.wasHeld, !requests.followers.isEmpty, !holdsRequests else { return }
        requests.isDue = false
        requests.wasHeld = false
        requests.projection.publish()
        for follower in requests.followers { follower.offer(requests.projection.policy) }
    }

    /// Whether the kernel still hands over by what a previous run left: then the proxy decides by what it has kept.
    private var holdsRequests: Bool {
        requests.wasHeld = requests.wasHeld || phase.keepsPrevious
        return phase.keepsPrevious
    }

    public func count(_ counts: RequestCounts) {
        requests.counts.add(counts)
        for denied in counts.denied { tell(denied) }
    }

    /// Notes whether flows that need the proxy are refused, so that it is known since when.
    func noteRequests() {
        guard !(requests.isReady && steering.isInPlace), !handedOver.isEmpty else {
            requests.missingSince = nil
            return
        }
        if requests.missingSince == nil { requests.missingSince = .now }
    }

    /// The endpoints with flows that are handed to the proxy.
    var handedOver: [CompiledEndpoint] { steering.steered.endpoints(of: pipeline.compiled) }
}
