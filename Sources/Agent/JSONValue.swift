// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import NetworkTypes
import PolicyModel

/// JSON of any shape.
enum JSONValue: Codable, Sendable, Hashable {
    case object([String: JSONValue])
    case array([JSONValue])
    case string(String)
    case integer(Int64)
    case bool(Bool)

    init(from decoder: any Decoder) throws {
        let value = try decoder.singleValueContainer()
        if let text = try? value.decode(String.self) {
            self = .string(text)
        } else if let flag = try? value.decode(Bool.self) {
            self = .bool(flag)
        } else if let number = try? value.decode(Int64.self) {
            self = .integer(number)
        } else if let list = try? value.decode([JSONValue].self) {
            self = .array(list)
        } else {
            self = .object(try value.decode([String: JSONValue].self))
        }
    }

    func encode(to encoder: any Encoder) throws {
        var value = encoder.singleValueContainer()
        switch self {
        case .object(let fields): try value.encode(fields)
        case .array(let items): try value.encode(items)
        case .string(let text): try value.encode(text)
        case .integer(let number): try value.encode(number)
        case .bool(let flag): try value.encode(flag)
        }
    }
}

extension KubernetesObject {
    /// The object as the Kubernetes API writes it, as far as we read it: decoding gives it back.
    var json: JSONValue {
        switch self {
        case .pod(let pod):
            .object([
                "apiVersion": .string("v1"), "kind": .string("Pod"), "metadata": metadata.json, "spec": pod.spec,
                "status": pod.status,
            ])
        case .namespace:
            .object(["apiVersion": .string("v1"), "kind": .string("Namespace"), "metadata": metadata.json])
        case .node(let node):
            .object([
                "apiVersion": .string("v1"), "kind": .string("Node"), "metadata": metadata.json,
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
                "metadata": metadata.json(policy.enforcement), "spec": policy.spec,
            ])
        case .tierPolicy(let policy): policy.json
        }
    }
}

extension ObjectMeta {
    var json: JSONValue { json(.enforce) }

    /// With the annotation of a policy.
    func json(_ enforcement: Enforcement) -> JSONValue {
        var fields: [String: JSONValue] = ["name": .string(name), "labels": .object(labels.mapValues { .string($0) })]
        if !namespace.isEmpty { fields["namespace"] = .string(namespace) }
        if !uid.isEmpty { fields["uid"] = .string(uid) }
        if createdAt != 0 {
            fields["creationTimestamp"] = .string(RFC3339.text(seconds: Int(createdAt), milliseconds: 0))
        }
        if enforcement != .enforce {
            fields["annotations"] = .object([Enforcement.annotation: .string(enforcement.rawValue)])
        }
        return .object(fields)
    }
}

extension Pod {
    fileprivate var spec: JSONValue {
        let ports = namedPorts.map { port in
            JSONValue.object([
                "name": .string(port.name), "protocol": .string(port.ipProtocol.description),
                "containerPort": .integer(Int64(port.number)),
            ])
        }
        var fields: [String: JSONValue] = [
            "hostNetwork": .bool(hostNetwork),
            "containers": .array([.object(["name": .string("ports"), "ports": .array(ports)])]),
        ]
        if !nodeName.isEmpty { fields["nodeName"] = .string(nodeName) }
        return .object(fields)
    }

    fileprivate var status: JSONValue {
        func list(_ addresses: [IPAddress]) -> JSONValue {
            .array(addresses.map { .object(["ip": .string($0.description)]) })
        }
        return .object([
            "phase": .string(phase.rawValue), "podIPs": list(podIPs), "hostIPs": list(hostIPs),
        ])
    }
}

extension LabelSelector {
    var json: JSONValue {
        .object([
            "matchLabels": .object(matchLabels.mapValues { .string($0) }),
            "matchExpressions": .array(
                matchExpressions.map { requirement in
                    var fields: [String: JSONValue] = [
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
    fileprivate var spec: JSONValue {
        .object([
            "podSelector": podSelector.json,
            "policyTypes": .array(policyTypes.map(\.rawValue).sorted().map { .string($0) }),
            "ingress": .array(ingress.map { $0.json(peers: "from") }),
            "egress": .array(egress.map { $0.json(peers: "to") }),
        ])
    }
}

extension NetworkPolicyRule {
    fileprivate func json(peers key: String) -> JSONValue {
        .object([key: .array(peers.map(\.json)), "ports": .array(ports.map(\.json))])
    }
}

extension NetworkPolicyPeer {
    fileprivate var json: JSONValue {
        switch self {
        case .pods(let namespaces, let pods):
            var fields: [String: JSONValue] = [:]
            fields["namespaceSelector"] = namespaces?.json
            fields["podSelector"] = pods?.json
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
    fileprivate var json: JSONValue {
        var fields: [String: JSONValue] = ["protocol": .string(ipProtocol.description)]
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
