// SPDX-License-Identifier: Apache-2.0
import NetworkTypes
import PolicyModel

/// The operator's settings that change verdicts: traffic between pods and their own node, and identities.
public struct PolicySettings: Sendable, Hashable {
    /// NetworkPolicy also decides about traffic from a pod to its own node; otherwise only the Admin and Baseline tiers
    /// do.
    public var enforcesNetworkPolicyOnOwnNode: Bool
    /// Addresses of the node-local resolver: no policy may deny them.
    public var nodeDNS: [IPAddress]
    public var mesh: MeshSettings
    public init(
        enforcesNetworkPolicyOnOwnNode: Bool = false, nodeDNS: [IPAddress] = [], mesh: MeshSettings = MeshSettings()
    ) {
        self.enforcesNetworkPolicyOnOwnNode = enforcesNetworkPolicyOnOwnNode
        self.nodeDNS = nodeDNS
        self.mesh = mesh
    }
}
