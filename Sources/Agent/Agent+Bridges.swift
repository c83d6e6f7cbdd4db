// SPDX-License-Identifier: Apache-2.0
import BridgeGuard
import CompiledPolicy
import ControlProtocol
import Datapath
import NetworkTypes
import NodeNetwork
import PolicyPipeline

/// The places of pods, and the agent's work for pods behind bridges. Policy of either datapath needs the bridges'
/// packets in netfilter; a table that sees the ports decides what may enter through them.
struct Bridging: ~Copyable {
    var places = PodPlaces()
    /// By endpoint, if its place is known.
    var found: [EndpointID: PodPlace] = [:]
    /// All endpoints' addresses at the last search for their places.
    var addresses: Set<IPAddress> = []
    /// The last content of the table.
    var ports = BridgePorts()
    var filtering = BridgeFiltering.on
    /// Whether the settings were enabled at the last check, while a pod was behind a bridge.
    var wasFiltering = false
    var check = BridgeSourceCheck()
    var checkError: DatapathError?

    /// Takes over the owners of ports from an earlier run, which pods may have tried to change meanwhile. If they
    /// cannot be read, they are found out again as for new pods.
    mutating func adopt() {
        for (port, pod) in (try? BridgeSourceCheck.adopted()) ?? [:] {
            places.adopt(port: port, addresses: pod.addresses, hardware: pod.hardware)
        }
    }
}

extension Agent where Plane: ~Copyable {
    /// Updates the guard of the endpoints behind bridges for the present network and policy.
    func updateBridges(_ network: NetworkState) {
        var ports = BridgePorts()
        for (id, place) in bridging.found {
            guard let endpoint = pipeline.compiled.endpoints[id] else { continue }
            guard let port = place.port else {
                ports.otherPods.formUnion(endpoint.addresses)
                continue
            }
            ports.pods[port.port.index] = BridgePorts.Pod(
                addresses: Set(endpoint.addresses), linkLocal: place.linkLocal, hardware: place.hardware)
        }
        if ports.pods.isEmpty {
            ports = BridgePorts()
        } else {
            (ports.nodeHardware, ports.nodeAddresses) = network.bridgeEnds(of: ports.pods.keys)
            ports.areMarked = Plane.needsPortMarks
            ports.proxy = proxyPort
            if settings.closesUnknownPorts {
                ports.open = network.allBridgePorts.subtracting(bridging.places.unknownPorts(network))
            }
        }
        bridging.ports = ports
        ensureFiltering()
        setBridges { check throws(DatapathError) in try check.set(ports) }
    }

    /// Opens the guard to the proxy, or closes it, without a new look at the network.
    func updateProxyPort() {
        guard !bridging.ports.pods.isEmpty, bridging.ports.proxy != proxyPort else { return }
        bridging.ports.proxy = proxyPort
        setBridges { [ports = bridging.ports] check throws(DatapathError) in try check.set(ports) }
    }

    /// Repairs what others have changed in the guard, and retries what failed.
    func repairBridges() {
        setBridges { [ports = bridging.ports] check throws(DatapathError) in
            try check.set(ports)
            if try check.repair() { noteRepair(1, ["the table bridge bulkhead"], rebuilt: true) }
        }
    }

    private func setBridges(_ step: (inout BridgeSourceCheck) throws(DatapathError) -> Void) {
        do {
            try step(&bridging.check)
            bridging.checkError = nil
        } catch {
            if bridging.checkError != error {
                logger.error("source addresses behind bridges are not checked", metadata: ["error": "\(error)"])
            }
            bridging.checkError = error
        }
    }

    /// Enables the bridges' settings if they are disabled, and reports the change.
    func ensureFiltering() {
        let before = bridging.filtering
        bridging.filtering = bridging.ports.pods.isEmpty ? .on : BridgeFiltering.ensure()
        if bridging.filtering == .switchedOn, bridging.wasFiltering {
            noteRepair(["net.bridge.bridge-nf-call-iptables and bridge-nf-call-ip6tables"])
        }
        bridging.wasFiltering = !bridging.ports.pods.isEmpty && !bridging.filtering.isOff
        guard bridging.filtering != before else { return }
        switch bridging.filtering {
        case .on: break
        case .switchedOn: logger.notice("packets within bridges pass netfilter now: its settings were enabled")
        case .off(let problem, let remedy):
            logger.error(
                "pods on one bridge can reach each other, whatever policy says",
                metadata: ["problem": "\(problem)", "remedy": "\(remedy)"])
        }
    }

    /// Nil if no endpoint is behind a bridge.
    func bridgeStatus() -> BridgeStatus? {
        guard !bridging.ports.pods.isEmpty else { return nil }
        // Another process may have disabled it since.
        ensureFiltering()
        var status = BridgeStatus(ports: bridging.ports.pods.count)
        if case .off(let problem, let remedy) = bridging.filtering {
            status.filtering = false
            status.problems.append("\(problem); \(remedy)")
        }
        if let error = bridging.checkError { status.problems.append("\(error)") }
        if let network = inputs.network { status.unknownPorts = bridging.places.unknownPorts(network).count }
        status.spoofed = (try? bridging.check.dropped()) ?? 0
        return status
    }
}
