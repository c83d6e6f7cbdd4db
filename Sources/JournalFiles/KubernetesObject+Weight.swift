// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects

extension KubernetesObject {
    /// About how many bytes the object takes in memory, without the cost of encoding it.
    var weight: Int {
        let labels = 200 + 100 * metadata.labels.count
        return switch self {
        case .pod(let pod): labels + 20 * pod.podIPs.count + 50 * pod.namedPorts.count
        case .namespace, .node: labels
        case .networkPolicy(let policy):
            (policy.ingress + policy.egress).reduce(labels) { $0 + 100 + 300 * $1.peers.count + 50 * $1.ports.count }
        case .tierPolicy(let policy):
            (policy.ingress + policy.egress).reduce(labels) {
                $0 + 100 + $1.peers.reduce(0) { $0 + $1.weight } + 50 * ($1.ports?.count ?? 0)
            }
        case .authorizationPolicy(let policy): labels + 1000 * policy.rules.count
        }
    }
}

extension TierPeer {
    fileprivate var weight: Int {
        if case .networks(let networks) = self { 20 * networks.count } else { 300 }
    }
}
