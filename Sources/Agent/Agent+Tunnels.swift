// SPDX-License-Identifier: Apache-2.0
import ControlProtocol
import Datapath
import NodeNetwork

/// The tunnels that the datapath was given, and the inputs from which they were derived.
struct ToldTunnels {
    var tunnels: TunnelGuard
    var ends: TunnelEnd
    var nodesRevision: UInt64
}

extension Agent where Plane: ~Copyable {
    /// Gives the datapath the tunnel packets that no endpoint may send to a node, if they have changed.
    func updateTunnels() {
        guard let network = inputs.network else { return }
        let ends = network.tunnels
        if let told = programmed.tunnels, told.ends == ends, told.nodesRevision == pipeline.nodesRevision { return }
        var wanted = TunnelGuard()
        if !settings.allowsPodTunnels, ends != TunnelEnd() {
            wanted = TunnelGuard(
                udpPorts: ends.udpPorts, protocols: ends.protocols, nodes: pipeline.otherNodeAddresses)
        }
        do {
            if wanted != programmed.tunnels?.tunnels { try datapath.setTunnels(wanted) }
            programmed.tunnels = ToldTunnels(tunnels: wanted, ends: ends, nodesRevision: pipeline.nodesRevision)
        } catch {
            logger.error("tunnel packets from pods are not dropped", metadata: ["error": "\(error)"])
        }
    }

    /// Nil if the node has no tunnels.
    func tunnelStatus() -> TunnelStatus? {
        guard let ends = inputs.network?.tunnels, ends != TunnelEnd() else { return nil }
        return TunnelStatus(
            udpPorts: ends.udpPorts.sorted().map(Int.init), protocols: ends.protocols.sorted().map(Int.init),
            nodes: programmed.tunnels?.tunnels.nodes.count ?? 0,
            guarded: programmed.tunnels.map { $0.tunnels != TunnelGuard() } ?? false)
    }
}
