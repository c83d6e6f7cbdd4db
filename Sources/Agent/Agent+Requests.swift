// SPDX-License-Identifier: Apache-2.0
import BridgeGuard
import CompiledPolicy
import Datapath
import NetworkTypes
import NodeNetwork
import PolicyModel
import PolicyPipeline
import RequestSteering

/// The way of flows whose requests authorization reads to this node's proxy pod.
struct Steering: ~Copyable {
    /// Whether the proxy answers.
    enum Readiness {
        /// Nothing was heard yet since the start. What a previous run left stays for a while.
        case unknown
        case ready
        case away
    }

    /// The endpoint that is the proxy, with its place.
    struct Proxy {
        var endpoint: EndpointID
        var name: EndpointName
        var place: PodPlace
    }

    var readiness = Readiness.away
    var proxy: Proxy?
    /// Which programs need the proxy.
    var steered = SteeredPorts()
    /// Whether ``steered`` has changed since the last plan.
    var isDue = false
    var programmer = RequestSteering()
    /// The last plan; nil before the first one.
    var plan: SteeringPlan?
    var error: SteeringError?
    /// The bridge port of which programmed steering sees all that enters. Only by this port the proxy sends for others.
    var watchedPort: UInt32?
    /// The end of ``Readiness/unknown``.
    var deadline: Task<Void, Never>?

    /// Whether the way to the proxy is programmed.
    var isInPlace: Bool { plan.map { $0.proxy != nil && $0.unserved.isEmpty } ?? false && error == nil }

    /// How long a previous run's way to the proxy stays without a word from the proxy.
    static let patience: Duration = .seconds(5)

    /// Right after a start, what a previous run left watches the proxy's port.
    func isWatched(_ port: UInt32) -> Bool { watchedPort == port || plan == nil && readiness == .unknown }

    mutating func take(_ delta: CompiledDelta, of policy: borrowing CompiledPolicy) {
        if steered.take(delta, of: policy) { isDue = true }
    }

    mutating func takeWhole(_ policy: borrowing CompiledPolicy) {
        steered.reset(policy)
        isDue = true
    }
}

extension Agent where Plane: ~Copyable {
    /// Whether this node's request proxy can decide: its decider follows the policy. Without it, nothing is steered, and
    /// policy denies the flows that need it.
    public func setRequestProxyReady(_ isReady: Bool) {
        steering.deadline?.cancel()
        steering.deadline = nil
        steering.readiness = isReady ? .ready : .away
        updateSteering()
    }

    /// What a previous run steered goes on until the proxy is heard, or has had the time for it.
    func adoptSteering() {
        let found = (try? RequestSteering.installed()) ?? []
        guard !found.isEmpty else { return }
        steering.readiness = .unknown
        steering.deadline = Task {
            try? await Task.sleep(for: Steering.patience)
            guard !Task.isCancelled else { return }
            self.setRequestProxyReady(false)
        }
    }

    /// Finds the endpoint that is the proxy: a pod of this node with the settings' identity and a known place. Of
    /// several, the one that was the proxy before stays.
    func findProxy() {
        let found = bridging.found.compactMap { id, place -> Steering.Proxy? in
            guard let endpoint = pipeline.compiled.endpoints[id], isProxy(endpoint.name), place.leadsSomewhere else {
                return nil
            }
            return Steering.Proxy(endpoint: id, name: endpoint.name, place: place)
        }
        let before = steering.proxy?.name
        steering.proxy = found.first { $0.name == before } ?? found.min { $0.name < $1.name }
    }

    func isProxy(_ name: EndpointName) -> Bool {
        guard name.kind == .pod, name.namespace == settings.requests.proxyNamespace else { return false }
        return pipeline.object(ofPod: name)?.serviceAccountName == settings.requests.proxyAccount
    }

    /// For the bridge guard: the port by which the proxy sends for others.
    var proxyPort: BridgePorts.Proxy? {
        guard let port = steering.proxy?.place.port?.port.index, steering.isWatched(port) else { return nil }
        let marks = settings.requests.steering.marks
        return BridgePorts.Proxy(port: port, mask: marks.mask, mark: marks.toProxy)
    }

    /// Plans the way to the proxy for the present policy and network, and programs it if it has changed.
    func updateSteering() {
        guard phase.writesKernel else { return }
        steering.isDue = false
        let isWanted = steering.readiness != .away
        let plan = SteeringPlan(
            settings: settings.requests.steering, ports: steering.steered.ports(of: pipeline.compiled),
            proxy: isWanted ? steeringProxy : nil, bridges: steeringBridges)
        if plan != steering.plan || steering.error != nil {
            if plan.watchedPort != steering.watchedPort, steering.plan != nil {
                steering.watchedPort = nil
                updateProxyPort()
            }
            steering.plan = plan
            setSteering { programmer throws(SteeringError) in try programmer.set(plan) }
        }
        noteRequests()
    }

    private var steeringProxy: SteeringProxy? {
        guard let proxy = steering.proxy, let endpoint = pipeline.compiled.endpoints[proxy.endpoint] else { return nil }
        if let port = proxy.place.port {
            return SteeringProxy(addresses: endpoint.addresses, link: port.bridge.index, port: port.port.index)
        }
        return proxy.place.interfaces.first.map { SteeringProxy(addresses: endpoint.addresses, link: $0.index) }
    }

    private var steeringBridges: [SteeringBridge] {
        guard let network = inputs.network, !steering.steered.isEmpty else { return [] }
        return network.bridges(of: bridging.found.values.lazy.compactMap { $0.port?.bridge.index }).map {
            SteeringBridge(index: $0.bridge.index, hardware: $0.bridge.hardware, ports: $0.ports)
        }
    }

    /// Repairs what others have changed, and retries what failed.
    func repairSteering() {
        guard phase.writesKernel, let plan = steering.plan else { return }
        setSteering { programmer throws(SteeringError) in
            try programmer.set(plan)
            noteRepair(try programmer.repair(), ["the way to the request proxy"], rebuilt: false)
        }
        noteRequests()
    }

    private func setSteering(_ step: (inout RequestSteering) throws(SteeringError) -> Void) {
        do {
            try step(&steering.programmer)
            steering.error = nil
        } catch {
            if steering.error != error {
                logger.error("flows that need the request proxy are refused", metadata: ["error": "\(error)"])
            }
            steering.error = error
        }
        steering.watchedPort = steering.error == nil ? steering.plan?.watchedPort : nil
        updateProxyPort()
    }
}

extension SteeringPlan {
    fileprivate var watchedPort: UInt32? { ports.isEmpty ? nil : proxy?.port }
}

extension PodPlace {
    fileprivate var leadsSomewhere: Bool { port != nil || !interfaces.isEmpty }
}
