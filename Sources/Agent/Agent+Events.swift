// SPDX-License-Identifier: Apache-2.0
import ControlProtocol
import ControlSocket
import Datapath
import FlowTelemetry
import KubernetesObjects
import NetworkTypes
import PolicyModel
import RequestPolicy

/// Clients that wait for the agent.
struct Listeners {
    var followers: Set<EventFollower> = []
    /// Fetches drop events while a client follows them.
    var pump: Task<Void, Never>?
    /// Calls that wait until the policy of a pod is in the kernel; each checks after the next step.
    var waiting: [CheckedContinuation<Void, Never>] = []
    /// Whether the daemon ends, so that no call may begin to wait.
    var isEnding = false
}

extension Agent where Plane: ~Copyable {
    /// How often drop events are fetched while a client follows them. Without followers they are not fetched, and the
    /// agent sleeps.
    private static var pumpInterval: Duration { .milliseconds(50) }
    /// Events fetched at once; the rest waits for the next turn, so that a flood does not delay policy.
    private static var pumpLimit: Int { 4096 }

    public func follow(_ kinds: Set<FlowRecord.Kind>) -> EventFollower {
        if listeners.followers.isEmpty {
            // Earlier drops are not news for the first follower.
            while datapath.pollEvents(limit: Self.pumpLimit).count == Self.pumpLimit {}
            setListening(true)
        }
        let follower = EventFollower(kinds)
        listeners.followers.insert(follower)
        guard !listeners.isEnding else {
            follower.finish()
            return follower
        }
        if listeners.pump == nil { listeners.pump = Task { await self.pumpEvents() } }
        return follower
    }

    public func unfollow(_ follower: EventFollower) {
        follower.finish()
        guard listeners.followers.remove(follower) != nil, listeners.followers.isEmpty else { return }
        setListening(false)
    }

    /// Without followers a dropped packet is only counted, so that the first one that a follower could see never counts
    /// as a repetition.
    private func setListening(_ isOn: Bool) {
        do {
            try datapath.setListening(isOn)
        } catch {
            logger.warning(
                isOn ? "dropped packets cannot be reported" : "reporting of dropped packets could not be stopped",
                metadata: ["error": "\(error)"])
        }
    }

    /// Sends all followers a notice that is not about a packet.
    func tellFollowers(_ notice: String) {
        let record = FlowRecord(kind: .notice, time: RFC3339.now(), notice: notice)
        for follower in listeners.followers { follower.offer(record) }
    }

    public func endFollowing() {
        listeners.isEnding = true
        tellFollowers("the daemon stops; policy stays in force, but drops are not reported until it is back")
        for follower in listeners.followers { follower.finish() }
        endRequestFollowing()
        wakeAttaching()
    }

    /// Reports a request that the node's proxy has denied, or that policy in audit would deny.
    func tell(_ denied: RequestCounts.Denied) {
        guard !listeners.followers.isEmpty else { return }
        let record = FlowRecord(
            kind: .request, time: denied.time,
            request: JudgedRequest(denied) { (try? IPAddress($0)).flatMap { pipeline.pod(owning: $0)?.description } })
        for follower in listeners.followers { follower.offer(record) }
    }

    private func pumpEvents() async {
        while !listeners.followers.isEmpty, !Task.isCancelled {
            for event in datapath.pollEvents(limit: Self.pumpLimit) {
                proving.prover.note(recent: event.flow)
                let drop = ExplainedDrop(event, policy: pipeline.compiled) {
                    pipeline.pod(owning: $0)
                } principal: {
                    principal(of: $0)
                }
                let record = FlowRecord(drop, interfaceName: inputs.network?.links[event.interfaceIndex]?.name)
                for follower in listeners.followers { follower.offer(record) }
            }
            try? await Task.sleep(for: Self.pumpInterval)
        }
        listeners.pump = nil
    }
}

extension FlowRecord {
    init(_ drop: ExplainedDrop, interfaceName: String?) {
        let event = drop.event
        let flow = event.flow
        let hasPorts = flow.ipProtocol.hasPorts && event.cause != .unparsable
        let packet = DroppedPacket(
            cause: .init(event.cause), direction: event.direction.rawValue,
            source: EventEnd(
                address: flow.source.description, port: hasPorts ? Int(event.sourcePort) : nil,
                pod: drop.sourcePod?.description),
            destination: EventEnd(
                address: flow.destination.description, port: flow.destinationPort.map { Int($0) },
                pod: drop.destinationPod?.description),
            protocol: flow.ipProtocol.description, endpoint: drop.endpoint?.description,
            rule: drop.identity.map { RuleAnswer($0) }, reason: drop.reason,
            interface: event.interfaceIndex == 0
                ? nil : InterfaceAnswer(index: Int(event.interfaceIndex), name: interfaceName ?? ""))
        let time = RFC3339.text(monotonicNanoseconds: event.monotonicNanoseconds)
        if event.cause == .audit {
            self.init(kind: .audit, time: time, audit: packet)
        } else {
            self.init(kind: .drop, time: time, drop: packet)
        }
    }
}

extension JudgedRequest {
    /// - Parameter pod: returns the pod with an address, if it is known.
    fileprivate init(_ denied: RequestCounts.Denied, pod: (String) -> String?) {
        let policy = denied.policy.map {
            PolicyReference(
                kind: PolicyReference.authorizationKind, namespace: $0.namespace, name: $0.name)
        }
        let identity = policy.map { policy -> RuleIdentity in
            denied.rule.map { .rule(policy, .ingress, index: $0, name: nil) } ?? .isolation(.ingress, by: [policy])
        }
        let decider = identity.map { RuleAnswer($0).description } ?? "authorization"
        let reason =
            switch denied.verdict {
            case .allow: "allowed"
            case .deny: "denied by \(decider)"
            case .wouldDeny: "not stopped: \(decider), in audit, would deny it"
            case .refuse: "refused"
            }
        self.init(
            verdict: denied.verdict.rawValue,
            source: EventEnd(address: denied.source, port: Int(denied.sourcePort), pod: pod(denied.source)),
            destination: EventEnd(
                address: denied.destination, port: Int(denied.port), pod: denied.pod ?? pod(denied.destination)),
            method: denied.method, host: denied.host, path: denied.path, rule: identity.map { RuleAnswer($0) },
            reason: denied.reason.map { "\(reason): \($0)" } ?? reason)
    }
}

extension DroppedPacket.Cause {
    init(_ cause: DropEvent.Cause) {
        switch cause {
        case .rule: self = .rule
        case .spoofed: self = .spoofed
        case .unparsable: self = .unparsable
        case .inconsistent: self = .inconsistent
        case .audit: self = .audit
        case .tunnel: self = .tunnel
        case .sourceRouted: self = .sourceRouted
        case .unrelatedError: self = .unrelatedError
        case .malformed: self = .malformed
        case .handOver: self = .handOver
        }
    }
}
