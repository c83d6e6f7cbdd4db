// SPDX-License-Identifier: Apache-2.0
import Documents
import KubernetesObjects
import NetworkTypes
import PolicyModel
import Testing

/// An AuthorizationPolicy `shop/p` with this spec; `metadata` beside its name.
func decodeAuthorization(
    _ spec: String, metadata: String = "", version: String = "v1", mode: DecodingMode = .strict
) throws -> DecodedDocument {
    let text = """
        {"apiVersion": "security.istio.io/\(version)", "kind": "AuthorizationPolicy",
         "metadata": {"name": "p", "namespace": "shop"\(metadata)}, "spec": \(spec)}
        """
    return ObjectDecoder.decode(try JSONReader.read(Array(text.utf8)), file: "test.json", mode: mode)
}

func onlyAuthorization(
    _ document: DecodedDocument, _ location: SourceLocation = #_sourceLocation
) throws -> AuthorizationPolicy {
    #expect(document.errors.map(\.description) == [], sourceLocation: location)
    guard case .authorizationPolicy(let policy) = try #require(document.objects.first, sourceLocation: location) else {
        throw UnexpectedKind()
    }
    return policy
}

@Suite struct AuthorizationPolicyTests {
    @Test(arguments: ["v1", "v1beta1"])
    func everyField(version: String) throws {
        let policy = try onlyAuthorization(
            decodeAuthorization(
                """
                {"selector": {"matchLabels": {"app": "shoes"}}, "action": "ALLOW",
                 "rules": [
                   {"from": [{"source": {"principals": ["cluster.local/ns/a/sa/b", "*/sa/c"], "notPrincipals": ["x*"],
                        "namespaces": ["shop", "team-*"], "notNamespaces": ["*"],
                        "ipBlocks": ["10.1.2.3", "10.0.0.0/8"], "notIpBlocks": ["fd00::1"]}},
                      {"source": {"serviceAccounts": ["cart", "bank/cart"], "notServiceAccounts": ["other"]}}],
                    "to": [{"operation": {"ports": ["80", "0"], "notPorts": ["65535"], "hosts": ["A.com", "*.b"],
                        "notHosts": ["c"], "methods": ["GET"], "notMethods": ["PO*"],
                        "paths": ["/a/{*}/b/{**}", "/x*"], "notPaths": ["*"]}}],
                    "when": [{"key": "request.headers[X-Token]", "values": ["a", "b*"], "notValues": ["c"]},
                      {"key": "source.ip", "values": ["10.0.0.1"]}, {"key": "source.namespace", "notValues": ["x"]},
                      {"key": "source.principal", "values": ["*"]},
                      {"key": "source.serviceAccount", "values": ["a/b"]},
                      {"key": "destination.ip", "values": ["10.0.0.0/24"]},
                      {"key": "destination.port", "values": ["8080"]}]},
                   {}]}
                """, version: version))
        #expect(policy.metadata == ObjectMeta(name: "p", namespace: "shop"))
        #expect(policy.selector == LabelSelector(matchLabels: ["app": "shoes"]) && policy.action == .allow)
        #expect(policy.enforcement == .enforce && policy.allUnknown.isEmpty && policy.rules.count == 2)
        #expect(policy.rules[1] == AuthorizationRule())
        var first = AuthorizationSource()
        first.principals = ["cluster.local/ns/a/sa/b", "*/sa/c"]
        first.notPrincipals = ["x*"]
        first.namespaces = ["shop", "team-*"]
        first.notNamespaces = ["*"]
        first.ipBlocks = [try CIDR("10.1.2.3/32"), try CIDR("10.0.0.0/8")]
        first.notIpBlocks = [try CIDR("fd00::1/128")]
        var second = AuthorizationSource()
        second.serviceAccounts = ["cart", "bank/cart"]
        second.notServiceAccounts = ["other"]
        #expect(policy.rules[0].sources == [first, second])
        var operation = AuthorizationOperation()
        (operation.ports, operation.notPorts) = ([80, 0], [65535])
        (operation.hosts, operation.notHosts) = (["A.com", "*.b"], ["c"])
        (operation.methods, operation.notMethods) = (["GET"], ["PO*"])
        (operation.paths, operation.notPaths) = (["/a/{*}/b/{**}", "/x*"], ["*"])
        #expect(policy.rules[0].operations == [operation])
        let conditions: [AuthorizationCondition] = [
            .init(key: .header("x-token"), values: ["a", "b*"], notValues: ["c"]),
            .init(key: .sourceIP, values: ["10.0.0.1"]), .init(key: .sourceNamespace, notValues: ["x"]),
            .init(key: .sourcePrincipal, values: ["*"]), .init(key: .sourceServiceAccount, values: ["a/b"]),
            .init(key: .destinationIP, values: ["10.0.0.0/24"]), .init(key: .destinationPort, values: ["8080"]),
        ]
        #expect(policy.rules[0].conditions == conditions)
    }

    /// Missing and empty rules match nothing, `[{}]` everything.
    @Test(
        arguments: [
            ("null", 0), ("{}", 0), (#"{"rules": null}"#, 0), (#"{"rules": []}"#, 0), (#"{"rules": [{}]}"#, 1),
            (#"{"rules": [{"from": null, "to": null, "when": null}]}"#, 1), (#"{"rules": [{"when": []}]}"#, 1),
            (#"{"action": "AUDIT"}"#, 0),
        ] as [(String, Int)])
    func rules(spec: String, count: Int) throws {
        let policy = try onlyAuthorization(decodeAuthorization(spec))
        #expect(policy.rules == [AuthorizationRule](repeating: AuthorizationRule(), count: count))
        #expect(policy.selector == LabelSelector())
    }

    @Test(
        arguments: [
            (#""istio.io/dry-run": "true""#, .audit), (#""istio.io/dry-run": "false""#, .enforce),
            (#""istio.io/dry-run": "T""#, .audit), (#""bulkhead.dev/enforcement": "audit""#, .audit),
            (#""istio.io/dry-run": "0", "bulkhead.dev/enforcement": "audit""#, .audit), (#""x": "true""#, .enforce),
        ] as [(String, Enforcement)])
    func dryRun(annotations: String, enforcement: Enforcement) throws {
        let document = try decodeAuthorization("{}", metadata: #", "annotations": {\#(annotations)}"#)
        #expect(try onlyAuthorization(document).enforcement == enforcement)
    }

    @Test func wrongAnnotations() throws {
        let written = #", "annotations": {"istio.io/dry-run": "yes"}"#
        let refused = try decodeAuthorization("{}", metadata: written)
        try Refusal("", #"metadata.annotations["istio.io/dry-run"]"#, "'yes' is neither true nor false", hint: "true")
            .check(refused)
        let read = try onlyAuthorization(decodeAuthorization("{}", metadata: written, mode: .lenient))
        #expect(read.enforcement == .enforce && read.unknown.isEmpty)
        #expect(
            read.allUnknown == [#"metadata.annotations["istio.io/dry-run"]: 'yes' is neither true nor false"#])
    }

    /// Valid fields that cannot be carried out: the object counts, closed, and a notice names them.
    @Test(arguments: [
        (
            #"{"rules": [{"from": [{"source": {"requestPrincipals": ["*"]}}]}]}"#,
            "spec.rules[0].from[0].source.requestPrincipals: "
                + "cannot be known here (no token is verified): the source matches nothing"
        ),
        (
            #"{"action": "DENY", "rules": [{"from": [{"source": {"notRemoteIpBlocks": ["10.0.0.0/8"]}}]}]}"#,
            "spec.rules[0].from[0].source.notRemoteIpBlocks: cannot be known here (no header is trusted to name the "
                + "client's address): the source matches whatever its other fields match"
        ),
        (
            #"{"rules": [{}, {"when": [{"key": "request.auth.claims[iss]", "values": ["a"]}]}]}"#,
            "spec.rules[1].when[0]: request.auth.claims[iss] cannot be known here (no token is verified): "
                + "the rule matches nothing"
        ),
        (
            #"{"rules": [{"when": [{"key": "connection.sni", "notValues": ["a"]}]}]}"#,
            "spec.rules[0].when[0]: connection.sni cannot be known here (TLS is not read): the rule matches nothing"
        ),
        (
            #"{"rules": [{"when": [{"key": "experimental.envoy.filters.a.b[c]", "values": ["[a]"]}]}]}"#,
            "spec.rules[0].when[0]: experimental.envoy.filters.a.b[c] cannot be known here (there is no Envoy): "
                + "the rule matches nothing"
        ),
        (
            #"{"rules": [{}], "targetRefs": [{"kind": "Gateway", "name": "g", "group": "gateway.networking.k8s.io"}]}"#,
            "spec.targetRefs: there is no gateway or waypoint that the policy could apply to: it allows nothing to any "
                + "pod of its namespace"
        ),
        (
            #"{"action": "DENY", "rules": [{}], "targetRef": {"kind": "Service", "name": "g"}}"#,
            "spec.targetRef: there is no gateway or waypoint that the policy could apply to: its rules apply to every "
                + "pod of its namespace"
        ),
    ])
    func whatCannotBeKnown(spec: String, sentence: String) throws {
        for mode in [DecodingMode.strict, .lenient] {
            let document = try decodeAuthorization(spec, mode: mode)
            let policy = try onlyAuthorization(document)
            #expect(policy.allUnknown == [sentence])
            guard mode == .strict else {
                #expect(document.notUnderstood.map { "\($0.path): \($0.reason)" } == [sentence])
                continue
            }
            let notice = try #require(document.notices.first)
            #expect(document.notices.count == 1 && notice.reason == .notEnforced)
            #expect("\(notice)".hasSuffix("document 1: AuthorizationPolicy shop/p: \(sentence)"))
            #expect(document.notUnderstood.isEmpty)
        }
    }

    /// Paths in sentences begin at the object, wherever it was: what is kept and read again is the same.
    @Test func sentencesOfListItems() throws {
        let item = """
            {"apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy", "metadata": {"name": "p"},
             "spec": {"rules": [{"when": [{"key": "remote.ip", "values": ["10.0.0.1"]}]}]}}
            """
        let policy = try onlyAuthorization(
            decode(#"{"apiVersion": "v1", "kind": "List", "items": [\#(item)]}"#))
        #expect(policy.allUnknown.first?.hasPrefix("spec.rules[0].when[0]: remote.ip") == true)
    }
}
