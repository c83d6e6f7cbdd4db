// SPDX-License-Identifier: Apache-2.0
import Documents
import NetworkTypes

extension TierPolicy {
    /// As the API of its kind writes it. `unknown` parts are lost: only objects from an API server have them.
    var document: DocumentNode {
        var spec: [String: DocumentNode] = ["subject": .object(["pods": subject.document])]
        if kind == .clusterNetworkPolicy { spec["tier"] = .string(tier.rawValue) }
        if kind != .baselineAdminNetworkPolicy { spec["priority"] = .integer(Int64(priority)) }
        spec["ingress"] = .array(ingress.map { $0.document(kind, peers: "from") })
        spec["egress"] = .array(egress.map { $0.document(kind, peers: "to") })
        let version = kind == .clusterNetworkPolicy ? "v1alpha2" : "v1alpha1"
        return .object([
            "apiVersion": .string("policy.networking.k8s.io/\(version)"), "kind": .string(kind.rawValue),
            "metadata": metadata.document(enforcement), "spec": .object(spec),
        ])
    }
}

extension PodSelection {
    fileprivate var document: DocumentNode {
        .object(["namespaceSelector": namespaces.document, "podSelector": pods.document])
    }
}

extension TierRule {
    fileprivate func document(_ kind: TierPolicy.Kind, peers key: String) -> DocumentNode {
        var fields: [String: DocumentNode] = [key: .array(peers.map(\.document))]
        fields["action"] =
            switch action {
            case .accept: .string(kind == .clusterNetworkPolicy ? "Accept" : "Allow")
            case .deny: .string("Deny")
            case .pass: .string("Pass")
            }
        if let name { fields["name"] = .string(name) }
        if let ports {
            let isV1Alpha2 = kind == .clusterNetworkPolicy
            fields[isV1Alpha2 ? "protocols" : "ports"] = .array(
                ports.map { isV1Alpha2 ? $0.protocolDocument : $0.portDocument })
        }
        return .object(fields)
    }
}

extension TierPeer {
    fileprivate var document: DocumentNode {
        switch self {
        case .pods(let selection): .object(["pods": selection.document])
        case .nodes(let selector): .object(["nodes": selector.document])
        case .networks(let networks): .object(["networks": .array(networks.map { .string($0.description) })])
        }
    }
}

extension TierPort {
    /// v1alpha2.
    fileprivate var protocolDocument: DocumentNode {
        switch self {
        case .named(let name): return .object(["destinationNamedPort": .string(name)])
        case .range(let ipProtocol, let range):
            let port: [String: DocumentNode] =
                range.first == range.last
                ? ["number": .integer(Int64(range.first))]
                : ["range": .object(["start": .integer(Int64(range.first)), "end": .integer(Int64(range.last))])]
            return .object([ipProtocol.description.lowercased(): .object(["destinationPort": .object(port)])])
        }
    }

    /// v1alpha1.
    fileprivate var portDocument: DocumentNode {
        switch self {
        case .named(let name): return .object(["namedPort": .string(name)])
        case .range(let ipProtocol, let range):
            let name = DocumentNode.string(ipProtocol.description)
            guard range.first != range.last else {
                return .object(["portNumber": .object(["protocol": name, "port": .integer(Int64(range.first))])])
            }
            return .object([
                "portRange": .object([
                    "protocol": name, "start": .integer(Int64(range.first)), "end": .integer(Int64(range.last)),
                ])
            ])
        }
    }
}
