// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import NetworkTypes
import PolicyModel

extension YAMLLines {
    /// Unknown parts of rules are left out: they have no YAML form.
    mutating func add(tierPolicy policy: TierPolicy) {
        add("spec:")
        if policy.kind == .clusterNetworkPolicy { add("tier: \(policy.tier.rawValue)", 1) }
        if policy.kind != .baselineAdminNetworkPolicy { add("priority: \(policy.priority)", 1) }
        add("subject:", 1)
        add(selection: policy.subject, "", 2)
        for (field, peers, rules) in [("ingress", "from", policy.ingress), ("egress", "to", policy.egress)]
        where !rules.isEmpty {
            add("\(field):", 1)
            for rule in rules { add(tierRule: rule, peers, policy.kind) }
        }
    }

    private mutating func add(tierRule rule: TierRule, _ field: String, _ kind: TierPolicy.Kind) {
        add("- action: \(word(rule.action, kind))", 1)
        if let name = rule.name { add("name: \(quoted(name))", 2) }
        add("\(field):", 2)
        for peer in rule.peers {
            switch peer {
            case .pods(let selection): add(selection: selection, "- ", 2)
            case .nodes(let selector):
                add("- nodes:", 2)
                add(selector: selector, 4)
            case .networks(let networks): add("- networks: \(list(networks.map(\.description)))", 2)
            }
        }
        guard let ports = rule.ports else { return }
        add(kind == .clusterNetworkPolicy ? "protocols:" : "ports:", 2)
        for port in ports { add("- \(kind == .clusterNetworkPolicy ? protocolText(port) : portText(port))", 2) }
    }

    private func word(_ action: TierRule.Action, _ kind: TierPolicy.Kind) -> String {
        switch action {
        case .accept: kind == .clusterNetworkPolicy ? "Accept" : "Allow"
        case .deny: "Deny"
        case .pass: "Pass"
        }
    }

    private mutating func add(selection: PodSelection, _ bullet: String, _ depth: Int) {
        let inner = bullet.isEmpty ? depth + 1 : depth + 2
        if selection.pods == LabelSelector() {
            add("\(bullet)namespaces:", depth)
            add(selector: selection.namespaces, inner)
            return
        }
        add("\(bullet)pods:", depth)
        add("namespaceSelector:", inner)
        add(selector: selection.namespaces, inner + 1)
        add("podSelector:", inner)
        add(selector: selection.pods, inner + 1)
    }

    /// v1alpha2.
    private func protocolText(_ port: TierPort) -> String {
        switch port {
        case .named(let name): return "destinationNamedPort: \(quoted(name))"
        case .range(let ipProtocol, let range):
            let numbers =
                range.first == range.last
                ? "number: \(range.first)" : "range: {start: \(range.first), end: \(range.last)}"
            return "\("\(ipProtocol)".lowercased()): {destinationPort: {\(numbers)}}"
        }
    }

    /// v1alpha1.
    private func portText(_ port: TierPort) -> String {
        switch port {
        case .named(let name): "namedPort: \(quoted(name))"
        case .range(let ipProtocol, let range):
            range.first == range.last
                ? "portNumber: {protocol: \(ipProtocol), port: \(range.first)}"
                : "portRange: {protocol: \(ipProtocol), start: \(range.first), end: \(range.last)}"
        }
    }
}
