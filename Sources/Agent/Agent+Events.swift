// SPDX-License-Identifier: Apache-2.0
import ControlProtocol
import ControlSocket
import Datapath
import FlowTelemetry
import KubernetesObjects
import NetworkTypes
import PolicyModel
import RequestPolicy
import SystemClocks

/// Clients that wait for the agent.
struct Listeners {
    var followers: Set<EventFollower> = []
    var flowFollowers: Set<FlowFollower> = []
    /// Fetches events while they are recorded or a client follows them.
    var pump: Task<Void, Never>?
    /// Calls that wait until the policy of a pod is in the kernel; each checks after the next step.
    var waiting: [CheckedContinuation<Void, Never>] = []
    /// Whether the daemon ends, so that no call may begin to wait.
    var isEnding = false

    var isEmpty: Bool { followers.isEmpty && flowFollowers.isEmpty }
    var count: Int { followers.count + flowFollowers.count }
}

extension Agent where Plane: ~Copyable {
    /// How often events are fetched while a client follows them.
    private static var pumpInterval: Duration { .milliseconds(50) }
    /// How often they are fetched only to be recorded: what the rate limits let through in that time has room in the
    /// kernel's buffers.
    private static var recordInterval: Duration { .milliseconds(250) }
    /// Events fetched at once; the rest waits for the next turn, so that a flood does not delay policy.
    private static var pumpLimit: Int { 4096 }

    // MARK: Recording

    private var isRecording: Bool { settings.flows.mode != .off }

    /// Begins to record what the settings say. Call this once, after the datapath was opened.
    func startRecording() {
        guard isRecording else { return }
        setListening(true)
        if settings.flows.mode == .all {
            do {
                try datapath.setFlows(settings.flows.limit)
                recording.reportsAllowed = true
            } catch {
                recording.problem = "\(error)"
                logger.warning("allowed flows cannot be reported", metadata: ["error": "\(error)"])
            }
        }
        startPump()
    }

    /// What is reported without a reader would cost packets time for nothing.
    func stopRecording() {
        guard isRecording else { return }
        setListening(false)
        guard recording.reportsAllowed else { return }
        do {
            try datapath.setFlows(nil)
        } catch {
            logger.warning("reporting of new flows could not be stopped", metadata: ["error": "\(error)"])
        }
    }

    /// Fetches events from now on, as often as those who wait for them need.
    private func startPump() {
        listeners.pump?.cancel()
        listeners.pump = Task { await self.pumpEvents() }
    }

    private func pumpEvents() async {
        while !Task.isCancelled, isRecording || !listeners.isEmpty {
            takeEvents()
            tellMissing()
            try? await Task.sleep(for: listeners.isEmpty ? Self.recordInterval : Self.pumpInterval)
        }
    }

    private func takeEvents() {
        let events = datapath.pollEvents(limit: Self.pumpLimit)
        guard !events.isEmpty else { return }
        let clock = ClockPair.now
        for event in events {
            if event.cause.isOfPolicy { proving.prover.note(recent: event.flow) }
            let drop = ExplainedDrop(event, policy: pipeline.compiled) {
                pipeline.pod(owning: $0)
            } principal: {
                principal(of: $0)
            }
            keep(
                FlowEntry(
                    time: clock.sinceEpoch(ofMonotonic: event.monotonicNanoseconds),
                    content: .packet(drop, interface: inputs.network?.links[event.interfaceIndex]?.name),
                    labels: labels(drop.sourcePod, drop.destinationPod)))
        }
    }

    private func labels(_ source: EndpointName?, _ destination: EndpointName?) -> FlowEntry.Labels {
        func labels(_ name: EndpointName?) -> [String] {
            guard let pod = name.flatMap({ pipeline.object(ofPod: $0) }) else { return [] }
            return recording.labels.texts(pod.metadata.labels)
        }
        return FlowEntry.Labels(source: labels(source), destination: labels(destination))
    }

    /// Records an entry, and offers it to those who want it.
    private func keep(_ entry: FlowEntry) {
        recording.ring.append(entry, isRare: entry.isRare)
        if let (pod, direction) = denial(of: entry) { recording.denied.note(pod, direction, at: .now) }
        guard !listeners.isEmpty else { return }
        let facts = entry.facts
        for follower in listeners.flowFollowers where follower.filter.matches(facts) {
            follower.offer(entry.line(node: settings.nodeName))
        }
        for follower in listeners.followers where follower.filter.matches(facts) {
            if let record = entry.record { follower.offer(record) }
        }
    }

    /// The pod for which policy denied a flow or a request; nil if nothing was denied, or for another reason.
    private func denial(of entry: FlowEntry) -> (pod: EndpointName, direction: Direction)? {
        switch entry.content {
        case .packet(let drop, _):
            guard [.rule, .handOver].contains(drop.event.cause) else { return nil }
            return drop.endpoint.map { ($0, drop.event.direction) }
        case .request(let request, _):
            let verdict = RequestCounts.Verdict(rawValue: request.verdict)
            guard verdict == .deny || verdict == .refuse,
                let address = try? IPAddress(request.destination.address)
            else { return nil }
            return pipeline.pod(owning: address).map { ($0, .ingress) }
        }
    }

    /// Tells those who follow flows once a second how many were not reported.
    private func tellMissing() {
        guard !listeners.flowFollowers.isEmpty, recording.lastCheck.duration(to: .now) >= .seconds(1) else { return }
        recording.lastCheck = .now
        let missing = missingFlows()
        guard missing > recording.toldMissing else { return }
        let line = FlowLine(
            lostEvents: LostFlows(source: .kernel, count: missing - recording.toldMissing),
            nodeName: settings.nodeName, time: RFC3339.now())
        recording.toldMissing = missing
        for follower in listeners.flowFollowers { follower.offer(line) }
    }

    private func missingFlows() -> UInt64 {
        guard recording.reportsAllowed, let counters = try? datapath.counters() else { return recording.toldMissing }
        return counters.flowsLeftOut &+ counters.flowsLost
    }

    /// What of flows is recorded, for the status.
    func flowStatus() -> FlowStatus {
        let counters = (try? datapath.counters()) ?? DatapathCounters()
        return FlowStatus(
            mode: settings.flows.mode.rawValue, problem: recording.problem, records: recording.ring.count,
            limit: recording.ring.limit, overwritten: recording.ring.overwritten, leftOut: counters.flowsLeftOut,
            lost: counters.flowsLost)
    }

    // MARK: Followers

    public func followEvents(_ options: StreamOptions) -> EventFollower {
        prepareToFollow()
        let ring = recording.ring
        let follower = EventFollower(
            options.filter, history: { ring.history(options).compactMap(\.record) }, follows: options.follows)
        listeners.followers.insert(follower)
        begin(follower)
        return follower
    }

    public func followFlows(_ options: StreamOptions) -> FlowFollower {
        prepareToFollow()
        if listeners.flowFollowers.isEmpty { recording.toldMissing = missingFlows() }
        let (ring, node) = (recording.ring, settings.nodeName)
        let follower = FlowFollower(
            options.filter, history: { ring.history(options).map { $0.line(node: node) } }, follows: options.follows)
        listeners.flowFollowers.insert(follower)
        begin(follower)
        return follower
    }

    /// Earlier events are not news: they are recorded before the follower is there.
    func prepareToFollow() {
        if isRecording { takeEvents() }
        guard listeners.isEmpty else { return }
        if !isRecording { while datapath.pollEvents(limit: Self.pumpLimit).count == Self.pumpLimit {} }
        // Also while they are recorded: the first packet that a follower could see never counts as a repetition.
        setListening(true)
    }

    private func begin(_ follower: RecordFollower<some StreamRecord>) {
        if listeners.isEnding { follower.finish() }
        if listeners.count == 1, !listeners.isEnding { startPump() }
    }

    public func unfollow(_ follower: EventFollower) {
        follower.finish()
        if listeners.followers.remove(follower) != nil { endListening() }
    }

    public func unfollow(_ follower: FlowFollower) {
        follower.finish()
        if listeners.flowFollowers.remove(follower) != nil { endListening() }
    }

    private func endListening() {
        if listeners.isEmpty, !isRecording { setListening(false) }
    }

    private func setListening(_ isOn: Bool) {
        do {
            try datapath.setListening(isOn)
        } catch {
            logger.warning(
                isOn ? "dropped packets cannot be reported" : "reporting of dropped packets could not be stopped",
                metadata: ["error": "\(error)"])
        }
    }

    /// Sends all followers of events a notice that is not about a packet.
    func tellFollowers(_ notice: String) {
        let record = FlowRecord(kind: .notice, time: RFC3339.now(), notice: notice)
        for follower in listeners.followers { follower.offer(record) }
    }

    public func endFollowing() {
        listeners.isEnding = true
        tellFollowers("the daemon stops; policy stays in force, but drops are not reported until it is back")
        for follower in listeners.followers { follower.finish() }
        for follower in listeners.flowFollowers { follower.finish() }
        endRequestFollowing()
        wakeAttaching()
    }

    /// Records and reports a request that the node's proxy has denied, or that policy in audit would deny.
    func tell(_ denied: RequestCounts.Denied) {
        guard isRecording || !listeners.isEmpty else { return }
        let identity = denied.decider
        func pod(_ address: String) -> EndpointName? { (try? IPAddress(address)).flatMap { pipeline.pod(owning: $0) } }
        let request = JudgedRequest(denied, by: identity) { pod($0)?.description }
        keep(
            FlowEntry(
                time: RFC3339.nanoseconds(denied.time) ?? RFC3339.nowNanoseconds,
                content: .request(request, by: identity?.policies ?? []),
                labels: labels(pod(denied.source), pod(denied.destination))))
    }
}

extension RequestCounts.Denied {
    /// What decided; nil for a refused request.
    fileprivate var decider: RuleIdentity? {
        let reference = policy.map {
            PolicyReference(
                kind: PolicyReference.authorizationKind, namespace: $0.namespace, name: $0.name)
        }
        return reference.map { policy -> RuleIdentity in
            rule.map { .rule(policy, .ingress, index: $0, name: nil) } ?? .isolation(.ingress, by: [policy])
        }
    }
}

extension JudgedRequest {
    /// - Parameters:
    ///   - identity: what decided.
    ///   - pod: returns the pod with an address, if it is known.
    fileprivate init(_ denied: RequestCounts.Denied, by identity: RuleIdentity?, pod: (String) -> String?) {
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

extension FlowRing<FlowEntry> {
    /// What a client wants of the past.
    fileprivate func history(_ options: StreamOptions) -> [FlowEntry] {
        guard options.hasHistory else { return [] }
        let found = newest(options.last) { options.filter.matches($0.facts) }
        // The kernel reports allowed flows a little later than others.
        return found.enumerated().sorted { ($0.element.time, $0.offset) < ($1.element.time, $1.offset) }.map(\.element)
    }
}
