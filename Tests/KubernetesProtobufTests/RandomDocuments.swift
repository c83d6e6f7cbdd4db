// SPDX-License-Identifier: Apache-2.0
import Documents
import KubernetesObjects
import WorldKit

/// Random objects in JSON: most of them as API servers give them, some with every kind of thing that is not
/// understood, among them fields of releases to come.
struct RandomDocuments {
    var random: WorldRandom

    init(seed: UInt64) { random = WorldRandom(seed: seed) }

    mutating func object(_ kind: ObjectKind) -> DocumentNode {
        var fields: [(String, DocumentNode)] = [
            ("apiVersion", text(kind.apiVersion)), ("kind", text(kind.rawValue)), ("metadata", metadata(kind)),
        ]
        switch kind {
        case .pod:
            if often { fields.append(("spec", podSpec())) }
            if often { fields.append(("status", podStatus())) }
        case .node: if often { fields.append(("status", nodeStatus())) }
        case .networkPolicy: fields.append(("spec", policySpec()))
        default: break
        }
        return mapping(fields)
    }

    private var often: Bool { mutating get { random.chance(percent: 90) } }
    private var half: Bool { mutating get { random.chance(percent: 50) } }
    private var rarely: Bool { mutating get { random.chance(percent: 6) } }

    private func text(_ text: String) -> DocumentNode { DocumentNode(.string(text)) }

    private func mapping(_ fields: [(String, DocumentNode)]) -> DocumentNode {
        DocumentNode(.mapping(fields.map { .init(key: $0, line: 1, column: 1, value: $1) }))
    }

    private mutating func list(_ most: Int, _ make: (inout RandomDocuments) -> DocumentNode) -> DocumentNode {
        var items: [DocumentNode] = []
        for _ in 0..<random.below(most + 1) { items.append(make(&self)) }
        return DocumentNode(.sequence(items))
    }

    /// A field that no release has yet.
    private mutating func future(_ fields: inout [(String, DocumentNode)]) {
        guard rarely else { return }
        fields.append(("field \(random.between(90, 5000))", half ? text("new") : DocumentNode(.integer(3))))
    }

    private mutating func labels() -> DocumentNode {
        var fields: [(String, DocumentNode)] = []
        for key in random.some(of: ["app", "team", "app.kubernetes.io/name", "", "é"], percent: 45) {
            fields.append((key, text(random.pick(["web", "", "v-1.2", "ünicode", "a-label-of-more-than-15-bytes"]))))
        }
        return mapping(fields)
    }

    private mutating func metadata(_ kind: ObjectKind) -> DocumentNode {
        var fields = [("name", text(random.pick(["web-0", "n1", "a-name-of-more-than-15-bytes", "Not/Valid"])))]
        if kind == .pod || kind == .networkPolicy, often { fields.append(("namespace", text("shop"))) }
        if often { fields.append(("uid", text("8a5d3f1e-77a0-4c0e-9b1f-\(random.below(1000))"))) }
        fields.append(("resourceVersion", text("\(random.below(1_000_000))")))
        if often {
            fields.append(("creationTimestamp", text("20\(random.between(10, 60))-02-1\(random.below(10))T01:02:03Z")))
        }
        if often { fields.append(("labels", labels())) }
        if half { fields.append(("annotations", kind == .pod ? podAnnotations() : policyAnnotations())) }
        future(&fields)
        return mapping(fields)
    }

    private mutating func policyAnnotations() -> DocumentNode {
        let value = random.pick(["audit", "enforce", "Audit", "off"])
        let key = random.pick(["bulkhead.dev/enforcement", "bulkhead.dev/enforcment", "note"])
        return mapping([(key, text(value))])
    }

    private mutating func podAnnotations() -> DocumentNode {
        let keys = [
            "", "kubernetes.io/config.hash", "kubernetes.io/config.mirror", "kubernetes.io/config.mirro",
            "kubernetes.io/config.mirrors", "note",
        ]
        var fields: [(String, DocumentNode)] = []
        for key in random.some(of: keys, percent: 45) {
            fields.append((key, text(random.pick(["", "6f1c0de5a7b94d3c8e21f4a6b7c8d9e0", "ü-a-longer-value"]))))
        }
        return mapping(fields)
    }

    private mutating func podSpec() -> DocumentNode {
        var fields: [(String, DocumentNode)] = []
        if often { fields.append(("nodeName", text(random.pick(["n1", "node-with-a-long-name.example"])))) }
        if often { fields.append(("serviceAccountName", text(random.pick(["", "default", "web-frontend-identity"])))) }
        if half { fields.append(("hostNetwork", DocumentNode(.bool(half)))) }
        fields.append(("containers", list(3) { $0.container() }))
        if half { fields.append(("initContainers", list(2) { $0.container() })) }
        future(&fields)
        return mapping(fields)
    }

    private mutating func container() -> DocumentNode {
        var fields = [("name", text("c")), ("image", text("registry.example/c:1"))]
        fields.append(("ports", list(3) { $0.containerPort() }))
        if half { fields.append(("restartPolicy", text(random.pick(["Always", "OnFailure", ""])))) }
        return mapping(fields)
    }

    private mutating func containerPort() -> DocumentNode {
        var fields: [(String, DocumentNode)] = []
        if often { fields.append(("name", text(random.pick(["http", "dns", "metrics"])))) }
        let number = rarely ? random.pick([0, -1, 65536, 70000]) : random.between(1, 65535)
        fields.append(("containerPort", DocumentNode(.integer(Int64(number)))))
        if half { fields.append(("protocol", text(rarely ? "tcp" : random.pick(["TCP", "UDP", "SCTP"])))) }
        return mapping(fields)
    }

    private mutating func address() -> DocumentNode {
        text(
            rarely
                ? random.pick(["10.0.0", "010.0.0.1", "::g", "1.2.3.4.5", "10.0.0.256"])
                : random.pick(["10.0.0.7", "10.0.0.8", "255.255.255.255", "fd00::7", "::", "::ffff:10.0.0.1"]))
    }

    private mutating func podStatus() -> DocumentNode {
        var fields: [(String, DocumentNode)] = []
        if often {
            fields.append(("phase", text(rarely ? "Sleeping" : random.pick(["Running", "Pending", "Failed"]))))
        }
        for (single, plural) in [("podIP", "podIPs"), ("hostIP", "hostIPs")] {
            if often { fields.append((single, address())) }
            if often { fields.append((plural, list(3) { $0.mapping([("ip", $0.address())]) })) }
        }
        future(&fields)
        return mapping(fields)
    }

    private mutating func nodeStatus() -> DocumentNode {
        let addresses = list(4) { (documents: inout RandomDocuments) in
            let type = documents.random.pick(["InternalIP", "ExternalIP", "Hostname", "InternalDNS"])
            return documents.mapping([
                ("type", documents.text(type)),
                ("address", type.hasSuffix("IP") ? documents.address() : documents.text("n1.example")),
            ])
        }
        return mapping([("addresses", addresses)])
    }

    private mutating func policySpec() -> DocumentNode {
        var fields = [("podSelector", selector())]
        if often { fields.append(("ingress", list(3) { $0.rule("from") })) }
        if half { fields.append(("egress", list(3) { $0.rule("to") })) }
        if half {
            fields.append(
                ("policyTypes", list(2) { $0.text($0.rarely ? "Sideways" : $0.random.pick(["Ingress", "Egress"])) }))
        }
        future(&fields)
        return mapping(fields)
    }

    private mutating func selector() -> DocumentNode {
        var fields: [(String, DocumentNode)] = []
        if half { fields.append(("matchLabels", labels())) }
        if half { fields.append(("matchExpressions", list(2) { $0.requirement() })) }
        future(&fields)
        return mapping(fields)
    }

    private mutating func requirement() -> DocumentNode {
        let name = rarely ? "Like" : random.pick(["In", "NotIn", "Exists", "DoesNotExist"])
        var fields = [("key", text("team")), ("operator", text(name))]
        if name.hasSuffix("In") || rarely { fields.append(("values", list(3) { $0.text($0.half ? "a" : "b") })) }
        future(&fields)
        return mapping(fields)
    }

    private mutating func rule(_ peers: String) -> DocumentNode {
        var fields: [(String, DocumentNode)] = []
        if often { fields.append((peers, list(3) { $0.peer() })) }
        if half { fields.append(("ports", list(3) { $0.policyPort() })) }
        future(&fields)
        return mapping(fields)
    }

    private mutating func peer() -> DocumentNode {
        var fields: [(String, DocumentNode)] = []
        if half {
            fields.append(("podSelector", selector()))
            if half { fields.append(("namespaceSelector", selector())) }
        }
        if fields.isEmpty || rarely { fields.append(("ipBlock", block())) }
        if rarely { fields.removeFirst() }
        future(&fields)
        return mapping(fields)
    }

    private mutating func block() -> DocumentNode {
        var fields = [("cidr", text(random.pick(["10.0.0.0/8", "fd00::/8", "10.0.0.1", "::ffff:0:0/96"])))]
        if half { fields.append(("except", list(2) { $0.text($0.random.pick(["10.1.0.0/16", "11.0.0.0/8"])) })) }
        future(&fields)
        return mapping(fields)
    }

    private mutating func policyPort() -> DocumentNode {
        var fields: [(String, DocumentNode)] = []
        if half { fields.append(("protocol", text(rarely ? "ICMP" : random.pick(["TCP", "UDP", "SCTP"])))) }
        if often {
            fields.append(("port", half ? text("http") : DocumentNode(.integer(Int64(random.between(0, 70000))))))
        }
        if rarely { fields.append(("endPort", DocumentNode(.integer(Int64(random.between(-1, 70000)))))) }
        future(&fields)
        return mapping(fields)
    }
}
