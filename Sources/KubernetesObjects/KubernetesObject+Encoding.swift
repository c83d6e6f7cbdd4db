// SPDX-License-Identifier: Apache-2.0
import Documents
import NetworkTypes
import PolicyModel

extension KubernetesObject {
    /// The object as the Kubernetes API writes it, as far as we read it: decoding gives it back.
    public var document: DocumentNode {
        switch self {
        case .pod(let pod):
            .object([
                "apiVersion": .string("v1"), "kind": .string("Pod"), "metadata": metadata.document, "spec": pod.spec,
                "status": pod.status,
            ])
        case .namespace:
            .object(["apiVersion": .string("v1"), "kind": .string("Namespace"), "metadata": metadata.document])
        case .node(let node):
            .object([
                "apiVersion": .string("v1"), "kind": .string("Node"), "metadata": metadata.document,
                "status": .object([
                    "addresses": .array(
                        node.addresses.map {
                            .object(["type": .string("InternalIP"), "address": .string($0.description)])
                        })
                ]),
            ])
        case .networkPolicy(let policy):
            .object([
                "apiVersion": .string("networking.k8s.io/v1"), "kind": .string("NetworkPolicy"),
                "metadata": metadata.document(policy.enforcement), "spec": policy.spec,
            ])
        case .tierPolicy(let policy): policy.document
        case .authorizationPolicy(let policy): policy.document
        }
    }
}

extension ObjectMeta {
    var document: DocumentNode { document(.enforce) }

    /// With the annotation of a policy.
    func document(_ enforcement: Enforcement) -> DocumentNode {
        var fields: [String: DocumentNode] = [
            "name": .string(name), "labels": .object(labels.mapValues { .string($0) }),
        ]
        if !namespace.isEmpty { fields["namespace"] = .string(namespace) }
        if !uid.isEmpty { fields["uid"] = .string(uid) }
        if createdAt != 0 {
            fields["creationTimestamp"] = .string(Timestamp.text(seconds: createdAt, milliseconds: 0))
        }
        if enforcement != .enforce {
            fields["annotations"] = .object([Enforcement.annotation: .string(enforcement.rawValue)])
        }
        return .object(fields)
    }
}

extension Pod {
    fileprivate var spec: DocumentNode {
        let ports = namedPorts.map { port in
            DocumentNode.object([
                "name": .string(port.name), "protocol": .string(port.ipProtocol.description),
                "containerPort": .integer(Int64(port.number)),
            ])
        }
        var fields: [String: DocumentNode] = [
            "hostNetwork": .bool(hostNetwork),
            "containers": .array([.object(["name": .string("ports"), "ports": .array(ports)])]),
        ]
        if !nodeName.isEmpty { fields["nodeName"] = .string(nodeName) }
        if serviceAccountName != Pod.defaultServiceAccount {
            fields["serviceAccountName"] = .string(serviceAccountName)
        }
        return .object(fields)
    }

    fileprivate var status: DocumentNode {
        func list(_ addresses: [IPAddress]) -> DocumentNode {
            .array(addresses.map { .object(["ip": .string($0.description)]) })
        }
        return .object([
            "phase": .string(phase.rawValue), "podIPs": list(podIPs), "hostIPs": list(hostIPs),
        ])
    }
}

extension LabelSelector {
    var document: DocumentNode {
        .object([
            "matchLabels": .object(matchLabels.mapValues { .string($0) }),
            "matchExpressions": .array(
                matchExpressions.map { requirement in
                    var fields: [String: DocumentNode] = [
                        "key": .string(requirement.key), "operator": .string(requirement.operator.rawValue),
                    ]
                    if !requirement.values.isEmpty {
                        fields["values"] = .array(requirement.values.map { .string($0) })
                    }
                    return .object(fields)
                }),
        ])
    }
}

extension NetworkPolicy {
    fileprivate var spec: DocumentNode {
        .object([
            "podSelector": podSelector.document,
            "policyTypes": .array(policyTypes.map(\.rawValue).sorted().map { .string($0) }),
            "ingress": .array(ingress.map { $0.document(peers: "from") }),
            "egress": .array(egress.map { $0.document(peers: "to") }),
        ])
    }
}

extension NetworkPolicyRule {
    fileprivate func document(peers key: String) -> DocumentNode {
        .object([key: .array(peers.map(\.document)), "ports": .array(ports.map(\.document))])
    }
}

extension NetworkPolicyPeer {
    fileprivate var document: DocumentNode {
        switch self {
        case .pods(let namespaces, let pods):
            var fields: [String: DocumentNode] = [:]
            fields["namespaceSelector"] = namespaces?.document
            fields["podSelector"] = pods?.document
            return .object(fields)
        case .ipBlock(let cidr, let except):
            return .object([
                "ipBlock": .object([
                    "cidr": .string(cidr.description), "except": .array(except.map { .string($0.description) }),
                ])
            ])
        }
    }
}

extension NetworkPolicyPort {
    fileprivate var document: DocumentNode {
        var fields: [String: DocumentNode] = ["protocol": .string(ipProtocol.description)]
        switch port {
        case .any: break
        case .named(let name): fields["port"] = .string(name)
        case .range(let range):
            fields["port"] = .integer(Int64(range.first))
            if range.last != range.first { fields["endPort"] = .integer(Int64(range.last)) }
        }
        return .object(fields)
    }
}
