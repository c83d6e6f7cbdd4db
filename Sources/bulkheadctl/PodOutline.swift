// SPDX-License-Identifier: Apache-2.0
import ControlProtocol

/// A pod in words.
extension Outline {
    mutating func add(_ pod: PodDescription) {
        addHead(pod)
        for (name, direction) in [("ingress", pod.ingress), ("egress", pod.egress)] {
            skip()
            add(name, direction, pod)
        }
    }

    /// The pod alone.
    mutating func addHead(_ pod: PodDescription) {
        add("pod        \(pod.namespace)/\(pod.name)")
        add("node       \(pod.node.map { "\($0), this one" } ?? "another one")")
        add("addresses  \(pod.addresses.isEmpty ? "none" : pod.addresses.joined(separator: ", "))")
        if let endpoint = pod.endpoint { add("interface  \(Self.place(endpoint))") }
        if let labels = pod.labels {
            let text = labels.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: ", ")
            add("labels     \(text.isEmpty ? "none" : text)")
        }
        if let account = pod.serviceAccount { add("account    \(account)") }
        if !pod.namedPorts.isEmpty { add("ports      \(pod.namedPorts.joined(separator: ", "))") }
        if let ports = pod.endpoint?.requestPorts {
            add("requests   \(ports.joined(separator: ", ")) go through the node's proxy")
        }
        if let created = pod.createdAt { add("created    \(Age.long(created))") }
        if let changed = pod.changedAt { add("policy     changed \(Age.long(changed))") }
        if let endpoint = pod.endpoint {
            for (name, direction) in [("ingress", endpoint.ingress), ("egress", endpoint.egress)] {
                let policies = direction.policies.map(\.description)
                let text =
                    direction.program == 0
                    ? "open"
                    : "program \(direction.program), \(Words.count(direction.rules, "rule"))"
                        + (policies.isEmpty ? "" : ", by \(Words.some(policies, limit: 10))")
                add("\(name)\(name == "egress" ? "     " : "    ")\(text)")
            }
        }
        for note in pod.notes { add("note       \(note)", color: .yellow) }
    }

    private static func place(_ endpoint: EndpointAnswer) -> String {
        if let port = endpoint.bridgePort { return "\(port.name), a bridge port" }
        return endpoint.interface?.name ?? "not found: policy may not hold for it"
    }

    private mutating func add(_ name: String, _ direction: DirectionDescription, _ pod: PodDescription) {
        let isJudged = !direction.layers.isEmpty
        add(
            "\(name): "
                + (isJudged ? "in this order, the first rule that matches decides" : "open, no policy selects it"))
        guard isJudged else { return }
        for fact in direction.always { add(fact, depth: 1) }
        for layer in direction.layers {
            let isAuthorization = layer.tier == "Authorization"
            add(isAuthorization ? "authorization, which must allow it as well" : "tier \(layer.tier)", depth: 1)
            for policy in layer.policies { add(policy, name, depth: 2) }
            guard !layer.isolatedBy.isEmpty else { continue }
            let by = Words.some(layer.isolatedBy.map(\.description), limit: 10)
            add(
                "\(isAuthorization ? "other TCP" : "everything else") is denied: isolated by \(by)"
                    + Self.suffix(layer.denied), depth: 2, color: .red)
        }
        if direction.otherwise == "allow" { add("everything else is allowed", depth: 1) }
        let isCounted = direction.layers.contains { layer in
            layer.policies.contains { ($0.ingress + $0.egress).contains { $0.hits != nil } }
        }
        if isCounted { add("A rule's packets are those of all pods of this node that it holds for.", depth: 1) }
    }
}
