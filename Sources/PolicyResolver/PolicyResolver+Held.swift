// SPDX-License-Identifier: Apache-2.0
import ClusterState
import NetworkTypes
import PolicyModel

extension PolicyResolver {
    /// Makes an endpoint that is denied everything of each pod that the container runtime has told of and no object
    /// does, and takes it back in the step in which the object comes: the pod's address is never without one.
    mutating func resolveHeld(_ state: ClusterState, _ change: inout ResolvedChange) {
        guard state.changes.attachments else { return }
        let now = Dictionary(
            state.heldAttachments.map { (EndpointName(heldFor: $0), $0.addresses.sorted()) },
            uniquingKeysWith: { first, _ in first })
        guard now != held else { return }
        for name in held.keys where now[name] == nil { change.removedEndpoints.append(name) }
        let (ingress, egress) = (heldDirection(.ingress), heldDirection(.egress))
        for (name, addresses) in now where held[name] != addresses {
            change.endpoints[name] = ResolvedEndpoint(
                name: name, addresses: addresses, ingress: ingress, egress: egress)
        }
        held = now
        pushed.isContested = true
    }

    /// The kubelet's probes get through, as to every pod; nothing that the pod begins does.
    private func heldDirection(_ direction: Direction) -> ResolvedDirection {
        ResolvedDirection(tiers: [
            ResolvedTier(
                tier: .networkPolicy,
                rules: direction == .ingress ? ownNodeRules(.ingress) : failsafeRules(ownNode: true),
                otherwiseDeny: .isolation(direction, by: [.unknownPod]))
        ])
    }
}
