// SPDX-License-Identifier: Apache-2.0
import Documents
import KubernetesObjects
import NetworkTypes
import PolicyModel
import Testing

/// A policy of the kind with this spec; `metadata` beside its name.
func decodeTier(
    _ kind: TierPolicy.Kind, spec: String, name: String = "default", metadata: String = "",
    mode: DecodingMode = .strict
) throws -> DecodedDocument {
    let version = kind == .clusterNetworkPolicy ? "v1alpha2" : "v1alpha1"
    let text = """
        {"apiVersion": "policy.networking.k8s.io/\(version)", "kind": "\(kind.rawValue)",
         "metadata": {"name": "\(name)"\(metadata)}, "spec": \(spec)}
        """
    return ObjectDecoder.decode(try JSONReader.read(Array(text.utf8)), file: "test.json", mode: mode)
}

func onlyTier(_ document: DecodedDocument, _ location: SourceLocation = #_sourceLocation) throws -> TierPolicy {
    #expect(document.errors.map(\.description) == [], sourceLocation: location)
    guard case .tierPolicy(let policy) = try #require(document.objects.first, sourceLocation: location) else {
        throw UnexpectedKind()
    }
    return policy
}

@Suite struct TierPolicyTests {
    @Test func everyFieldOfClusterNetworkPolicy() throws {
        let policy = try onlyTier(
            decodeTier(
                .clusterNetworkPolicy,
                spec: """
                    {"tier": "Baseline", "priority": 1000, "subject": {"pods": {"podSelector": {"matchLabels": {"a": "b"}}}},
                     "ingress": [{"name": "one", "action": "Accept",
                       "from": [{"namespaces": {"matchExpressions": [{"key": "k", "operator": "Exists"}]}},
                                {"pods": {"namespaceSelector": {"matchLabels": {"n": "m"}}, "podSelector": {}}}],
                       "protocols": [{"tcp": {"destinationPort": {"number": 80}}},
                                     {"udp": {"destinationPort": {"range": {"start": 1, "end": 65535}}}},
                                     {"sctp": {"destinationPort": {"number": 9}}}, {"destinationNamedPort": "http"}]}],
                     "egress": [{"action": "Deny", "to": [{"nodes": {}}, {"networks": ["10.1.2.3/8", "::/0"]}]},
                                {"action": "Pass", "to": [{"namespaces": {}}]}]}
                    """, metadata: #", "annotations": {"bulkhead.dev/enforcement": "audit", "x": "y"}"#))
        let labeled = LabelSelector(matchLabels: ["a": "b"])
        let peers: [TierPeer] = [
            .pods(PodSelection(namespaces: LabelSelector(matchExpressions: [.init(key: "k", operator: .exists)]))),
            .pods(PodSelection(namespaces: LabelSelector(matchLabels: ["n": "m"]))),
        ]
        let ports: [TierPort] = [
            .range(.tcp, PortRange(80)), .range(.udp, PortRange(1, 65535)), .range(.sctp, PortRange(9)), .named("http"),
        ]
        #expect(
            policy
                == TierPolicy(
                    metadata: ObjectMeta(name: "default"), tier: .baseline, priority: 1000,
                    subject: PodSelection(pods: labeled),
                    ingress: [TierRule(name: "one", action: .accept, peers: peers, ports: ports)],
                    egress: [
                        TierRule(
                            action: .deny,
                            peers: [.nodes(LabelSelector()), .networks([try CIDR("10.0.0.0/8"), try CIDR("::/0")])]),
                        TierRule(action: .pass, peers: [.pods(PodSelection())]),
                    ], enforcement: .audit))
    }

    @Test func theKindsOfV1Alpha1() throws {
        let rules = """
            "subject": {"namespaces": {}}, "egress": [{"action": "Allow", "to": [{"networks": ["0.0.0.0/0"]}],
              "ports": [{"portNumber": {"port": 53}}, {"portRange": {"protocol": "UDP", "start": 5, "end": 5}}]}],
            "ingress": [{"action": "Deny", "from": [{"pods": {"namespaceSelector": {}, "podSelector": {}}}],
              "ports": [{"namedPort": "dns"}]}]
            """
        let egress = TierRule(
            action: .accept, peers: [.networks([try CIDR("0.0.0.0/0")])],
            ports: [.range(.tcp, PortRange(53)), .range(.udp, PortRange(5))])
        let ingress = TierRule(action: .deny, peers: [.pods(PodSelection())], ports: [.named("dns")])
        let admin = try onlyTier(decodeTier(.adminNetworkPolicy, spec: "{\"priority\": 0, \(rules)}", name: "x"))
        let meta = ObjectMeta(name: "x")
        #expect(
            admin
                == TierPolicy(
                    kind: .adminNetworkPolicy, metadata: meta, tier: .admin, subject: PodSelection(),
                    ingress: [ingress], egress: [egress]))
        let baseline = try onlyTier(decodeTier(.baselineAdminNetworkPolicy, spec: "{\(rules)}"))
        #expect(baseline.tier == .baseline && baseline.priority == 0 && baseline.egress == [egress])
        #expect(
            try problems(decodeTier(.baselineAdminNetworkPolicy, spec: "{\(rules)}", name: "other")) == [
                "metadata.name: a BaselineAdminNetworkPolicy must be named 'default'"
            ])
    }

    @Test func wrongVersionsAndLists() throws {
        let wrong = try decode(
            #"{"apiVersion": "policy.networking.k8s.io/v1alpha2", "kind": "AdminNetworkPolicy", "metadata": {"name": "a"}}"#
        )
        #expect(
            wrong.errors.map(\.description) == [
                "test.json:1:16: document 1: apiVersion: 'policy.networking.k8s.io/v1alpha2' does not serve "
                    + "AdminNetworkPolicy (hint: write apiVersion: policy.networking.k8s.io/v1alpha1)"
            ])
        #expect(wrong.keys.map(\.description) == ["AdminNetworkPolicy a"] && wrong.notices.isEmpty)
        let list = try decode(
            """
            {"apiVersion": "policy.networking.k8s.io/v1alpha2", "kind": "ClusterNetworkPolicyList", "items": [
              {"metadata": {"name": "a"}, "spec": {"tier": "Admin", "priority": 1, "subject": {"namespaces": {}}}}]}
            """)
        #expect(list.errors.isEmpty && list.objects.map(\.key.description) == ["ClusterNetworkPolicy a"])
    }

    /// One rule of egress, in a valid ClusterNetworkPolicy.
    private func egress(_ rule: String, _ mode: DecodingMode = .strict) throws -> DecodedDocument {
        try decodeTier(
            .clusterNetworkPolicy,
            spec: #"{"tier": "Admin", "priority": 5, "subject": {"namespaces": {}}, "egress": [\#(rule)]}"#, mode: mode)
    }

    @Test(arguments: [
        Refusal("{}", "action", "is required"),
        Refusal(
            #"{"action": "Allow", "to": [{"nodes": {}}]}"#, "action", "is unknown: use Accept, Deny or Pass",
            hint: "Accept"),
        Refusal(#"{"action": "Deny", "to": []}"#, "to", "must have at least 1 item"),
        Refusal(#"{"action": "Deny", "to": [{}]}"#, "to[0]", "needs one of namespaces, pods, nodes or networks"),
        Refusal(#"{"action": "Deny", "to": [{"nodes": null}]}"#, "to[0]", "needs one of", hint: "'nodes: {}'"),
        Refusal(
            #"{"action": "Deny", "to": [{"nodes": {}, "pods": {"podSelector": {}}}]}"#, "to[0]", "it has pods and nodes"
        ),
        Refusal(
            #"{"action": "Deny", "to": [{"domainNames": ["a.b"]}]}"#, "to[0].domainNames",
            "peers by domain name are not supported", hint: "networks"),
        Refusal(
            #"{"action": "Deny", "to": [{"pods": {}}]}"#, "to[0].pods.podSelector", "is required", hint: "every pod"),
        Refusal(
            #"{"action": "Deny", "to": [{"namespaces": {"sameLabels": ["x"]}}]}"#, "to[0].namespaces.sameLabels",
            "was removed", hint: "a policy for each value"),
        Refusal(
            #"{"action": "Deny", "to": [{"namespaces": {"notSameLabels": ["x"]}}]}"#, "to[0].namespaces.notSameLabels",
            "was removed", hint: "NotIn"),
        Refusal(#"{"action": "Deny", "to": [{"networks": []}]}"#, "to[0].networks", "at least 1 item"),
        Refusal(#"{"action": "Deny", "to": [{"networks": ["10.0.0.0/33"]}]}"#, "to[0].networks[0]", "10.0.0.0/33"),
        Refusal(#"{"action": "Deny", "to": [{"networks": ["::/0", "::/0"]}]}"#, "to[0].networks[1]", "given twice"),
        Refusal(#"{"action": "Deny", "to": [{"ipBlock": {}}]}"#, "to[0].ipBlock", "unknown field", hint: "networks"),
        Refusal(
            #"{"action": "Deny", "to": [{"nodes": {}}], "ports": []}"#, "ports", "unknown field", hint: "protocols"),
        Refusal(
            #"{"action": "Deny", "to": [{"nodes": {}}], "protocols": null}"#, "protocols", "must be a list",
            hint: "leave"),
        Refusal(#"{"action": "Deny", "to": [{"nodes": {}}], "protocols": []}"#, "protocols", "at least 1 item"),
        Refusal(
            #"{"action": "Deny", "to": [{"nodes": {}}], "protocols": [{"tcp": {}}]}"#,
            "protocols[0].tcp.destinationPort", "is required"),
        Refusal(
            #"{"action": "Deny", "to": [{"nodes": {}}], "protocols": [{"tcp": {"destinationPort": 80}}]}"#,
            "protocols[0].tcp.destinationPort", "must be a mapping", hint: "{number: 80}"),
        Refusal(
            #"{"action": "Deny", "to": [{"nodes": {}}], "protocols": [{"tcp": {"destinationPort": {"range": {"start": 5, "end": 5}}}}]}"#,
            "protocols[0].tcp.destinationPort.range", "start and end are both 5", hint: "number: 5"),
        Refusal(
            #"{"action": "Deny", "to": [{"nodes": {}}], "protocols": [{"destinationNamedPort": "http"}]}"#, "protocols",
            "a named port cannot be used with", hint: "a separate rule"),
        Refusal(
            #"{"action": "Deny", "to": [{"nodes": {}}], "protocols": [{"icmp": {}}]}"#, "protocols[0].icmp",
            "unknown field"),
    ])
    func wrongRules(row: Refusal) throws {
        var row = row
        row.path = "spec.egress[0]." + row.path
        let document = try egress(row.input)
        // `{}` lacks two things.
        if row.input == "{}" {
            #expect(problems(document) == ["spec.egress[0].action: is required", "spec.egress[0].to: is required"])
        } else {
            try row.check(document)
        }
    }

    @Test(arguments: [
        Refusal("[]", "spec", "must be a mapping"),
        Refusal(#"{"priority": 1, "subject": {"namespaces": {}}}"#, "spec.tier", "is required"),
        Refusal(#"{"tier": "Admin", "subject": {"namespaces": {}}}"#, "spec.priority", "is required"),
        Refusal(
            #"{"tier": "admin", "priority": 1, "subject": {"namespaces": {}}}"#, "spec.tier", "unknown", hint: "Admin"
        ),
        Refusal(#"{"tier": "Admin", "priority": 1001, "subject": {"namespaces": {}}}"#, "spec.priority", "0...1000"),
        Refusal(#"{"tier": "Admin", "priority": -1, "subject": {"namespaces": {}}}"#, "spec.priority", "0...1000"),
        Refusal(#"{"tier": "Admin", "priority": 1}"#, "spec.subject", "is required"),
        Refusal(#"{"tier": "Admin", "priority": 1, "subject": {}}"#, "spec.subject", "needs one of namespaces or pods"),
        Refusal(
            #"{"tier": "Admin", "priority": 1, "subject": {"namespaces": {}}, "podSelector": {}}"#, "spec.podSelector",
            "unknown field", hint: "subject"),
        Refusal(
            #"{"tier": "Admin", "priority": 1, "subject": {"namespaces": {}}, "ingress": [{"action": "Deny", "from": [{"networks": ["::/0"]}]}]}"#,
            "spec.ingress[0].from[0].networks", "unknown field", hint: "egress"),
    ])
    func wrongSpecs(row: Refusal) throws { try row.check(decodeTier(.clusterNetworkPolicy, spec: row.input)) }

    @Test func limits() throws {
        func document(rules: Int, name: Int) throws -> [String] {
            let rule = #"{"name": "\#(String(repeating: "n", count: name))", "action": "Deny", "to": [{"nodes": {}}]}"#
            return try problems(egress(Array(repeating: rule, count: rules).joined(separator: ",")))
        }
        #expect(try document(rules: 25, name: 100) == [])
        #expect(try document(rules: 26, name: 1) == ["spec.egress: has 26 items, more than 25"])
        #expect(try document(rules: 1, name: 101) == ["spec.egress[0].name: must be no more than 100 characters"])
    }

    @Test func annotationOfEnforcement() throws {
        let spec = #"{"tier": "Admin", "priority": 1, "subject": {"namespaces": {}}}"#
        func decode(_ annotation: String, _ mode: DecodingMode) throws -> DecodedDocument {
            try decodeTier(
                .clusterNetworkPolicy, spec: spec, metadata: ", \"annotations\": {\(annotation)}", mode: mode)
        }
        let wrong = #""bulkhead.dev/enforcement": "Audit""#
        let sentence =
            #"metadata.annotations["bulkhead.dev/enforcement"]: enforcement 'Audit' is unknown: use audit or enforce"#
        #expect(try problems(decode(wrong, .strict)) == [sentence])
        let lenient = try onlyTier(decode(wrong, .lenient))
        #expect(lenient.enforcement == .enforce && lenient.unknown == [sentence])
        #expect(
            try decode(#""bulkhead.dev/enforcment": "audit""#, .strict).errors.first?.hint
                == "did you mean bulkhead.dev/enforcement?")
        #expect(try onlyTier(decode(#""bulkhead.dev/enforcement": "enforce""#, .strict)).enforcement == .enforce)
        let policy = try onlyPolicy(
            KubernetesObjectsTests.decode(
                """
                {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
                 "metadata": {"name": "p", "annotations": {"bulkhead.dev/enforcement": "audit"}}}
                """))
        #expect(policy.enforcement == .audit)
    }

    @Test(arguments: [
        // The rule as written; then the action, the number of peers and of ports, the path of the one sentence.
        (#"{"action": "Accept", "to": [{"galaxies": {}}, {"nodes": {}}]}"#, "accept 1 -", "to[0].galaxies"),
        (#"{"action": "Deny", "to": [{"nodes": {"new": 1}}]}"#, "deny 0 -", "to[0].nodes.new"),
        (#"{"action": "Pass", "to": [{}]}"#, "pass 0 -", "to[0]"),
        (#"{"action": "Mirror", "to": [{"nodes": {}}]}"#, "deny 1 -", "action"),
        (#"{"action": "Accept", "to": [{"nodes": {}}], "weekday": 1}"#, "accept 0 -", "weekday"),
        (
            #"{"action": "Accept", "to": [{"nodes": {}}], "protocols": [{"icmp": {}}]}"#, "accept 1 0",
            "protocols[0].icmp"
        ),
        (
            #"{"action": "Accept", "to": [{"nodes": {}}], "protocols": [{"tcp": {}}]}"#, "accept 1 0",
            "protocols[0].tcp.destinationPort"
        ),
        (#"{"action": "Accept", "to": [{"domainNames": ["a.b"]}]}"#, "accept 0 -", "to[0].domainNames"),
        (
            #"{"action": "Accept", "to": [{"nodes": {"matchExpressions": [{"key": "a", "operator": "Gt", "values": ["1"]}]}}]}"#,
            "accept 0 -", "to[0].nodes.matchExpressions[0].operator"
        ),
    ])
    func lenientRulesClose(rule: String, expected: String, path: String) throws {
        let document = try egress(rule, .lenient)
        let decoded = try #require(try onlyTier(document).egress.first)
        let ports = decoded.ports.map { "\($0.count)" } ?? "-"
        #expect("\(decoded.action) \(decoded.peers.count) \(ports)" == expected)
        #expect(
            decoded.unknown.count == 1 && decoded.unknown[0].hasPrefix("spec.egress[0].\(path): "), "\(decoded.unknown)"
        )
        #expect(document.notUnderstood.count == 1)
        #expect(try egress(rule).errors.isEmpty == false)
    }

    @Test func lenientWholes() throws {
        let subject = #""tier": "Admin", "priority": 5000, "subject": {"namespaces": {}}"#
        let rules = #""ingress": [{"action": "Accept", "from": [{"namespaces": {}}]}], "egress": 5, "when": 1"#
        let policy = try onlyTier(decodeTier(.clusterNetworkPolicy, spec: "{\(subject), \(rules)}", mode: .lenient))
        #expect(policy.priority == 5000 && policy.unknown == ["spec.when: unknown field"])
        #expect(policy.ingress == [TierRule(action: .accept, peers: [], unknown: ["spec.when: unknown field"])])
        #expect(policy.egress.map(\.action) == [.deny] && policy.egress[0].unknown.count == 2)
        let spec = #"{"tier": "Admin", "priority": 5, "subject": {"clouds": {}}}"#
        let refused = try decodeTier(.clusterNetworkPolicy, spec: spec, mode: .lenient)
        #expect(refused.objects.isEmpty && problems(refused) == ["spec.subject.clouds: unknown field"])
    }

    @Test func lenientListsGiveWhatIsRight() throws {
        let text = """
            {"apiVersion": "v1", "kind": "List", "items": [
              {"apiVersion": "policy.networking.k8s.io/v1alpha1", "kind": "AdminNetworkPolicy", "metadata": {"name": "a"}},
              {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "labels": {"a": "b"}, "creationTimestamp": "now"},
               "spec": {"containers": [{"ports": [{"name": "x", "containerPort": 1, "protocol": "QUIC"}]}]},
               "status": {"phase": "Dreaming", "podIPs": [{"ip": "10.0.0.1"}, {"ip": "mac:1"}]}},
              {"apiVersion": "v1", "kind": "Pod", "metadata": {"labels": {}}}]}
            """
        let document = ObjectDecoder.decode(try JSONReader.read(Array(text.utf8)), file: "x", mode: .lenient)
        #expect(document.errors.map(\.path.description) == ["items[0].spec", "items[2]"])
        let pod = Pod(
            metadata: ObjectMeta(name: "p", namespace: "default", labels: ["a": "b"]),
            podIPs: [try IPAddress("10.0.0.1")])
        #expect(document.objects == [.pod(pod)])
        #expect(document.notUnderstood.count == 5, "\(document.notUnderstood)")
    }

    @Test(arguments: [
        // The spec; directions, number of rules of ingress and of egress.
        (#"{"policyTypes": ["Ingress", "Sideways"], "ingress": [{}]}"#, "Egress Ingress", 1, 0),
        (#"{"policyTypes": ["Egress"], "egress": [{"to": [{"clouds": {}}]}, {}]}"#, "Egress", 0, 1),
        (#"{"egress": [{"to": [{"podSelector": {}, "clouds": {}}]}]}"#, "Egress Ingress", 0, 0),
        (#"{"egress": 5, "ingress": [{}]}"#, "Egress Ingress", 1, 0),
        (#"{"ingress": [{"ports": [{"port": 80, "protocol": "QUIC"}]}]}"#, "Ingress", 0, 0),
        (#"{"ingress": [{"when": 1}]}"#, "Ingress", 0, 0),
        (#"{"ingress": [{}], "when": 1}"#, "Ingress", 0, 0),
        (#"{"ingress": [{}], "podSelector": {"matchExpressions": [{"key": "a", "operator": "Gt"}]}}"#, "Ingress", 0, 0),
        ("5", "Egress Ingress", 0, 0),
    ])
    func lenientNetworkPolicies(spec: String, types: String, ingress: Int, egress: Int) throws {
        let text = """
            {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "p", "new": 1}, "spec": \(spec)}
            """
        let document = ObjectDecoder.decode(try JSONReader.read(Array(text.utf8)), file: "x", mode: .lenient)
        let policy = try onlyPolicy(document)
        #expect(policy.policyTypes.map(\.rawValue).sorted().joined(separator: " ") == types)
        #expect(policy.ingress.count == ingress && policy.egress.count == egress)
        #expect(!policy.unknown.isEmpty)
    }
}
