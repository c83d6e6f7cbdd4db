// SPDX-License-Identifier: Apache-2.0
import Documents
import NetworkTypes

extension AuthorizationPolicy {
    /// As Istio's API writes it. Only unknown fields are lost, which objects from an API server alone have.
    var document: DocumentNode {
        var spec: [String: DocumentNode] = ["action": .string(action.rawValue)]
        if !selector.matchLabels.isEmpty {
            spec["selector"] = .object(["matchLabels": .object(selector.matchLabels.mapValues { .string($0) })])
        }
        if !targets.isEmpty { spec["targetRefs"] = .array(targets.map(\.document)) }
        if !rules.isEmpty { spec["rules"] = .array(rules.map(\.document)) }
        return .object([
            "apiVersion": .string(ObjectKind.authorizationPolicy.apiVersion),
            "kind": .string(ObjectKind.authorizationPolicy.rawValue), "metadata": metadata.document(enforcement),
            "spec": .object(spec),
        ])
    }
}

extension AuthorizationTarget {
    fileprivate var document: DocumentNode {
        .object(["group": .string(group), "kind": .string(kind), "name": .string(name)])
    }
}

extension AuthorizationRule {
    fileprivate var document: DocumentNode {
        var fields: [String: DocumentNode] = [:]
        if let sources { fields["from"] = .array(sources.map { .object(["source": $0.document]) }) }
        if let operations { fields["to"] = .array(operations.map { .object(["operation": $0.document]) }) }
        if !conditions.isEmpty { fields["when"] = .array(conditions.map(\.document)) }
        return .object(fields)
    }
}

extension AuthorizationSource {
    fileprivate var document: DocumentNode {
        .lists([
            "principals": principals, "notPrincipals": notPrincipals, "namespaces": namespaces,
            "notNamespaces": notNamespaces, "serviceAccounts": serviceAccounts,
            "notServiceAccounts": notServiceAccounts, "ipBlocks": ipBlocks.map(\.description),
            "notIpBlocks": notIpBlocks.map(\.description), "requestPrincipals": requestPrincipals,
            "notRequestPrincipals": notRequestPrincipals, "remoteIpBlocks": remoteIpBlocks,
            "notRemoteIpBlocks": notRemoteIpBlocks,
        ])
    }
}

extension AuthorizationOperation {
    fileprivate var document: DocumentNode {
        .lists([
            "ports": ports.map { "\($0)" }, "notPorts": notPorts.map { "\($0)" }, "hosts": hosts, "notHosts": notHosts,
            "methods": methods, "notMethods": notMethods, "paths": paths, "notPaths": notPaths,
        ])
    }
}

extension AuthorizationCondition {
    fileprivate var document: DocumentNode {
        var fields: [String: DocumentNode] = ["key": .string(key.name)]
        for (field, list) in [("values", values), ("notValues", notValues)] where !list.isEmpty {
            fields[field] = .array(list.map { .string($0) })
        }
        return .object(fields)
    }
}

extension DocumentNode {
    /// The lists that are not empty.
    fileprivate static func lists(_ fields: [String: [String]]) -> DocumentNode {
        .object(fields.filter { !$0.value.isEmpty }.mapValues { .array($0.map { .string($0) }) })
    }
}
