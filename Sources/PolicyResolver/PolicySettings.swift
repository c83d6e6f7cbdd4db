// SPDX-License-Identifier: Apache-2.0
import NetworkTypes

/// The operator's settings for traffic between pods and their own node.
public struct PolicySettings: Sendable, Hashable {
    /// NetworkPolicy also decides about traffic from a pod to its own node; otherwise only the Admin and Baseline tiers
    /// do.
    public var enforcesNetworkPolicyOnOwnNode: Bool
    /// Addresses of the node-local resolver: no policy may deny them.
    public var nodeDNS: [IPAddress]
    public init(enforcesNetworkPolicyOnOwnNode: Bool = false, nodeDNS: [IPAddress] = []) {
        self.enforcesNetworkPolicyOnOwnNode = enforcesNetworkPolicyOnOwnNode
        self.nodeDNS = nodeDNS
    }
}
