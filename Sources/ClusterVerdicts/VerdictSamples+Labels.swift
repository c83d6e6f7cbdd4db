// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import KubernetesObjects
import NetworkTypes
import PolicyModel
import PolicyResolver

/// What other labels of a pod change for the pods of the node.
extension VerdictSamples {
    /// Pods whose labels are compared, and pods of the node that are compared with each of them.
    private static let relabeledLimit = 4
    private static let peerPodLimit = 256

    /// Pods that are there with labels before and with others after.
    static func relabeled(_ changed: [KubernetesObject]) -> [Pod] {
        var first: [EndpointName: Pod] = [:]
        var found: [Pod] = []
        for case .pod(let pod) in changed {
            guard let before = first[pod.endpointName] else {
                first[pod.endpointName] = pod
                continue
            }
            if before.metadata.labels != pod.metadata.labels { found.append(pod) }
        }
        return Array(found.sorted { $0.endpointName < $1.endpointName }.prefix(relabeledLimit))
    }

    /// For each pod of the node, what differs from and to the pods with other labels.
    func relabeledSentences(_ ports: [ProtocolPorts]) -> [String] {
        let own = after.endpoints.values.map(\.name).sorted().prefix(Self.peerPodLimit)
        var result: [String] = []
        for pod in relabeled {
            for name in own where name != pod.endpointName {
                for direction in [Direction.ingress, .egress] where isJudged(name, direction) {
                    result += sentences(name, direction, pod, ports)
                }
            }
        }
        return result
    }

    private func sentences(
        _ name: EndpointName, _ direction: Direction, _ peer: Pod, _ ports: [ProtocolPorts]
    ) -> [String] {
        guard let own = addresses(of: name) else { return [] }
        for address in own {
            guard let other = peer.podIPs.first(where: { $0.family == address.family }) else { continue }
            return ports.compactMap { sentence(name, address, direction, other, "\(peer.endpointName)", $0) }
        }
        return []
    }
}
