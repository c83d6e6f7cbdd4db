// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects

extension AuthorizationPolicy {
    var simplifications: [AuthorizationPolicy] {
        var result: [AuthorizationPolicy] = []
        func add(_ change: (inout AuthorizationPolicy) -> Void) {
            var copy = self
            change(&copy)
            result.append(copy)
        }
        if action == .allow || rules.count > 1 { for variant in rules.lacking1 { add { $0.rules = variant } } }
        for variant in selector.simplifications { add { $0.selector = variant } }
        if enforcement == .audit { add { $0.enforcement = .enforce } }
        if !unknown.isEmpty { add { $0.unknown = [] } }
        for (index, rule) in rules.enumerated() {
            for variant in rule.simplifications { add { $0.rules[index] = variant } }
        }
        return result
    }
}

extension AuthorizationRule {
    fileprivate var simplifications: [AuthorizationRule] {
        var result: [AuthorizationRule] = []
        func add(_ change: (inout AuthorizationRule) -> Void) {
            var copy = self
            change(&copy)
            result.append(copy)
        }
        if !unknown.isEmpty { add { $0.unknown = [] } }
        for variant in conditions.lacking1 { add { $0.conditions = variant } }
        if let sources {
            add { $0.sources = nil }
            if sources.count > 1 { for variant in sources.lacking1 { add { $0.sources = variant } } }
            for (index, source) in sources.enumerated() {
                for variant in source.simplifications { add { $0.sources?[index] = variant } }
            }
        }
        if let operations {
            add { $0.operations = nil }
            if operations.count > 1 { for variant in operations.lacking1 { add { $0.operations = variant } } }
            for (index, operation) in operations.enumerated() {
                for variant in operation.simplifications { add { $0.operations?[index] = variant } }
            }
        }
        for (index, condition) in conditions.enumerated() {
            for variant in condition.simplifications { add { $0.conditions[index] = variant } }
        }
        return result
    }
}

extension AuthorizationSource {
    /// One value less; the last of all stays, because a source is never empty.
    fileprivate var simplifications: [AuthorizationSource] {
        var result: [AuthorizationSource] = []
        let texts: [WritableKeyPath<AuthorizationSource, [String]>] = [
            \.principals, \.notPrincipals, \.namespaces, \.notNamespaces, \.serviceAccounts, \.notServiceAccounts,
        ]
        for list in texts {
            for variant in self[keyPath: list].lacking1 { result.append(with { $0[keyPath: list] = variant }) }
        }
        for variant in ipBlocks.lacking1 { result.append(with { $0.ipBlocks = variant }) }
        for variant in notIpBlocks.lacking1 { result.append(with { $0.notIpBlocks = variant }) }
        if !unknown.isEmpty { result.append(with { $0.unknown = [] }) }
        return result.filter { $0.with { $0.unknown = [] } != AuthorizationSource() }
    }
}

extension AuthorizationOperation {
    /// One value less; the last of all stays, because an operation is never empty.
    fileprivate var simplifications: [AuthorizationOperation] {
        var result: [AuthorizationOperation] = []
        let texts: [WritableKeyPath<AuthorizationOperation, [String]>] = [
            \.hosts, \.notHosts, \.methods, \.notMethods, \.paths, \.notPaths,
        ]
        for list in texts {
            for variant in self[keyPath: list].lacking1 { result.append(with { $0[keyPath: list] = variant }) }
        }
        for variant in ports.lacking1 { result.append(with { $0.ports = variant }) }
        for variant in notPorts.lacking1 { result.append(with { $0.notPorts = variant }) }
        if !unknown.isEmpty { result.append(with { $0.unknown = [] }) }
        return result.filter { $0.with { $0.unknown = [] } != AuthorizationOperation() }
    }
}

extension AuthorizationCondition {
    fileprivate var simplifications: [AuthorizationCondition] {
        guard values.count + notValues.count > 1 else { return [] }
        return values.lacking1.map { AuthorizationCondition(key: key, values: $0, notValues: notValues) }
            + notValues.lacking1.map { AuthorizationCondition(key: key, values: values, notValues: $0) }
    }
}
