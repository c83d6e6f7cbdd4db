// SPDX-License-Identifier: Apache-2.0
import Agent
import ControlProtocol
import Testing

/// Verdicts about flows whose HTTP requests decide: from the daemon, by the socket, and offline.
@Suite(.serialized) struct RequestVerdictTests {
    /// Parameters of `GET /v1/verdict`, the verdict, and what the destination's reason says.
    private static let rows: [(String, String, String)] = [
        (
            "from=shop/inventory&to=shop/shoes&port=8080", "depends",
            "depends on the request: authorization shop/shoes-writer rule 1 reads it"
        ),
        (
            "from=shop/inventory&to=shop/shoes&port=8080&method=POST&path=/shoes", "allow",
            "allowed by authorization shop/shoes-writer rule 1 (method POST)"
        ),
        (
            "from=shop/inventory&to=shop/shoes&port=8080&method=GET", "deny",
            "nearest rule: method GET not in shop/shoes-writer rule 1 (POST)"
        ),
        (
            "from=shop/web&to=shop/shoes&port=8080&method=POST", "deny",
            "nearest rule: principal cluster.local/ns/shop/sa/web-sa (10.1.0.3) not in shop/shoes-writer rule 1"
        ),
        ("from=192.0.2.1&to=shop/shoes&port=8080", "deny", "peer 192.0.2.1 not in shop/shoes-writer rule 1"),
        ("from=shop/inventory&to=shop/shoes&port=80", "deny", "port 80/TCP not in shop/shoes-writer rule 1"),
        ("from=shop/inventory&to=shop/shoes&port=8080&protocol=udp", "allow", "allowed"),
        ("from=shop/shoes&to=shop/inventory&port=8080&header=x-a:1&header=X-A:%202&host=a", "allow", "allowed"),
    ]

    @Test(arguments: rows)
    func bySocket(_ row: (String, String, String)) async throws {
        try await SocketFixture.serve(RequestFixture.world) { fixture in
            let answer = try await fixture.call("GET", "/v1/verdict?\(row.0)").decode(VerdictAnswer.self)
            #expect(answer.verdict == row.1)
            #expect(answer.ingress?.reason.contains(row.2) == true, "\(answer.ingress?.reason ?? "")")
        }
    }

    @Test(arguments: [
        ("method=a%20b", "the method 'a b' is not one word"), ("path=x", "the path 'x' must begin with /"),
        ("header=novalue", "'header' must be NAME:VALUE"), ("header=a%20b:c", "'a b' is not the name of a header"),
        ("header=host:c", "the header 'host' is given as the host"), ("host=a/b", "the host 'a/b'"),
        ("protocol=udp&method=GET", "UDP carries no HTTP requests: only TCP does"),
        ("method=GET&method=PUT", "the parameter 'method' is given twice"),
    ])
    func wrongRequests(_ parameters: String, _ problem: String) async throws {
        try await SocketFixture.serve(RequestFixture.world) { fixture in
            let target = "/v1/verdict?from=shop/inventory&to=shop/shoes&port=8080&\(parameters)"
            let answer = try await fixture.call("GET", target)
            #expect(answer.status == 400 && answer.errorCode == .badRequest)
            #expect(String(decoding: answer.body, as: UTF8.self).contains(problem))
        }
    }

    private func offline(_ arguments: String..., input: String = "") async throws -> CommandLine {
        let directory = try TemporaryDirectory()
        try write(RequestFixture.world, to: directory.path + "/shop.yaml")
        let path = directory.path
        defer { withExtendedLifetime(directory) {} }
        return try await onOwnThread {
            try CommandLine.run("bulkheadctl", ["verdict", "--manifests", path] + arguments, input: input)
        }
    }

    @Test func offlineAndExitCodes() async throws {
        let flow = ["shop/inventory", "shop/shoes", "8080/tcp"]
        let depends = try await offline(flow[0], flow[1], flow[2])
        #expect(depends.status == 0 && depends.output.hasPrefix("depends  10.1.0.1 -> 10.1.0.2 8080/TCP\n"))
        #expect(depends.output.contains("ask about one request with --method, --path, --host and --header\n"))
        #expect(try await offline(flow[0], flow[1], flow[2], "--exit-code").status == 5)
        let denied = try await offline(flow[0], flow[1], flow[2], "--exit-code", "--method", "GET")
        #expect(denied.status == 3 && denied.output.contains("method GET not in shop/shoes-writer rule 1 (POST)"))
        let allowed = try await offline(
            flow[0], flow[1], flow[2], "--exit-code", "--method", "POST", "--path", "/a?b", "--host", "shoes",
            "--header", "x-token=a", "--header", "x-token: b")
        #expect(allowed.status == 0 && allowed.output.hasPrefix("allow"))
        let other = try await offline(flow[0], flow[1], flow[2], "--method", "POST", "--trust-domain", "other.example")
        #expect(other.output.hasPrefix("deny"))
        #expect(other.output.contains("other.example/ns/shop/sa/inventory-sa"))
        #expect(try await offline(flow[0], flow[1], "53/udp", "--method", "GET").status == 2)
        #expect(try await offline(flow[0], flow[1], flow[2], "--header", "x").status == 2)
    }

    @Test func queriesHaveRequests() async throws {
        let questions = """
            {"from":"shop/inventory","to":"shop/shoes","port":8080}
            {"from":"shop/inventory","to":"shop/shoes","port":8080,"method":"POST","path":"/","host":"h"}
            {"from":"shop/inventory","to":"shop/shoes","port":8080,"method":"GET","headers":{"x-a":"1"}}
            {"from":"shop/inventory","to":"shop/shoes","port":8080,"headers":["x-a"]}
            {"from":"shop/inventory","to":"shop/shoes","port":8080,"headers":{"x-a":{}}}
            {"from":"shop/inventory","to":"shop/shoes","port":8080,"methods":"GET"}
            {"from":"shop/inventory","to":"shop/shoes","protocol":"udp","port":8080,"method":"GET"}
            """
        let result = try await offline("--queries", "-", input: questions)
        let verdicts = result.output.split(separator: "\n").map { line -> Substring in
            line.hasPrefix(#"{"verdict":""#) ? line.dropFirst(12).prefix { $0 != "\"" } : "error"
        }
        #expect(verdicts == ["depends", "allow", "deny", "error", "error", "error", "error"])
        #expect(result.output.contains("there are from, to, protocol, port, method, path, host, headers"))
        #expect(try await offline("--queries", "-", "--method", "GET").status == 2)
    }
}
