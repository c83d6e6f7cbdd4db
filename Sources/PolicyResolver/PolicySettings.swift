// SPDX-License-Identifier: Apache-2.0
import NetworkTypes

/// What an operator chose about the traffic between pods and their own node.
public struct PolicySettings: Sendable, Hashable {
    /// NetworkPolicy decides about traffic from a pod to its own node too; else only the Admin and Baseline tiers do.
    public var enforcesNetworkPolicyOnOwnNode: Bool
    /// Where the node-local resolver listens: no policy keeps a pod from it.
    public var nodeDNS: [IPAddress]
    public init(enforcesNetworkPolicyOnOwnNode: Bool = false, nodeDNS: [IPAddress] = []) {
        self.enforcesNetworkPolicyOnOwnNode = enforcesNetworkPolicyOnOwnNode
        self.nodeDNS = nodeDNS
    }
}
