// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import NetworkTypes
import PolicyOracle

extension TierPolicy {
    var simplifications: [TierPolicy] {
        var result: [TierPolicy] = []
        func add(_ change: (inout TierPolicy) -> Void) {
            var copy = self
            change(&copy)
            result.append(copy)
        }
        for variant in ingress.lacking1 { add { $0.ingress = variant } }
        for variant in egress.lacking1 { add { $0.egress = variant } }
        for variant in subject.simplifications { add { $0.subject = variant } }
        for (index, rule) in ingress.enumerated() {
            for variant in rule.simplifications { add { $0.ingress[index] = variant } }
        }
        for (index, rule) in egress.enumerated() {
            for variant in rule.simplifications { add { $0.egress[index] = variant } }
        }
        if enforcement == .audit { add { $0.enforcement = .enforce } }
        return result
    }
}

extension TierRule {
    /// A rule keeps one peer and one port, as the API wants it.
    fileprivate var simplifications: [TierRule] {
        var result: [TierRule] = []
        func add(_ change: (inout TierRule) -> Void) {
            var copy = self
            change(&copy)
            result.append(copy)
        }
        if name != nil { add { $0.name = nil } }
        if !unknown.isEmpty { add { $0.unknown = [] } }
        if peers.count > 1 { for variant in peers.lacking1 { add { $0.peers = variant } } }
        if let ports {
            add { $0.ports = nil }
            if ports.count > 1 { for variant in ports.lacking1 { add { $0.ports = variant } } }
        }
        for (index, peer) in peers.enumerated() {
            for variant in peer.simplifications { add { $0.peers[index] = variant } }
        }
        return result
    }
}

extension TierPeer {
    fileprivate var simplifications: [TierPeer] {
        switch self {
        case .pods(let selection): selection.simplifications.map { .pods($0) }
        case .nodes(let selector): selector.simplifications.map { .nodes($0) }
        case .networks(let networks): networks.count > 1 ? networks.lacking1.map { .networks($0) } : []
        }
    }
}

extension PodSelection {
    fileprivate var simplifications: [PodSelection] {
        namespaces.simplifications.map { PodSelection(namespaces: $0, pods: pods) }
            + pods.simplifications.map { PodSelection(namespaces: namespaces, pods: $0) }
    }
}

extension OracleSettings {
    var simplifications: [OracleSettings] {
        var result: [OracleSettings] = []
        func add(_ change: (inout OracleSettings) -> Void) {
            var copy = self
            change(&copy)
            result.append(copy)
        }
        for variant in localAddresses.lacking1 { add { $0.localAddresses = variant } }
        for variant in nodeDNS.lacking1 { add { $0.nodeDNS = variant } }
        if enforcesNetworkPolicyOnOwnNode { add { $0.enforcesNetworkPolicyOnOwnNode = false } }
        return result
    }
}
