// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects

extension YAMLLines {
    /// Parts that are not understood are left out: they have no YAML form.
    mutating func add(authorizationPolicy policy: AuthorizationPolicy) {
        add("spec:")
        add("action: \(policy.action.rawValue)", 1)
        if !policy.selector.matchLabels.isEmpty {
            add("selector:", 1)
            add(selector: policy.selector, 2)
        }
        guard !policy.rules.isEmpty else { return }
        add("rules:", 1)
        for rule in policy.rules { add(rule: rule) }
    }

    private mutating func add(rule: AuthorizationRule) {
        guard rule.sources != nil || rule.operations != nil || !rule.conditions.isEmpty else { return add("- {}", 1) }
        add("-", 1)
        if let sources = rule.sources {
            add("from:", 2)
            for source in sources { add(part: "source", source.lists) }
        }
        if let operations = rule.operations {
            add("to:", 2)
            for operation in operations { add(part: "operation", operation.lists) }
        }
        guard !rule.conditions.isEmpty else { return }
        add("when:", 2)
        for condition in rule.conditions {
            add("- key: \(quoted(condition.key.name))", 2)
            if !condition.values.isEmpty { add("values: \(list(condition.values))", 3) }
            if !condition.notValues.isEmpty { add("notValues: \(list(condition.notValues))", 3) }
        }
    }

    private mutating func add(part: String, _ lists: [(String, [String])]) {
        add("- \(part):", 2)
        for (field, values) in lists where !values.isEmpty { add("\(field): \(list(values))", 4) }
    }
}

extension AuthorizationSource {
    fileprivate var lists: [(String, [String])] {
        [
            ("principals", principals), ("notPrincipals", notPrincipals), ("namespaces", namespaces),
            ("notNamespaces", notNamespaces), ("serviceAccounts", serviceAccounts),
            ("notServiceAccounts", notServiceAccounts), ("ipBlocks", ipBlocks.map(\.description)),
            ("notIpBlocks", notIpBlocks.map(\.description)),
        ]
    }
}

extension AuthorizationOperation {
    fileprivate var lists: [(String, [String])] {
        [
            ("ports", ports.map { "\($0)" }), ("notPorts", notPorts.map { "\($0)" }), ("hosts", hosts),
            ("notHosts", notHosts), ("methods", methods), ("notMethods", notMethods), ("paths", paths),
            ("notPaths", notPaths),
        ]
    }
}
