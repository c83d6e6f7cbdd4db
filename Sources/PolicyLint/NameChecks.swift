// SPDX-License-Identifier: Apache-2.0
import Documents
import Findings
import KubernetesObjects
import NetworkTypes
import PolicyModel

/// Checks of what applications need besides the peers that a policy names: DNS, and protocols other than TCP.
struct NameChecks {
    private let policies: [Policy]
    private let world: LintWorld

    init(_ policies: [Policy], _ world: LintWorld) {
        self.policies = policies
        self.world = world
    }

    func findings(of objects: [PolicyReference: LintObject]) -> [Finding] {
        policies.compactMap { policy in
            guard let object = objects[policy.reference] else { return nil }
            return withoutDNS(policy, object) ?? onlyTCP(policy, object)
        }
    }

    /// The labels of pods that a policy selects: those that are known, or one that has just what it demands.
    private func pods(of policy: Policy) -> [(namespace: String, labels: [String: String])] {
        let known = world.pods(of: policy.subject).map { ($0.namespace, $0.labels) }
        guard known.isEmpty else { return known }
        var witnesses = LabelWitnesses([])
        let labels = witnesses.sets(policy.subject.pods).prefix(1)
        return world.namespaces(in: policy.subject.namespaces).prefix(1).flatMap { name in labels.map { (name, $0) } }
    }

    private func selects(_ policy: Policy, _ pod: (namespace: String, labels: [String: String])) -> Bool {
        let isInScope =
            switch policy.subject.namespaces {
            case .named(let name): name == pod.namespace
            case .selector(let selector): selector.selects(world.namespaces[pod.namespace] ?? [:])
            }
        return isInScope && policy.subject.pods.selects(pod.labels)
    }

    // MARK: DNS

    private func withoutDNS(_ policy: Policy, _ object: LintObject) -> Finding? {
        guard policy.isolates.contains(.egress), policy.egress.contains(where: \.namesPods) else { return nil }
        let isKnown = !world.pods(of: policy.subject).isEmpty
        for pod in pods(of: policy) {
            let helping = policies.filter { other in
                // If no pods are known, any policy of the namespace may select some.
                selects(other, pod) || (!isKnown && other.subject.namespaces == policy.subject.namespaces)
            }
            guard !helping.flatMap(\.egress).contains(where: \.allowsDNS) else { continue }
            return object.finding(
                .egressWithoutDNS,
                "The policy allows egress to some peers, but neither it nor another policy of these pods allows "
                    + "DNS (port 53).",
                at: .of(.field("spec"), .field("egress")),
                fix:
                    "Allow UDP and TCP port 53 to the cluster's DNS, for example to pods k8s-app=kube-dns of namespace "
                    + "kube-system.")
        }
        return nil
    }

    // MARK: Authorization

    private func onlyTCP(_ policy: Policy, _ object: LintObject) -> Finding? {
        guard policy.layer == .authorization else { return nil }
        let isPrecise = policy.ingress.contains { $0.request != nil || $0.ports != [.range(ProtocolPorts(.tcp, .all))] }
        guard !isPrecise else { return nil }
        let isOpen = pods(of: policy).contains { pod in
            !policies.contains { other in
                other.layer != .authorization && selects(other, pod)
                    && (other.isolates.contains(.ingress) || other.ingress.contains { $0.action == .deny })
            }
        }
        guard isOpen else { return nil }
        return object.finding(
            .authorizationOnlyTCP,
            "The policy reads as if it protected the pods as a whole. It is about TCP: UDP, SCTP and ICMP to these pods "
                + "pass, because no NetworkPolicy restricts their ingress.",
            at: .of(.field("spec")), fix: "Add a NetworkPolicy that restricts ingress of these pods.")
    }
}

extension PolicyRule {
    /// Whether it allows traffic to peers that applications know by name.
    fileprivate var namesPods: Bool {
        guard action == .allow else { return false }
        guard let peers else { return ports != nil }
        return peers.contains { if case .pods = $0 { true } else { false } }
    }

    fileprivate var allowsDNS: Bool {
        guard action == .allow else { return false }
        guard let ports else { return peers?.contains(where: \.mayBeDNS) ?? true }
        return ports.contains { port in
            switch port {
            case .range(let range) where range.range == .all: peers?.contains(where: \.mayBeDNS) ?? true
            case .range(let range):
                range.range.contains(53) || Self.alternatives.contains { range.range == PortRange($0) }
            case .named(let name, _): name.hasPrefix("dns") || name == "domain"
            }
        }
    }

    /// The container ports of DNS servers: policy judges packets after a Service's address was replaced.
    private static let alternatives: [UInt16] = [5353, 1053, 8053]
}

extension PolicyPeer {
    private static let nameServers = ["kube-system", "openshift-dns"]

    /// Whether a rule for all ports of this peer may be what allows DNS: pods of one namespace are not, unless it is
    /// that of the name servers.
    fileprivate var mayBeDNS: Bool {
        guard case .pods(let subject) = self else { return true }
        switch subject.namespaces {
        case .named(let name): return Self.nameServers.contains(name)
        case .selector(let selector):
            let byName = selector.requirements.filter { $0.key == Namespace.nameLabel }
            return Self.nameServers.contains { name in
                byName.allSatisfy { $0.holds(for: [Namespace.nameLabel: name]) }
            }
        }
    }
}
