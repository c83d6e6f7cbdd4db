// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import NetworkTypes
import PolicyModel

extension World {
    /// The smallest world in reach in which the flow still fails: nothing more can be taken away from it, neither an
    /// object nor a rule, peer, port, except, selector, label, address or policy type, without losing the failure.
    ///
    /// - Parameter fails: whether the flow fails in a world; must be true of this one.
    public func shrunk(_ flow: Flow, fails: (World, Flow) -> Bool) -> World {
        Shrinking.smallest(of: self, candidates: \.simplifications) { fails($0, flow) }
    }

    /// Every world that is this one less one thing; larger things first.
    public var simplifications: [World] {
        var result: [World] = []
        for variant in policies.lacking1 { result.append(with { $0.policies = variant }) }
        for variant in tierPolicies.lacking1 { result.append(with { $0.tierPolicies = variant }) }
        for variant in authorizationPolicies.lacking1 { result.append(with { $0.authorizationPolicies = variant }) }
        for variant in pods.lacking1 { result.append(with { $0.pods = variant }) }
        for variant in namespaces.lacking1 { result.append(with { $0.namespaces = variant }) }
        for variant in nodes.lacking1 { result.append(with { $0.nodes = variant }) }
        for (index, policy) in policies.enumerated() {
            for variant in policy.simplifications { result.append(with { $0.policies[index] = variant }) }
        }
        for (index, policy) in tierPolicies.enumerated() {
            for variant in policy.simplifications { result.append(with { $0.tierPolicies[index] = variant }) }
        }
        for variant in settings.simplifications { result.append(with { $0.settings = variant }) }
        for (index, policy) in authorizationPolicies.enumerated() {
            for variant in policy.simplifications { result.append(with { $0.authorizationPolicies[index] = variant }) }
        }
        for (index, pod) in pods.enumerated() {
            for variant in pod.simplifications { result.append(with { $0.pods[index] = variant }) }
        }
        for (index, namespace) in namespaces.enumerated() {
            for key in namespace.metadata.labels.keys.sorted() where key != Namespace.nameLabel {
                result.append(with { $0.namespaces[index].metadata.labels[key] = nil })
            }
        }
        for (index, node) in nodes.enumerated() {
            for key in node.metadata.labels.keys.sorted() {
                result.append(with { $0.nodes[index].metadata.labels[key] = nil })
            }
            for variant in node.addresses.lacking1 { result.append(with { $0.nodes[index].addresses = variant }) }
        }
        return result
    }

    private func with(_ change: (inout World) -> Void) -> World {
        var copy = self
        change(&copy)
        return copy
    }
}

extension Array {
    /// Every array that lacks one of the elements.
    var lacking1: [[Element]] {
        indices.map { index in
            var copy = self
            copy.remove(at: index)
            return copy
        }
    }
}

extension NetworkPolicy {
    fileprivate var simplifications: [NetworkPolicy] {
        var result: [NetworkPolicy] = []
        func add(_ change: (inout NetworkPolicy) -> Void) {
            var copy = self
            change(&copy)
            result.append(copy)
        }
        for variant in ingress.lacking1 { add { $0.ingress = variant } }
        for variant in egress.lacking1 { add { $0.egress = variant } }
        if policyTypes.count > 1 {
            for type in [PolicyType.ingress, .egress] { add { $0.policyTypes.remove(type) } }
        }
        if enforcement == .audit { add { $0.enforcement = .enforce } }
        for variant in podSelector.simplifications { add { $0.podSelector = variant } }
        for (index, rule) in ingress.enumerated() {
            for variant in rule.simplifications { add { $0.ingress[index] = variant } }
        }
        for (index, rule) in egress.enumerated() {
            for variant in rule.simplifications { add { $0.egress[index] = variant } }
        }
        return result
    }
}

extension NetworkPolicyRule {
    fileprivate var simplifications: [NetworkPolicyRule] {
        var result = peers.lacking1.map { NetworkPolicyRule(peers: $0, ports: ports) }
        result += ports.lacking1.map { NetworkPolicyRule(peers: peers, ports: $0) }
        for (index, peer) in peers.enumerated() {
            for variant in peer.simplifications {
                var copy = self
                copy.peers[index] = variant
                result.append(copy)
            }
        }
        return result
    }
}

extension NetworkPolicyPeer {
    fileprivate var simplifications: [NetworkPolicyPeer] {
        switch self {
        case .ipBlock(let cidr, let except):
            return except.lacking1.map { .ipBlock(cidr: cidr, except: $0) }
        case .pods(let namespaces, let pods):
            var result: [NetworkPolicyPeer] = []
            if namespaces != nil, pods != nil {
                result = [.pods(namespaces: namespaces, pods: nil), .pods(namespaces: nil, pods: pods)]
            }
            for variant in namespaces?.simplifications ?? [] { result.append(.pods(namespaces: variant, pods: pods)) }
            for variant in pods?.simplifications ?? [] { result.append(.pods(namespaces: namespaces, pods: variant)) }
            return result
        }
    }
}

extension LabelSelector {
    var simplifications: [LabelSelector] {
        var result: [LabelSelector] = []
        for key in matchLabels.keys.sorted() {
            var copy = self
            copy.matchLabels[key] = nil
            result.append(copy)
        }
        for variant in matchExpressions.lacking1 {
            result.append(LabelSelector(matchLabels: matchLabels, matchExpressions: variant))
        }
        for (index, expression) in matchExpressions.enumerated() where expression.values.count > 1 {
            for variant in expression.values.lacking1 {
                var copy = self
                copy.matchExpressions[index].values = variant
                result.append(copy)
            }
        }
        return result
    }
}

extension Pod {
    fileprivate var simplifications: [Pod] {
        var result: [Pod] = []
        func add(_ change: (inout Pod) -> Void) {
            var copy = self
            change(&copy)
            result.append(copy)
        }
        for key in metadata.labels.keys.sorted() { add { $0.metadata.labels[key] = nil } }
        for variant in namedPorts.lacking1 { add { $0.namedPorts = variant } }
        for variant in podIPs.lacking1 { add { $0.podIPs = variant } }
        for variant in hostIPs.lacking1 { add { $0.hostIPs = variant } }
        if phase != .running { add { $0.phase = .running } }
        if serviceAccountName != Pod.defaultServiceAccount {
            add { $0.serviceAccountName = Pod.defaultServiceAccount }
        }
        if hostNetwork { add { $0.hostNetwork = false } }
        if metadata.createdAt != 0 { add { $0.metadata.createdAt = 0 } }
        return result
    }
}
