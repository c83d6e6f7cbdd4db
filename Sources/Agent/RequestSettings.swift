// SPDX-License-Identifier: Apache-2.0
import Glibc
import RequestSteering

/// How flows whose requests authorization reads are handed to the node's proxy pod.
public struct RequestSettings: Sendable, Hashable {
    /// The namespace and service account by which this node's proxy pod is known.
    public var proxyNamespace: String
    public var proxyAccount: String
    /// The marks, the routing table and the routing rules' priority.
    public var steering: SteeringSettings
    /// The users that may follow the requests' policy, in addition to root and the daemon's own.
    public var users: Set<uid_t>

    public init(
        proxyNamespace: String = "kube-system", proxyAccount: String = "bulkhead-http",
        steering: SteeringSettings = SteeringSettings(), users: Set<uid_t> = []
    ) {
        self.proxyNamespace = proxyNamespace
        self.proxyAccount = proxyAccount
        self.steering = steering
        self.users = users
    }
}
