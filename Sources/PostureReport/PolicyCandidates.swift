// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import NetworkTypes
import PolicyModel
import Reachability

/// Policies that may close a finding, the most portable first. The engine decides whether one does.
struct PolicyCandidates {
    let code: PostureCode
    let workload: WorkloadKey
    /// Select exactly the workload's pods.
    let labels: [String: String]
    let scope: ReachScope
    let controlPlaneLabel: String?

    var objects: [KubernetesObject] {
        switch code {
        case .metadata: [allButMetadata, tier(egress: [deny([.networks(Self.metadata)], nil)])]
        case .etcd, .apiServer: controlPlaneLabel.map { [toNodes(having: $0)] } ?? []
        case .kubelet, .nodePorts: [toNodes(having: nil)]
        case .dataFromOutside: [authorization { $0.notNamespaces = ["*"] }]
        case .dataFromNamespaces: [fromNamespaces]
        case .ingressOpen: [isolation(.ingress)]
        case .egressOpen: [isolation(.egress)]
        case .hostNetwork, .selectsNothing, .auditOnly: []
        }
    }

    private var name: String { SuggestedName.of(code, workload) }
    private var home: ObjectMeta { ObjectMeta(name: name, namespace: workload.namespace) }
    private var selector: LabelSelector { LabelSelector(matchLabels: labels) }
    private static let metadata = PostureTargets.metadata.map { CIDR($0, prefixLength: $0.family == .ipv4 ? 32 : 128) }
    private static let everything = [
        CIDR(IPAddress(v4: 0), prefixLength: 0), CIDR(IPAddress(v6High: 0, low: 0), prefixLength: 0),
    ]

    // MARK: NetworkPolicy

    private func isolation(_ direction: Direction) -> KubernetesObject {
        let dns = [IPProtocol.udp, .tcp].map { NetworkPolicyPort(ipProtocol: $0, port: .range(PortRange(53))) }
        return .networkPolicy(
            NetworkPolicy(
                metadata: home, podSelector: selector, policyTypes: [direction == .ingress ? .ingress : .egress],
                egress: direction == .egress ? [NetworkPolicyRule(ports: dns)] : []))
    }

    /// Every address but those of the metadata service: exact for pods without any other policy for egress.
    private var allButMetadata: KubernetesObject {
        let peers = zip(Self.everything, Self.metadata).map { NetworkPolicyPeer.ipBlock(cidr: $0, except: [$1]) }
        return .networkPolicy(
            NetworkPolicy(
                metadata: home, podSelector: selector, policyTypes: [.egress],
                egress: [NetworkPolicyRule(peers: peers)]))
    }

    // MARK: ClusterNetworkPolicy

    private func tier(ingress: [TierRule] = [], egress: [TierRule] = []) -> KubernetesObject {
        let namespace = LabelSelector(matchLabels: [Namespace.nameLabel: workload.namespace])
        return .tierPolicy(
            TierPolicy(
                metadata: ObjectMeta(name: name), tier: .admin, priority: 0,
                subject: PodSelection(namespaces: namespace, pods: selector), ingress: ingress, egress: egress))
    }

    private func deny(_ peers: [TierPeer], _ ports: [TierPort]?) -> TierRule {
        TierRule(action: .deny, peers: peers, ports: ports)
    }

    private var tierPorts: [TierPort] {
        scope.ports.compactMap { if case .ports(let ports) = $0 { .range(ports.ipProtocol, ports.range) } else { nil } }
    }

    private func toNodes(having label: String?) -> KubernetesObject {
        let nodes = LabelSelector(
            matchExpressions: label.map { [LabelRequirement(key: $0, operator: .exists)] } ?? [])
        return tier(egress: [deny([.nodes(nodes)], tierPorts)])
    }

    private var fromNamespaces: KubernetesObject {
        let others = LabelSelector(
            matchExpressions: [
                LabelRequirement(key: Namespace.nameLabel, operator: .notIn, values: [workload.namespace])
            ])
        return tier(ingress: [deny([.pods(PodSelection(namespaces: others))], tierPorts)])
    }

    // MARK: AuthorizationPolicy

    private func authorization(_ set: (inout AuthorizationSource) -> Void) -> KubernetesObject {
        var source = AuthorizationSource()
        set(&source)
        var operation = AuthorizationOperation()
        operation.ports = scope.ports.compactMap { span in
            if case .ports(let ports) = span { ports.range.first } else { nil }
        }
        return .authorizationPolicy(
            AuthorizationPolicy(
                metadata: home, selector: selector, action: .deny,
                rules: [AuthorizationRule(sources: [source], operations: [operation])]))
    }
}
