// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects

/// Which fields of a message are read, and how JSON writes them.
struct MessageSchema: Sendable {
    indirect enum Value: Sendable {
        case text
        case flag
        case integer
        /// `map<string, string>`.
        case textMap
        /// intstr.IntOrString: JSON writes a number or a string.
        case integerOrText
        case message(MessageSchema)
    }

    struct Field: Sendable {
        var number: UInt32
        var name: String
        var value: Value
        var isRepeated = false
        /// A text that JSON leaves out if empty (`omitempty` of a field that is not a pointer).
        var omitsEmpty = false

        static func text(_ number: UInt32, _ name: String) -> Field { Field(number: number, name: name, value: .text) }

        static func optionalText(_ number: UInt32, _ name: String) -> Field {
            Field(number: number, name: name, value: .text, omitsEmpty: true)
        }

        static func texts(_ number: UInt32, _ name: String) -> Field {
            Field(number: number, name: name, value: .text, isRepeated: true)
        }

        static func message(_ number: UInt32, _ name: String, _ schema: MessageSchema) -> Field {
            Field(number: number, name: name, value: .message(schema))
        }

        static func messages(_ number: UInt32, _ name: String, _ schema: MessageSchema) -> Field {
            Field(number: number, name: name, value: .message(schema), isRepeated: true)
        }
    }

    var fields: [Field]
    /// Whether other fields are passed to decoding, which refuses them: in a policy they may narrow what it allows.
    var tellsUnknown = false
}

extension MessageSchema {
    /// Nil for the kinds of custom resources, which are served only as JSON.
    static func of(_ kind: ObjectKind) -> MessageSchema? {
        switch kind {
        case .pod: pod
        case .namespace: MessageSchema(fields: [.message(1, "metadata", metadata)])
        case .node: node
        case .networkPolicy: networkPolicy
        case .clusterNetworkPolicy, .adminNetworkPolicy, .baselineAdminNetworkPolicy, .authorizationPolicy: nil
        }
    }

    // Field numbers are from generated.proto of k8s.io/apimachinery, k8s.io/api/core/v1 and k8s.io/api/networking/v1,
    // release 1.36; a number never changes its meaning. ObjectStamp reads creationTimestamp.

    private static let metadata = MessageSchema(fields: [
        .optionalText(1, "name"), .optionalText(3, "namespace"), .optionalText(5, "uid"),
        Field(number: 11, name: "labels", value: .textMap),
    ])

    /// Annotations say how a policy is enforced, and of which static pod a pod is the mirror.
    private static let annotated = MessageSchema(
        fields: metadata.fields + [Field(number: 12, name: "annotations", value: .textMap)])

    private static let pod: MessageSchema = {
        let port = MessageSchema(fields: [
            .optionalText(1, "name"), Field(number: 3, name: "containerPort", value: .integer),
            .optionalText(4, "protocol"),
        ])
        let container = MessageSchema(fields: [.messages(6, "ports", port), .text(24, "restartPolicy")])
        let spec = MessageSchema(fields: [
            .messages(2, "containers", container), .optionalText(8, "serviceAccountName"),
            .optionalText(10, "nodeName"), Field(number: 11, name: "hostNetwork", value: .flag),
            .messages(20, "initContainers", container),
        ])
        let address = MessageSchema(fields: [.text(1, "ip")])
        let status = MessageSchema(fields: [
            .optionalText(1, "phase"), .optionalText(5, "hostIP"), .optionalText(6, "podIP"),
            .messages(12, "podIPs", address), .messages(16, "hostIPs", address),
        ])
        return MessageSchema(fields: [
            .message(1, "metadata", annotated), .message(2, "spec", spec), .message(3, "status", status),
        ])
    }()

    private static let node: MessageSchema = {
        let address = MessageSchema(fields: [.text(1, "type"), .text(2, "address")])
        let status = MessageSchema(fields: [.messages(5, "addresses", address)])
        return MessageSchema(fields: [.message(1, "metadata", metadata), .message(3, "status", status)])
    }()

    private static let networkPolicy: MessageSchema = {
        let requirement = MessageSchema(
            fields: [.text(1, "key"), .text(2, "operator"), .texts(3, "values")], tellsUnknown: true)
        let selector = MessageSchema(
            fields: [
                Field(number: 1, name: "matchLabels", value: .textMap),
                .messages(2, "matchExpressions", requirement),
            ], tellsUnknown: true)
        let block = MessageSchema(fields: [.text(1, "cidr"), .texts(2, "except")], tellsUnknown: true)
        let peer = MessageSchema(
            fields: [
                .message(1, "podSelector", selector), .message(2, "namespaceSelector", selector),
                .message(3, "ipBlock", block),
            ], tellsUnknown: true)
        let port = MessageSchema(
            fields: [
                .text(1, "protocol"), Field(number: 2, name: "port", value: .integerOrText),
                Field(number: 3, name: "endPort", value: .integer),
            ], tellsUnknown: true)
        func rule(_ peers: String) -> MessageSchema {
            MessageSchema(fields: [.messages(1, "ports", port), .messages(2, peers, peer)], tellsUnknown: true)
        }
        let spec = MessageSchema(
            fields: [
                .message(1, "podSelector", selector), .messages(2, "ingress", rule("from")),
                .messages(3, "egress", rule("to")), .texts(4, "policyTypes"),
            ], tellsUnknown: true)
        return MessageSchema(fields: [.message(1, "metadata", annotated), .message(2, "spec", spec)])
    }()
}
