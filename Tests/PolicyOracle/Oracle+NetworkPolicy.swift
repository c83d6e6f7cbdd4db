// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import NetworkTypes

extension Oracle {
    /// The NetworkPolicy tier: nil where no policy selects the pod in this direction, else final.
    func networkPolicyTier(
        _ pod: Pod, _ direction: PolicyType, _ flow: Flow, withAudit: Bool
    ) -> OracleCause? {
        let policies = selecting(pod, direction, withAudit: withAudit)
        if policies.isEmpty { return nil }
        for policy in policies {
            for rule in direction == .ingress ? policy.ingress : policy.egress {
                if let match = match(rule, of: policy, for: pod, direction, flow) { return match }
            }
        }
        return .isolated
    }

    /// The policies that isolate the pod in this direction. (A host network pod never gets here: it owns no address.)
    func selecting(_ pod: Pod, _ direction: PolicyType, withAudit: Bool) -> [NetworkPolicy] {
        policies.filter { policy in
            (withAudit || policy.enforcement == .enforce)
                && policy.policyTypes.contains(direction)
                && policy.metadata.namespace == pod.metadata.namespace
                && Self.selects(policy.podSelector, pod.metadata.labels)
        }
    }

    private func match(
        _ rule: NetworkPolicyRule, of policy: NetworkPolicy, for pod: Pod, _ direction: PolicyType, _ flow: Flow
    ) -> OracleCause? {
        let other = direction == .ingress ? flow.source : flow.destination
        // No peers: every peer. Written as one peer that is nil.
        let peers: [NetworkPolicyPeer?] = rule.peers.isEmpty ? [nil] : rule.peers
        // No ports: every port of every protocol. Written as one port that is nil.
        let ports: [NetworkPolicyPort?] = rule.ports.isEmpty ? [nil] : rule.ports
        for peer in peers where matches(peer, other, policyNamespace: policy.metadata.namespace) {
            for port in ports where matches(port, for: pod, direction, flow) {
                return .rule(peer: kind(of: peer), port: kind(of: port))
            }
        }
        return nil
    }

    private func matches(_ peer: NetworkPolicyPeer?, _ other: IPAddress, policyNamespace: String) -> Bool {
        switch peer {
        case nil: return true
        case .ipBlock(let cidr, let except):
            return cidr.contains(other) && !except.contains { $0.contains(other) }
        case .pods(let namespaceSelector, let podSelector):
            guard let peerPod = owners[other] else { return false }
            if let namespaceSelector {
                guard Self.selects(namespaceSelector, labels(ofNamespace: peerPod.metadata.namespace)) else {
                    return false
                }
            } else {
                guard peerPod.metadata.namespace == policyNamespace else { return false }
            }
            guard let podSelector else { return true }
            return Self.selects(podSelector, peerPod.metadata.labels)
        }
    }

    private func matches(
        _ port: NetworkPolicyPort?, for pod: Pod, _ direction: PolicyType, _ flow: Flow
    ) -> Bool {
        guard let port else { return true }
        guard port.ipProtocol == flow.ipProtocol, let number = flow.destinationPort else { return false }
        switch port.port {
        case .any: return true
        case .range(let range): return range.first <= number && number <= range.last
        case .named(let name):
            let wanted = NamedPort(name: name, ipProtocol: port.ipProtocol, number: number)
            // Ingress: the port is the selected pod's own. Egress: it is that of the pod with the address, whatever
            // kind of peer matched it; an address without a pod has no names.
            if direction == .ingress { return pod.namedPorts.contains(wanted) }
            return owners[flow.destination]?.namedPorts.contains(wanted) ?? false
        }
    }

    private func kind(of peer: NetworkPolicyPeer?) -> OraclePeerKind {
        switch peer {
        case nil: .everyPeer
        case .ipBlock: .ipBlock
        case .pods(nil, _): .podSelector
        case .pods(_, nil): .namespaceSelector
        case .pods: .bothSelectors
        }
    }

    private func kind(of port: NetworkPolicyPort?) -> OraclePortKind {
        switch port?.port {
        case nil: .everyPort
        case .any: .everyPortOfProtocol
        case .range(let range): range.first == range.last ? .number : .range
        case .named: .named
        }
    }
}
