// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import PolicyModel
import PolicyOracle
import WorldKit

/// One policy for shop/web.
private func only(
    _ action: AuthorizationPolicy.Action = .allow, _ rules: AuthorizationRule..., audit: Bool = false,
    unknown: [String] = []
) -> [AuthorizationPolicy] {
    [
        AuthorizationPolicy(
            "shop/q", action, selects: ["app": "web"], rules, enforcement: audit ? .audit : .enforce, unknown: unknown)
    ]
}

extension OracleAuthorizationTests.Row {
    static let operations: [Self] = [
        to("a port", operation(ports: [80]), .allow),
        to("another port", operation(ports: [81]), .deny),
        to("not a port", operation(notPorts: [80]), .deny),
        to("a method, of a flow", operation(methods: ["GET"]), .depends),
        to("a method", operation(methods: ["GET"]), request: "GET /", .allow),
        to("another method", operation(methods: ["GET"]), request: "PUT /", .deny),
        to("a method with case", operation(methods: ["get"]), request: "GET /", .deny),
        to("its beginning", operation(methods: ["P*"]), request: "PUT /", .allow),
        to("not a method", operation(notMethods: ["GET"]), request: "PUT /", .allow),
        to("not this method", operation(notMethods: ["*"]), request: "PUT /", .deny),
        to("a host without case", operation(hosts: ["WEB"]), request: "GET /", .allow),
        to("another host", operation(hosts: ["web:80"]), request: "GET /", .deny),
        to("a path", operation(paths: ["/a"]), request: "GET /a", .allow),
        to("a longer path", operation(paths: ["/a"]), request: "GET /a/", .deny),
        to("not a path", operation(notPaths: ["/a*"]), request: "GET /b", .allow),
        to("all fields", operation(ports: [80], methods: ["GET"], paths: ["/a"]), request: "GET /b", .deny),
        to("the wrong port needs no request", operation(ports: [81], methods: ["GET"]), .deny),
        .init(
            says: "DENY by a method", policies: only(.deny, allOf(to: [operation(methods: ["PUT"])])),
            request: "PUT /", verdict: .deny),
        .init(
            says: "DENY by another method", policies: only(.deny, allOf(to: [operation(methods: ["PUT"])])),
            request: "GET /", verdict: .allow),
        .init(
            says: "DENY by a method, and ALLOW all",
            policies: only(.deny, allOf(to: [operation(methods: ["PUT"])]))
                + [AuthorizationPolicy("shop/open", .allow, [allOf()])],
            verdict: .depends),
        .init(
            says: "ALLOW all needs no request",
            policies: only(.allow, allOf(to: [operation(methods: ["PUT"])]), allOf()), verdict: .allow),
        .init(
            says: "one of several operations",
            policies: only(.allow, allOf(to: [operation(methods: ["PUT"]), operation(paths: ["/a"])])),
            request: "GET /a", verdict: .allow),
        .init(
            says: "a source and an operation",
            policies: only(
                .allow, allOf(from: [source(namespaces: ["bare"])], to: [operation(methods: ["GET"])])), verdict: .deny),
    ]

    private static func to(
        _ says: String, _ part: AuthorizationOperation, request: String? = nil, _ verdict: OracleVerdict.Answer
    ) -> Self {
        .init(says: says, policies: only(.allow, allOf(to: [part])), request: request, verdict: verdict)
    }

    private static func when(
        _ says: String, _ key: AuthorizationCondition.Key, _ values: [String] = [], not notValues: [String] = [],
        request: String? = nil, _ verdict: OracleVerdict.Answer
    ) -> Self {
        let condition = AuthorizationCondition(key: key, values: values, notValues: notValues)
        return .init(says: says, policies: only(.allow, allOf(when: [condition])), request: request, verdict: verdict)
    }

    static let conditions: [Self] = [
        when("source.ip", .sourceIP, ["10.0.2.0/24"], .allow),
        when("source.ip, not", .sourceIP, not: ["10.0.2.1"], .deny),
        when("source.namespace", .sourceNamespace, ["bare"], .deny),
        when("source.principal", .sourcePrincipal, ["*/sa/api"], .allow),
        when("source.serviceAccount", .sourceServiceAccount, ["shop/api"], .allow),
        when("destination.ip", .destinationIP, ["10.0.1.1"], .allow),
        when("destination.ip of the other family", .destinationIP, ["fd00::11"], .deny),
        when("destination.port", .destinationPort, ["80"], .allow),
        when("values less notValues", .destinationPort, ["80"], not: ["80"], .deny),
        when("a header, of a flow", .header("x"), ["a"], .depends),
        when("a header", .header("x"), ["a"], request: "GET / x:a", .allow),
        when("a missing header", .header("x"), ["*"], request: "GET /", .deny),
        when("an empty header", .header("x"), ["*"], request: "GET / x:", .deny),
        when("a missing header and notValues", .header("x"), not: ["*"], request: "GET /", .allow),
        when("its values together", .header("x"), ["a"], request: "GET / x:a,b", .deny),
        .init(
            says: "all conditions",
            policies: only(
                .allow,
                allOf(when: [
                    .init(key: .sourceNamespace, values: ["shop"]), .init(key: .destinationPort, values: ["81"]),
                ])), verdict: .deny),
    ]

    private static func path(_ pattern: String, _ path: String, _ verdict: OracleVerdict.Answer) -> Self {
        .init(
            says: pattern, policies: only(.allow, allOf(to: [operation(paths: [pattern])])), request: "GET \(path)",
            verdict: verdict)
    }

    /// The examples of Istio's reference among them.
    static let paths: [Self] = [
        path("/foo/{*}", "/foo/bar", .allow), path("/foo/{*}", "/foo/bar/baz", .deny),
        path("/foo/{*}", "/foo/", .deny), path("/foo/{**}/", "/foo/bar/", .allow),
        path("/foo/{**}/", "/foo/bar/baz/", .allow), path("/foo/{**}/", "/foo/bar", .deny),
        path("/foo/{**}/", "/foo/", .deny), path("/foo/{*}/bar/{**}", "/foo/buzz/bar/", .allow),
        path("/foo/{*}/bar/{**}", "/foo/buzz/bar/baz", .allow), path("/foo/{*}/bar/{**}", "/foo/buzz/bar", .deny),
        path("/{**}", "/", .allow), path("/{**}", "/a/b", .allow), path("/{*}", "/", .deny),
        path("/a*", "/a/b", .allow), path("*.txt", "/a/b.txt", .allow), path("*", "/", .allow),
        path("/a*b", "/aab", .deny), path("/a*b", "/a*b", .allow),
        path("*", "//", .deny), path("*", "/a%2Fb", .deny), path("*", "/..", .deny), path("*", "/a;b", .deny),
        path("/b", "/a/../b", .deny), path("/*", "/a/../b", .allow), path("/admin", "/%61dmin", .deny),
        .init(
            says: "where no rule reads paths they do not matter",
            policies: only(.allow, allOf(to: [operation(methods: ["GET"])])), request: "GET //", verdict: .allow),
        .init(
            says: "nor where the rule is not about the flow",
            policies: only(
                .allow, allOf(to: [operation(methods: ["GET"])]), allOf(to: [operation(ports: [81], paths: ["/a"])])),
            request: "GET //", verdict: .allow),
    ]

    /// What is not understood allows nothing, and does not narrow what is denied.
    static let unknown: [Self] = [
        .init(says: "ALLOW, in the policy", policies: only(.allow, allOf(), unknown: ["?"]), verdict: .deny),
        .init(says: "ALLOW, in a rule", policies: only(.allow, allOf(unknown: ["?"])), verdict: .deny),
        .init(
            says: "ALLOW, in one of two rules", policies: only(.allow, allOf(unknown: ["?"]), allOf()), verdict: .allow),
        .init(
            says: "ALLOW, in a source",
            policies: only(.allow, allOf(from: [source(namespaces: ["shop"], unknown: ["?"])])), verdict: .deny),
        .init(
            says: "ALLOW, in one of two operations",
            policies: only(.allow, allOf(to: [operation(ports: [80], unknown: ["?"]), operation(ports: [80])])),
            verdict: .allow),
        .init(says: "DENY, in the policy", policies: only(.deny, allOf(), unknown: ["?"]), verdict: .deny),
        .init(says: "DENY, in a rule", policies: only(.deny, allOf(unknown: ["?"])), verdict: .deny),
        .init(
            says: "DENY, in a rule that does not match",
            policies: only(.deny, allOf(from: [source(namespaces: ["bare"])], unknown: ["?"])), verdict: .allow),
        .init(
            says: "DENY, a condition that cannot be known",
            policies: only(
                .deny, allOf(when: [.init(key: .unreadable("connection.sni"), values: ["a"])], unknown: ["?"])),
            verdict: .deny),
        .init(
            says: "DENY, in an operation",
            policies: only(.deny, allOf(to: [operation(ports: [81], unknown: ["?"])])), verdict: .allow),
        .init(
            says: "DENY, in an operation that reads requests",
            policies: only(.deny, allOf(to: [operation(methods: ["PUT"], unknown: ["?"])])), request: "GET /",
            verdict: .allow),
    ]

    static let audit: [Self] = [
        .init(says: "AUDIT stops nothing", policies: only(.audit, allOf()), verdict: .allow, wouldDeny: true),
        .init(
            says: "AUDIT of what is not matched", policies: only(.audit, allOf(from: [source(namespaces: ["bare"])])),
            verdict: .allow),
        .init(
            says: "AUDIT does not count as an ALLOW policy",
            policies: only(.audit, allOf(to: [operation(ports: [81])])), verdict: .allow),
        .init(says: "dry run of DENY", policies: only(.deny, allOf(), audit: true), verdict: .allow, wouldDeny: true),
        .init(says: "dry run of ALLOW", policies: only(audit: true), verdict: .allow, wouldDeny: true),
        .init(
            says: "dry run of ALLOW that matches", policies: only(.allow, allOf(), audit: true), verdict: .allow),
        .init(
            says: "dry run cannot allow",
            policies: only(.allow, allOf(), audit: true) + [AuthorizationPolicy("shop/p", .allow)], verdict: .deny),
        .init(
            says: "what is denied anyway is not reported",
            policies: only(.deny, allOf(), audit: true) + [AuthorizationPolicy("shop/p", .allow)], verdict: .deny),
    ]
}
