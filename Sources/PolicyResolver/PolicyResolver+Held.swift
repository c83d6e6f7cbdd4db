// SPDX-License-Identifier: Apache-2.0
import ClusterState
import NetworkTypes
import PolicyModel

/// An endpoint that stands for a pod until its object is known.
struct HeldEndpoint: Sendable, Equatable {
    var name: EndpointName
    var addresses: [IPAddress]
}

extension PolicyResolver {
    /// Makes an endpoint that is denied everything of each pod that the container runtime has reported and whose object
    /// is not known, and takes it back in the step in which the object comes: the pod's address is never without one.
    mutating func resolveHeld(_ changes: ClusterChanges, _ state: ClusterState, _ change: inout ResolvedChange) {
        for number in changes.localPods.sorted() {
            let (old, new) = (held[number], heldEndpoint(number, state))
            guard old != new else { continue }
            if let old, old.name != new?.name { change.removedEndpoints.append(old.name) }
            held[number] = new
            guard let new else { continue }
            change.endpoints[new.name] = ResolvedEndpoint(
                name: new.name, addresses: new.addresses, ingress: heldDirection(.ingress),
                egress: heldDirection(.egress))
        }
    }

    private func heldEndpoint(_ number: UInt32, _ state: ClusterState) -> HeldEndpoint? {
        let record = state.pods[Int(number)]
        guard record.isLocal, record.kind == .held else { return nil }
        let addresses = state.ownedAddresses(ofPod: number)
        return addresses.isEmpty
            ? nil : HeldEndpoint(name: state.endpointName(ofPod: number), addresses: addresses)
    }

    /// The kubelet's probes reach it, as they reach every pod; flows that the pod begins do not pass.
    private func heldDirection(_ direction: Direction) -> ResolvedDirection {
        ResolvedDirection(tiers: [
            ResolvedTier(
                tier: .networkPolicy,
                rules: direction == .ingress ? ownNodeRules(.ingress) : failsafeRules(ownNode: true),
                otherwiseDeny: .isolation(direction, by: [.unknownPod]))
        ])
    }
}
