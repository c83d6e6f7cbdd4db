// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import ControlProtocol
import Datapath
import DatapathNFTables
import NetworkTypes
import NodeNetwork
import PolicyPipeline

/// What the agent knows of pods behind bridges. Policy of either datapath needs the bridges' packets in netfilter, and
/// leaves the check of source addresses to a table that sees by which port they come.
struct Bridging: ~Copyable {
    /// By address of a pod, as the network tells it.
    var found: [IPAddress: BridgePort] = [:]
    /// The port that each endpoint is behind, of those that are.
    var places: [EndpointID: PodInterface] = [:]
    /// Addresses of the endpoints behind each port.
    var ports: [UInt32: Set<IPAddress>] = [:]
    var filtering = BridgeFiltering.on
    /// Whether the settings were on when last looked at, while a pod was behind a bridge.
    var wasFiltering = false
    var check = BridgeSourceCheck()
    var checkError: DatapathError?
}

extension Agent where Plane: ~Copyable {
    /// Takes care of the endpoints that are behind bridges, as the network and the policy are now.
    func updateBridges() {
        guard network != nil else { return }
        var ports: [UInt32: Set<IPAddress>] = [:]
        var places: [EndpointID: PodInterface] = [:]
        if !bridging.found.isEmpty {
            for (id, endpoint) in pipeline.compiled.endpoints
            where endpoint.name.namespace != PolicyPipeline.unknownNamespace {
                let found = Set(endpoint.addresses.compactMap { bridging.found[$0]?.port })
                // Of two answers neither is believed.
                guard found.count == 1, let port = found.first else { continue }
                places[id] = port
                ports[port.index, default: []].formUnion(endpoint.addresses)
            }
        }
        bridging.places = places
        bridging.ports = ports
        ensureFiltering()
        setBridges { check throws(DatapathError) in try check.set(ports) }
    }

    /// Puts right what others have changed of the check, and tries again what failed.
    func repairBridges() {
        setBridges { [ports = bridging.ports] check throws(DatapathError) in
            try check.set(ports)
            if try check.repair() { noteRepair(1, rebuilt: true) }
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

    /// Switches the bridges' settings on where they are off, and reports what that changed.
    func ensureFiltering() {
        let before = bridging.filtering
        bridging.filtering = bridging.ports.isEmpty ? .on : BridgeFiltering.ensure()
        if bridging.filtering == .switchedOn, bridging.wasFiltering {
            noteRepair(["net.bridge.bridge-nf-call-iptables and bridge-nf-call-ip6tables"])
        }
        bridging.wasFiltering = !bridging.ports.isEmpty && !bridging.filtering.isOff
        guard bridging.filtering != before else { return }
        switch bridging.filtering {
        case .on: break
        case .switchedOn: logger.notice("packets within bridges pass netfilter now: its settings were switched on")
        case .off(let problem, let remedy):
            logger.error(
                "pods on one bridge reach each other whatever policy says",
                metadata: ["problem": "\(problem)", "remedy": "\(remedy)"])
        }
    }

    /// Nil where no endpoint is behind a bridge.
    func bridgeStatus() -> BridgeStatus? {
        guard !bridging.ports.isEmpty else { return nil }
        // Somebody may have switched it off since.
        ensureFiltering()
        var status = BridgeStatus(ports: bridging.ports.count)
        if case .off(let problem, let remedy) = bridging.filtering {
            status.filtering = false
            status.problems.append("\(problem); \(remedy)")
        }
        if let error = bridging.checkError { status.problems.append("\(error)") }
        status.spoofed = (try? bridging.check.dropped()) ?? 0
        return status
    }
}
