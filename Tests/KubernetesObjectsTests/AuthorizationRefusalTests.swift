// SPDX-License-Identifier: Apache-2.0
import Documents
import KubernetesObjects
import NetworkTypes
import PolicyModel
import Testing

@Suite struct AuthorizationRefusalTests {
    @Test(arguments: [
        Refusal("[]", "spec", "must be a mapping, is a list"),
        Refusal(#"{"rule": []}"#, "spec.rule", "unknown field", hint: "did you mean rules?"),
        Refusal(#"{"podSelector": {}}"#, "spec.podSelector", "unknown field", hint: "calls it selector"),
        Refusal(#"{"from": []}"#, "spec.from", "unknown field", hint: "belongs to a rule"),
        Refusal(#"{"source": {}}"#, "spec.source", "unknown field", hint: "from: - source"),
        Refusal(#"{"ingress": []}"#, "spec.ingress", "unknown field", hint: "has rules"),
        Refusal(
            #"{"selector": {}, "matchLabels": {"a": "b"}}"#, "spec.matchLabels", "next to spec.selector, not inside",
            hint: "would select every pod"),
        Refusal(#"{"selector": {"app": "x"}}"#, "spec.selector.app", "unknown field", hint: "under matchLabels"),
        Refusal(
            #"{"selector": {"matchExpressions": []}}"#, "spec.selector.matchExpressions", "unknown field",
            hint: "matchLabels alone"),
        Refusal(
            #"{"selector": {"matchLabels": {"app": "x*"}}}"#, "spec.selector.matchLabels.app",
            "label value 'x*' must be"
        ),
        Refusal(#"{"action": "allow"}"#, "spec.action", "action 'allow' is unknown", hint: "did you mean ALLOW?"),
        Refusal(
            #"{"action": "CUSTOM", "provider": {"name": "x"}, "rules": [{}]}"#, "spec.action",
            "asks an external authorizer, which Bulkhead does not support", hint: "use ALLOW, DENY or AUDIT"),
        Refusal(#"{"provider": {"name": "x"}}"#, "spec.provider", "belongs to the action CUSTOM alone"),
        Refusal(#"{"action": "DENY"}"#, "spec.rules", "denies nothing", hint: "write 'rules: [{}]'"),
        Refusal(#"{"action": "DENY", "rules": []}"#, "spec.rules", "denies nothing", hint: "write 'rules: [{}]'"),
        Refusal(#"{"targetRefs": [{"kind": "Gateway"}]}"#, "spec.targetRefs[0].name", "is required"),
        Refusal(
            #"{"selector": {}, "targetRefs": [{"kind": "Gateway", "name": "g"}]}"#, "spec.targetRefs",
            "may not be given beside selector"),
        Refusal(
            #"{"targetRef": {"kind": "Gateway", "name": "g", "namespace": "x"}}"#, "spec.targetRef.namespace",
            "always of the policy's own namespace"),
        Refusal(#"{"rules": {}}"#, "spec.rules", "must be a list, is a mapping"),
        Refusal(#"{"rules": [null]}"#, "spec.rules[0]", "must be a mapping", hint: "matches everything"),
        Refusal(#"{"rules": [{"action": "DENY"}]}"#, "spec.rules[0].action", "unknown field", hint: "is the policy's"),
        Refusal(
            #"{"rules": [{"source": {}}]}"#, "spec.rules[0].source", "unknown field", hint: "from: - source"),
        Refusal(
            #"{"rules": [{"methods": []}]}"#, "spec.rules[0].methods", "unknown field", hint: "to: - operation"),
    ])
    func wrongPolicies(row: Refusal) throws { try row.check(decodeAuthorization(row.input)) }

    @Test(arguments: [
        Refusal(#""from": []"#, "from", "must not be empty", hint: "leave 'from' out for every source"),
        Refusal(#""to": []"#, "to", "must not be empty", hint: "leave 'to' out for every operation"),
        Refusal(#""from": [{}]"#, "from[0].source", "is required"),
        Refusal(#""from": [{"source": {}}]"#, "from[0].source", "must not be empty", hint: "leave out"),
        Refusal(#""from": [{"source": {"principals": []}}]"#, "from[0].source", "must not be empty", hint: "leave out"),
        Refusal(
            #""from": [{"principals": ["a"], "source": {"namespaces": ["a"]}}]"#, "from[0].principals",
            "unknown field", hint: "belongs inside source"),
        Refusal(
            #""from": [{"source": {"ipBlock": "10.0.0.0/8", "namespaces": ["a"]}}]"#, "from[0].source.ipBlock",
            "unknown field", hint: "did you mean ipBlocks?"),
        Refusal(#""from": [{"source": {"namespaces": [""]}}]"#, "from[0].source.namespaces[0]", "must not be empty"),
        Refusal(
            #""from": [{"source": {"namespaces": "a"}}]"#, "from[0].source.namespaces", "must be a list",
            hint: "begin each item"),
        Refusal(
            #""from": [{"source": {"namespaces": ["a*b"]}}]"#, "from[0].source.namespaces[0]", "may have one '*'"),
        Refusal(
            #""from": [{"source": {"principals": ["*/ns/*"]}}]"#, "from[0].source.principals[0]", "may have one '*'"),
        Refusal(
            #""from": [{"source": {"principals": ["spiffe://a/ns/b/sa/c"]}}]"#, "from[0].source.principals[0]",
            "begins with the trust domain", hint: "leave out spiffe://"),
        Refusal(
            #""from": [{"source": {"namespaces": ["a/b"]}}]"#, "from[0].source.namespaces[0]", "has no '/'",
            hint: "principals"),
        Refusal(
            #""from": [{"source": {"serviceAccounts": ["a/b/c"]}}]"#, "from[0].source.serviceAccounts[0]",
            "is not 'account' or 'namespace/account'"),
        Refusal(
            #""from": [{"source": {"serviceAccounts": ["a/*"]}}]"#, "from[0].source.serviceAccounts[0]",
            "may not have a '*'", hint: "principals"),
        Refusal(
            #""from": [{"source": {"serviceAccounts": ["a"], "namespaces": ["b"]}}]"#,
            "from[0].source.serviceAccounts", "may not be given beside namespaces", hint: "namespace/account"),
        Refusal(
            #""from": [{"source": {"ipBlocks": ["10.0.0.0/33"]}}]"#, "from[0].source.ipBlocks[0]", "10.0.0.0/33"),
        Refusal(#""from": [{"source": {"ipBlocks": ["10.0.0"]}}]"#, "from[0].source.ipBlocks[0]", "10.0.0"),
        Refusal(
            #""from": [{"source": {"remoteIpBlocks": ["x"]}}]"#, "from[0].source.remoteIpBlocks[0]", "x"),
        Refusal(#""to": [{"operation": {}}]"#, "to[0].operation", "must not be empty", hint: "leave out"),
        Refusal(#""to": [{}]"#, "to[0].operation", "is required"),
        Refusal(
            #""to": [{"operation": {"ports": [80]}}]"#, "to[0].operation.ports[0]", "must be a string", hint: "quotes"),
        Refusal(#""to": [{"operation": {"ports": ["http"]}}]"#, "to[0].operation.ports[0]", "not a port number"),
        Refusal(#""to": [{"operation": {"ports": ["65536"]}}]"#, "to[0].operation.ports[0]", "not a port number"),
        Refusal(
            #""to": [{"operation": {"paths": ["/{*}.txt"]}}]"#, "to[0].operation.paths[0]", "template", hint: "seg"),
        Refusal(
            #""to": [{"operation": {"paths": ["/{**}/a/{*}"]}}]"#, "to[0].operation.paths[0]", "template", hint: "seg"),
        Refusal(#""to": [{"operation": {"paths": ["/*/{*}"]}}]"#, "to[0].operation.paths[0]", "template", hint: "seg"),
        Refusal(#""when": [{"values": ["a"]}]"#, "when[0].key", "is required"),
        Refusal(#""when": [{"key": "source.ip"}]"#, "when[0]", "needs values or notValues"),
        Refusal(
            #""when": [{"key": "source.namespaces", "values": ["a"]}]"#, "when[0].key", "is unknown",
            hint: "did you mean source.namespace?"),
        Refusal(#""when": [{"key": "request.auth.issuer", "values": ["a"]}]"#, "when[0].key", "is unknown"),
        Refusal(
            #""when": [{"key": "destination.labels[app]", "values": ["a"]}]"#, "when[0].key", "policy's selector"),
        Refusal(#""when": [{"key": "request.headers", "values": ["a"]}]"#, "when[0].key", "needs a name in brackets"),
        Refusal(#""when": [{"key": "request.headers[]", "values": ["a"]}]"#, "when[0].key", "needs a name in brackets"),
        Refusal(#""when": [{"key": "request.headers[a b]", "values": ["a"]}]"#, "when[0].key", "name of a header"),
        Refusal(#""when": [{"key": "request.headers[:path]", "values": ["a"]}]"#, "when[0].key", "name of a header"),
        Refusal(#""when": [{"key": "source.ip", "values": ["a"]}]"#, "when[0].values[0]", "a"),
        Refusal(#""when": [{"key": "destination.port", "notValues": ["-1"]}]"#, "when[0].notValues[0]", "port number"),
    ])
    func wrongRules(row: Refusal) throws {
        var row = row
        row.path = "spec.rules[0].\(row.path)"
        try row.check(decodeAuthorization(#"{"rules": [{\#(row.input)}]}"#))
    }

    /// From an API server: what is not understood closes the smallest part around it, and a list that lost a value
    /// does not count at all.
    @Test(arguments: [AuthorizationPolicy.Action.allow, .deny])
    func lenient(action: AuthorizationPolicy.Action) throws {
        let policy = try onlyAuthorization(
            decodeAuthorization(
                """
                {"action": "\(action.rawValue)", "rules": [
                  {"from": [{"source": {"namespaces": ["a", "b*c"], "ipBlocks": ["10.0.0.0/8"]}},
                            {"source": {"principals": ["x"], "tenants": ["y"]}}, {"source": {"namespaces": ["z"]}}],
                   "to": [{"operation": {"ports": ["80"], "paths": ["/{x}/{*}"]}}]},
                  {"when": [{"key": "request.cookies", "values": ["a"]}, {"key": "destination.port", "values": ["1"]}]},
                  {"from": [], "until": "dawn"}]}
                """, mode: .lenient))
        let rules = policy.rules
        #expect(policy.unknown.isEmpty && rules.count == 3)
        let sources = rules[0].sources ?? []
        #expect(sources.map(\.namespaces) == [[], [], ["z"]])
        #expect(try sources[0].ipBlocks == [CIDR("10.0.0.0/8")])
        #expect(sources.map(\.unknown.count) == [1, 1, 0] && sources[1].principals == ["x"])
        #expect(rules[0].operations?.first?.ports == [80] && rules[0].operations?.first?.paths == [])
        #expect(rules[0].operations?.first?.unknown.count == 1 && rules[0].unknown.isEmpty)
        #expect(rules[1].conditions.map(\.key) == [.destinationPort] && rules[1].unknown.count == 1)
        #expect(rules[2].sources == nil && rules[2].unknown.count == 2)
        #expect(policy.allUnknown.count == 6)
    }

    @Test(arguments: [
        (#"{"action": "CUSTOM", "provider": {"name": "x"}, "rules": [{}]}"#, 1),
        (#"{"action": "SHRUG", "rules": [{}]}"#, 1), (#"{"action": "DENY", "rules": [{}], "scope": "all"}"#, 1),
        (#"{"action": "DENY", "rules": [{}], "provider": {"name": "x"}}"#, 0), (#"{"action": "DENY"}"#, 0),
    ])
    func lenientActions(spec: String, unknown: Int) throws {
        let policy = try onlyAuthorization(decodeAuthorization(spec, mode: .lenient))
        #expect(policy.action == .deny && policy.unknown.count == unknown)
    }
}
