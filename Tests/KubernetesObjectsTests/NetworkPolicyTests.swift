// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import NetworkTypes
import PolicyModel
import Testing

@Suite struct NetworkPolicyTests {
    @Test func everyField() throws {
        let policy = try onlyPolicy(
            decodePolicy(
                spec: """
                    {"podSelector": {"matchLabels": {"app": "api", "example.com/x.y": ""},
                       "matchExpressions": [
                         {"key": "tier", "operator": "In", "values": ["a", "b"]},
                         {"key": "tier", "operator": "NotIn", "values": ["c"]},
                         {"key": "x", "operator": "Exists"}, {"key": "y", "operator": "DoesNotExist", "values": []}]},
                     "policyTypes": ["Egress", "Ingress"],
                     "ingress": [
                       {"from": [{"podSelector": {}}, {"namespaceSelector": {}},
                                 {"podSelector": {"matchLabels": {"a": "b"}}, "namespaceSelector": {}},
                                 {"ipBlock": {"cidr": "10.1.2.3/8", "except": ["10.1.0.0/16", "10.2.3.4/32"]}},
                                 {"ipBlock": {"cidr": "2001:db8::/32"}}],
                        "ports": [{}, {"port": 80}, {"port": 80, "endPort": 90, "protocol": "UDP"},
                                  {"port": "http", "protocol": "SCTP"}, {"protocol": "TCP"}]},
                       {}],
                     "egress": [{"to": [], "ports": []}, {"to": null, "ports": null}]}
                    """))
        #expect(policy.metadata == ObjectMeta(name: "p", namespace: "shop"))
        #expect(policy.podSelector.matchLabels == ["app": "api", "example.com/x.y": ""])
        #expect(
            policy.podSelector.matchExpressions == [
                LabelRequirement(key: "tier", operator: .in, values: ["a", "b"]),
                LabelRequirement(key: "tier", operator: .notIn, values: ["c"]),
                LabelRequirement(key: "x", operator: .exists), LabelRequirement(key: "y", operator: .doesNotExist),
            ])
        #expect(policy.policyTypes == [.ingress, .egress])
        let block = try NetworkPolicyPeer.ipBlock(
            cidr: CIDR("10.0.0.0/8"), except: [CIDR("10.1.0.0/16"), CIDR("10.2.3.4/32")])
        #expect(
            policy.ingress == [
                NetworkPolicyRule(
                    peers: [
                        .pods(namespaces: nil, pods: LabelSelector()), .pods(namespaces: LabelSelector(), pods: nil),
                        .pods(namespaces: LabelSelector(), pods: LabelSelector(matchLabels: ["a": "b"])), block,
                        .ipBlock(cidr: try CIDR("2001:db8::/32"), except: []),
                    ],
                    ports: [
                        NetworkPolicyPort(), NetworkPolicyPort(port: .range(PortRange(80))),
                        NetworkPolicyPort(ipProtocol: .udp, port: .range(PortRange(80, 90))),
                        NetworkPolicyPort(ipProtocol: .sctp, port: .named("http")), NetworkPolicyPort(),
                    ]),
                NetworkPolicyRule(),
            ])
        #expect(policy.egress == [NetworkPolicyRule(), NetworkPolicyRule()])
    }

    @Test(
        arguments: [
            ("{}", [.ingress]), (#"{"policyTypes": []}"#, [.ingress]), (#"{"policyTypes": null}"#, [.ingress]),
            (#"{"egress": []}"#, [.ingress]), (#"{"egress": null}"#, [.ingress]),
            (#"{"egress": [{}]}"#, [.ingress, .egress]),
            (#"{"ingress": [{}], "egress": [{}], "policyTypes": []}"#, [.ingress, .egress]),
            (#"{"policyTypes": ["Egress"]}"#, [.egress]), (#"{"policyTypes": ["Egress", "Egress"]}"#, [.egress]),
            (#"{"egress": [{}], "policyTypes": ["Ingress"]}"#, [.ingress]),
            (#"{"ingress": [{}], "policyTypes": ["Egress"]}"#, [.egress]), ("null", [.ingress]),
            (#"{"podSelector": null}"#, [.ingress]),
        ] as [(String, Set<PolicyType>)])
    func policyTypes(spec: String, types: Set<PolicyType>) throws {
        let policy = try onlyPolicy(decodePolicy(spec: spec))
        #expect(policy.policyTypes == types)
        #expect(policy.podSelector == LabelSelector())
    }

    @Test func metadataThatHasNoEffectIsAccepted() throws {
        let document = try decode(
            """
            {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "status": {}, "spec": {},
             "metadata": {"name": "p", "uid": "u", "creationTimestamp": "2024-02-29T12:00:00Z", "generation": 1,
               "resourceVersion": "7", "annotations": {"a b": "c d"}, "managedFields": [{}], "finalizers": [],
               "ownerReferences": null, "labels": {"x": "y"}}}
            """)
        let policy = try onlyPolicy(document)
        #expect(
            policy.metadata
                == ObjectMeta(
                    name: "p", namespace: "default", uid: "u", labels: ["x": "y"], createdAt: 1_709_208_000))
    }

    @Test(arguments: [
        Refusal("[]", "spec", "must be a mapping, is a list"),
        Refusal(#"{"podSelectors": {}}"#, "spec.podSelectors", "unknown field", hint: "did you mean podSelector?"),
        Refusal(#"{"podselector": {}}"#, "spec.podselector", "unknown field", hint: "did you mean podSelector?"),
        Refusal(#"{"policyType": ["Egress"]}"#, "spec.policyType", "unknown field", hint: "policyTypes"),
        Refusal(#"{"xyz": 1}"#, "spec.xyz", "unknown field"),
        Refusal(#"{"ports": []}"#, "spec.ports", "unknown field", hint: "belongs to a rule"),
        Refusal(#"{"to": []}"#, "spec.to", "unknown field", hint: "egress"),
        Refusal(#"{"namespaceSelector": {}}"#, "spec.namespaceSelector", "unknown field", hint: "its own namespace"),
        Refusal(#"{"podSelector": "app"}"#, "spec.podSelector", "must be a mapping, is a string"),
        Refusal(#"{"podSelector": []}"#, "spec.podSelector", "must be a mapping, is a list"),
        Refusal(#"{"podSelector": {"app": "x"}}"#, "spec.podSelector.app", "unknown field", hint: "under matchLabels"),
        Refusal(
            #"{"podSelector": {"matchLabel": {"app": "x"}}}"#, "spec.podSelector.matchLabel", "unknown field",
            hint: "did you mean matchLabels?"),
        Refusal(#"{"policyTypes": "Egress"}"#, "spec.policyTypes", "must be a list, is a string", hint: "'- '"),
        Refusal(#"{"policyTypes": ["egress"]}"#, "spec.policyTypes[0]", "not supported", hint: "did you mean Egress?"),
        Refusal(#"{"policyTypes": ["Both"]}"#, "spec.policyTypes[0]", "not supported"),
        Refusal(#"{"policyTypes": ["Ingress", 1]}"#, "spec.policyTypes[1]", "must be a string", hint: "quotes"),
        Refusal(
            #"{"policyTypes": ["Ingress", "Egress", "Egress"]}"#, "spec.policyTypes", "more than two policyTypes"),
        Refusal(#"{"ingress": {}}"#, "spec.ingress", "must be a list, is a mapping"),
        Refusal(#"{"ingress": {"from": []}}"#, "spec.ingress", "must be a list, is a mapping", hint: "'- '"),
        Refusal(#"{"ingress": [null]}"#, "spec.ingress[0]", "must be a mapping, is empty", hint: "'- {}'"),
        Refusal(#"{"ingress": [{"to": []}]}"#, "spec.ingress[0].to", "unknown field", hint: "'from'"),
        Refusal(#"{"egress": [{"from": []}]}"#, "spec.egress[0].from", "unknown field", hint: "'to'"),
        Refusal(#"{"egress": [{"port": 80}]}"#, "spec.egress[0].port", "unknown field", hint: "under ports"),
        Refusal(
            #"{"ingress": [{"podSelector": {}}]}"#, "spec.ingress[0].podSelector", "unknown field",
            hint: "'from: - podSelector: …'"),
        Refusal(#"{"ingress": [{"form": []}]}"#, "spec.ingress[0].form", "unknown field", hint: "did you mean from?"),
    ])
    func wrongSpec(row: Refusal) throws { try row.check(decodePolicy(spec: row.input)) }

    @Test(arguments: [
        Refusal("{}", "", "needs podSelector, namespaceSelector or ipBlock", hint: "leave out the whole list"),
        Refusal(#"{"podSelector": null}"#, "", "needs podSelector", hint: "podSelector: {}"),
        Refusal("null", "", "must be a mapping, is empty"),
        Refusal(#""10.0.0.0/8""#, "", "must be a mapping, is a string"),
        Refusal(#"{"ipBlock": {"cidr": "10.0.0.0/8"}, "podSelector": {}}"#, "", "both ipBlock and a selector"),
        Refusal(
            #"{"ipBlock": {"cidr": "10.0.0.0/8"}, "namespaceSelector": {}}"#, "", "both ipBlock and a selector"),
        Refusal(#"{"ipBlock": {}}"#, ".ipBlock.cidr", "is required"),
        Refusal(#"{"ipBlock": []}"#, ".ipBlock", "must be a mapping, is a list"),
        Refusal(#"{"ipBlock": {"cidr": null}}"#, ".ipBlock.cidr", "is required"),
        Refusal(#"{"ipBlock": {"cidr": ""}}"#, ".ipBlock.cidr", "is not an IPv4 or IPv6 address"),
        Refusal(#"{"ipBlock": {"cidr": 10}}"#, ".ipBlock.cidr", "must be a string, is the number 10", hint: "quotes"),
        Refusal(#"{"ipBlock": {"cidr": "10.0.0.1"}}"#, ".ipBlock.cidr", "no prefix length", hint: "10.0.0.1/32"),
        Refusal(#"{"ipBlock": {"cidr": "::1"}}"#, ".ipBlock.cidr", "no prefix length", hint: "::1/128"),
        Refusal(#"{"ipBlock": {"cidr": "10.0.0.0/33"}}"#, ".ipBlock.cidr", "prefix length out of range"),
        Refusal(#"{"ipBlock": {"cidr": "::ffff:10.0.0.0/104"}}"#, ".ipBlock.cidr", "IPv4 in IPv6", hint: "IPv4 prefix"),
        Refusal(#"{"ipBlock": {"cidr": "10.0.0/8"}}"#, ".ipBlock.cidr", "is not an IPv4 or IPv6 address"),
        Refusal(#"{"ipBlock": {"cidr": "10.0.0.0/8", "excepts": []}}"#, ".ipBlock.excepts", "unknown", hint: "except?"),
        Refusal(
            #"{"ipBlock": {"cidr": "10.0.0.0/8", "except": "10.1.0.0/16"}}"#, ".ipBlock.except", "must be a list",
            hint: "'- '"),
        Refusal(#"{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["11.0.0.0/16"]}}"#, ".ipBlock.except[0]", "not inside"),
        Refusal(#"{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.0.0.0/8"]}}"#, ".ipBlock.except[0]", "not inside"),
        Refusal(#"{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["0.0.0.0/0"]}}"#, ".ipBlock.except[0]", "not inside"),
        Refusal(#"{"ipBlock": {"cidr": "0.0.0.0/0", "except": ["::/1"]}}"#, ".ipBlock.except[0]", "not inside"),
        Refusal(
            #"{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0"]}}"#, ".ipBlock.except[0]", "no prefix",
            hint: "/32"),
        Refusal(
            #"{"ipBlock": {"cidr": "10.0.0.0/8", "except": [null]}}"#, ".ipBlock.except[0]", "must be a string",
            hint: "\"\""),
        Refusal(#"{"cidr": "10.0.0.0/8", "podSelector": {}}"#, ".cidr", "unknown field", hint: "inside ipBlock"),
        Refusal(#"{"podSelector": {}, "ports": []}"#, ".ports", "unknown field", hint: "belong to the rule"),
        Refusal(#"{"podSelector": {}, "serviceAccount": "x"}"#, ".serviceAccount", "unknown field"),
        Refusal(
            #"{"podSelector": {}, "namespaceselector": {}}"#, ".namespaceselector", "unknown field",
            hint: "did you mean namespaceSelector?"),
        Refusal(
            #"{"podSelector": {"matchLabels": {"a": true}}}"#, #".podSelector.matchLabels.a"#,
            "must be a string (a label value), is the boolean true", hint: "quotes"),
        Refusal(
            #"{"namespaceSelector": null, "podSelector": {}, "matchLabels": {"a": "b"}}"#, ".matchLabels",
            "matchLabels is next to spec.egress[0].to[0].podSelector, not inside it",
            hint: "would select every pod"),
        Refusal(
            #"{"namespaceSelector": null, "matchLabels": {"a": "b"}, "podSelector": {"matchLabels": {"c": "d"}}}"#,
            ".matchLabels", "next to spec.egress[0].to[0].namespaceSelector", hint: "would select every namespace"),
    ])
    func wrongPeer(row: Refusal) throws {
        var row = row
        row.path = "spec.egress[0].to[0]" + row.path
        try row.check(decodePolicy(spec: #"{"egress": [{"to": [\#(row.input)]}]}"#))
    }

    @Test(arguments: [
        Refusal(#"{"port": 0}"#, ".port", "port 0 is not in 1...65535"),
        Refusal(#"{"port": 65536}"#, ".port", "port 65536 is not in 1...65535"),
        Refusal(#"{"port": -1}"#, ".port", "port -1 is not in 1...65535"),
        Refusal(#"{"port": 80.0}"#, ".port", "must be a whole number, is the number 80.0"),
        Refusal(#"{"port": 1e3}"#, ".port", "must be a whole number"),
        Refusal(#"{"port": 99999999999999999999}"#, ".port", "must be a whole number"),
        Refusal(#"{"port": true}"#, ".port", "must be a whole number, is the boolean true"),
        Refusal(#"{"port": "80"}"#, ".port", "must contain a letter", hint: "write 80 without quotes"),
        Refusal(#"{"port": ""}"#, ".port", "must not be empty"),
        Refusal(#"{"port": "HTTP"}"#, ".port", "lower case"),
        Refusal(#"{"port": "a-very-long-port-name"}"#, ".port", "no more than 15"),
        Refusal(#"{"port": "-http"}"#, ".port", "begin or end with '-'"),
        Refusal(#"{"port": "http-"}"#, ".port", "begin or end with '-'"),
        Refusal(#"{"port": "ht--tp"}"#, ".port", "'--'"),
        Refusal(#"{"port": "http_x"}"#, ".port", "lower case"),
        Refusal(#"{"protocol": "tcp"}"#, ".protocol", "not supported", hint: "write TCP"),
        Refusal(#"{"protocol": "ICMP"}"#, ".protocol", "not supported"),
        Refusal(#"{"protocol": 6}"#, ".protocol", "must be a string, is the number 6", hint: "quotes"),
        Refusal(#"{"endPort": 90}"#, ".endPort", "may not be given without port"),
        Refusal(#"{"port": null, "endPort": 90}"#, ".endPort", "may not be given without port"),
        Refusal(#"{"port": "http", "endPort": 90}"#, ".endPort", "if port is a name"),
        Refusal(#"{"port": 80, "endPort": 79}"#, ".endPort", "endPort 79 is below port 80"),
        Refusal(#"{"port": 80, "endPort": 65536}"#, ".endPort", "port 65536 is not in"),
        Refusal(#"{"port": 80, "endPort": "90"}"#, ".endPort", "must be a whole number", hint: "without quotes"),
        Refusal(#"{"ports": 80}"#, ".ports", "unknown field", hint: "did you mean port?"),
        Refusal(#"{"targetPort": 80}"#, ".targetPort", "unknown field"),
        Refusal("null", "", "must be a mapping, is empty"),
        Refusal("80", "", "must be a mapping, is the number 80", hint: "- port: …"),
    ])
    func wrongPort(row: Refusal) throws {
        var row = row
        row.path = "spec.ingress[0].ports[0]" + row.path
        try row.check(decodePolicy(spec: #"{"ingress": [{"ports": [\#(row.input)]}]}"#))
    }

    @Test(arguments: [
        Refusal(#"{"matchLabels": []}"#, ".matchLabels", "must be a mapping, is a list"),
        Refusal(#"{"matchLabels": {"a": 1}}"#, ".matchLabels.a", "is the number 1", hint: "quotes"),
        Refusal(#"{"matchLabels": {"a": null}}"#, ".matchLabels.a", "is empty", hint: "\"\""),
        Refusal(#"{"matchLabels": {"a": {}}}"#, ".matchLabels.a", "must be a string (a label value), is a mapping"),
        Refusal(#"{"matchLabels": {"": "x"}}"#, #".matchLabels[""]"#, "has no name"),
        Refusal(#"{"matchLabels": {"a/b/c": "x"}}"#, #".matchLabels["a/b/c"]"#, "more than one '/'"),
        Refusal(#"{"matchLabels": {"/b": "x"}}"#, #".matchLabels["/b"]"#, "empty prefix"),
        Refusal(#"{"matchLabels": {"a/": "x"}}"#, #".matchLabels["a/"]"#, "has no name"),
        Refusal(#"{"matchLabels": {"A_B.com/b": "x"}}"#, #".matchLabels["A_B.com/b"]"#, "prefix"),
        Refusal(#"{"matchLabels": {"a b": "x"}}"#, #".matchLabels["a b"]"#, "letters, digits"),
        Refusal(#"{"matchLabels": {"-a": "x"}}"#, #".matchLabels["-a"]"#, "at both ends"),
        Refusal(#"{"matchLabels": {"a": "x y"}}"#, ".matchLabels.a", "label value 'x y'"),
        Refusal(#"{"matchLabels": {"a": "é"}}"#, ".matchLabels.a", "label value"),
        Refusal(#"{"matchLabels": {"a": "x-"}}"#, ".matchLabels.a", "at both ends"),
        Refusal(#"{"matchExpressions": {}}"#, ".matchExpressions", "must be a list, is a mapping"),
        Refusal(#"{"matchExpressions": [{"operator": "Exists"}]}"#, ".matchExpressions[0].key", "is required"),
        Refusal(#"{"matchExpressions": [{"key": "a"}]}"#, ".matchExpressions[0].operator", "is required"),
        Refusal(#"{"matchExpressions": [{"key": "", "operator": "Exists"}]}"#, ".matchExpressions[0].key", "no name"),
        Refusal(
            #"{"matchExpressions": [{"key": "a", "operator": "in", "values": ["x"]}]}"#,
            ".matchExpressions[0].operator", "unknown", hint: "did you mean In?"),
        Refusal(
            #"{"matchExpressions": [{"key": "a", "operator": "Gt", "values": ["1"]}]}"#,
            ".matchExpressions[0].operator", "unknown"),
        Refusal(
            #"{"matchExpressions": [{"key": "a", "operator": "In"}]}"#, ".matchExpressions[0].values", "needs values"),
        Refusal(
            #"{"matchExpressions": [{"key": "a", "operator": "NotIn", "values": []}]}"#, ".matchExpressions[0].values",
            "needs values"),
        Refusal(
            #"{"matchExpressions": [{"key": "a", "operator": "Exists", "values": ["x"]}]}"#,
            ".matchExpressions[0].values", "must have no values"),
        Refusal(
            #"{"matchExpressions": [{"key": "a", "operator": "DoesNotExist", "values": [""]}]}"#,
            ".matchExpressions[0].values", "must have no values"),
        Refusal(
            #"{"matchExpressions": [{"key": "a", "operator": "In", "values": [1]}]}"#,
            ".matchExpressions[0].values[0]", "must be a string", hint: "quotes"),
        Refusal(
            #"{"matchExpressions": [{"key": "a", "operator": "In", "values": ["a b"]}]}"#,
            ".matchExpressions[0].values[0]", "label value"),
        Refusal(
            #"{"matchExpressions": [{"key": "a", "operator": "In", "value": ["x"], "values": ["x"]}]}"#,
            ".matchExpressions[0].value", "unknown field", hint: "did you mean values?"),
    ])
    func wrongSelector(row: Refusal) throws {
        var row = row
        row.path = "spec.podSelector" + row.path
        try row.check(decodePolicy(spec: #"{"podSelector": \#(row.input)}"#))
    }

    @Test func allProblemsAreTold() throws {
        let document = try decodePolicy(
            spec: """
                {"podSelector": {"matchLabels": {"a": 1, "b c": "d"}}, "policyTypes": ["In"],
                 "ingress": [{"from": [{}, {"ipBlock": {"cidr": "x"}}], "ports": [{"port": 0}, {"endPort": 1}]}]}
                """)
        #expect(
            document.errors.map(\.path.description) == [
                "spec.podSelector.matchLabels.a", "spec.podSelector.matchLabels[\"b c\"]", "spec.ingress[0].from[0]",
                "spec.ingress[0].from[1].ipBlock.cidr", "spec.ingress[0].ports[0].port",
                "spec.ingress[0].ports[1].endPort", "spec.policyTypes[0]",
            ])
        #expect(document.objects.isEmpty)
        #expect(document.keys == [ObjectKey(kind: .networkPolicy, namespace: "shop", name: "p")])
    }

    @Test func errorsOfGarbageAreBounded() throws {
        let items = Array(repeating: "{}", count: 10_000).joined(separator: ",")
        #expect(try decodePolicy(spec: #"{"egress": [{"to": [\#(items)]}]}"#).errors.count == 100)
    }

    /// Two items are "or", two selectors in one item are "and": both are meant often enough.
    @Test func orAndAndAreBothAccepted() throws {
        let spec = #"{"ingress": [{"from": [{"podSelector": {}}, {"namespaceSelector": {}}]}]}"#
        #expect(try onlyPolicy(decodePolicy(spec: spec)).ingress[0].peers.count == 2)
        let both = #"{"ingress": [{"from": [{"podSelector": {}, "namespaceSelector": {}}]}]}"#
        #expect(try onlyPolicy(decodePolicy(spec: both)).ingress[0].peers.count == 1)
    }
}
