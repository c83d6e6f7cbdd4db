// SPDX-License-Identifier: Apache-2.0
import Glibc
import Testing

/// `bulkheadctl test` and `bulkheadctl suggest`, as a person or CI runs them.
@Suite(.serialized) struct PolicyTestCommandTests {
    private func control(_ arguments: String..., input: String = "") async throws -> CommandLine {
        try await onOwnThread { try CommandLine.run("bulkheadctl", arguments, input: input) }
    }

    private static let manifests =
        ShopManifests.web + """
            apiVersion: v1
            kind: Pod
            metadata: {name: redis, namespace: shop, labels: {app: redis}}
            spec: {containers: [{name: c, image: i}]}
            ---
            apiVersion: networking.k8s.io/v1
            kind: NetworkPolicy
            metadata: {name: redis, namespace: shop}
            spec:
              podSelector: {matchLabels: {app: redis}}
              ingress: [{from: [{podSelector: {matchLabels: {app: web}}}], ports: [{port: 6379}]}]

            """

    private static let tests = """
        manifests: [shop]
        tests:
        - name: web reaches redis
          allow: {from: shop/web, to: shop/redis, ports: 6379}
          rule: {policy: shop/redis, rule: 1}
        - name: others do not
          deny: {from: outside, to: shop/redis}

        """

    /// A folder with manifests in `shop`, and a file of tests.
    private func folder(_ tests: String = Self.tests) throws -> TemporaryDirectory {
        let directory = try TemporaryDirectory()
        try #require(mkdir(directory.path + "/shop", 0o700) == 0)
        try write(Self.manifests, to: directory.path + "/shop/all.yaml")
        try write(tests, to: directory.path + "/t.yaml")
        return directory
    }

    @Test func testsThatPass() async throws {
        let directory = try folder()
        let result = try await control("test", directory.path + "/t.yaml")
        #expect(result.output == "2 tests: 2 passed\n" && result.status == 0, "\(result)")
        let junit = try await control("test", "-o", "junit", directory.path + "/t.yaml")
        #expect(junit.output.contains(#"tests="2" failures="0" errors="0""#) && junit.status == 0)
    }

    @Test func aTestThatFails() async throws {
        let directory = try folder(Self.tests.replacing("deny: {from: outside", with: "deny: {from: anywhere"))
        let file = directory.path + "/t.yaml"
        let result = try await control("test", file)
        #expect(result.status == 3)
        #expect(result.output.hasPrefix("failed  \(file):6: others do not: "), "\(result)")
        #expect(result.output.hasSuffix("2 tests: 1 passed, 1 failed\n"))
        #expect(result.output.contains("allowed by shop/redis rule 1"))
        let sarif = try await control("test", "-o", "sarif", file)
        #expect(
            sarif.status == 3 && sarif.output.contains(#""ruleId":"BHT1""#) && sarif.output.contains(#""startLine":6"#))
        let junit = try await control("test", "-o", "junit", file)
        #expect(junit.status == 3 && junit.output.contains(#"failures="1""#) && junit.output.contains(#"line="6""#))
        let json = try await control("test", "-o", "json", file)
        #expect(json.status == 3 && json.output.contains(#""failed" : 1"#))
    }

    /// Neither a pod nor a file that is not there lets a test pass.
    @Test func testsThatSayNothing() async throws {
        let directory = try folder(Self.tests.replacing("from: outside", with: "from: shop/wbe"))
        let file = directory.path + "/t.yaml"
        let error = try await control("test", file)
        #expect(error.status == 1 && error.output.contains("error  \(file):6: others do not: "), "\(error)")
        try write(Self.tests.replacing("[shop]", with: "[shpo]"), to: file)
        let missing = try await control("test", file)
        #expect(
            missing.status == 1 && missing.output.contains("refused") && missing.output.contains("/shpo"), "\(missing)")
        try write(Self.tests.replacing("ports: 6379", with: "port: 6379"), to: file)
        let unknown = try await control("test", file)
        #expect(unknown.status == 1 && unknown.output.contains("\(file):4:"), "\(unknown)")
        let none = try await control("test", directory.path + "/nothing.yaml")
        #expect(none.status == 1 && none.output.contains("cannot open"), "\(none)")
        try write(Self.tests, to: file)
        try write(
            Self.manifests.replacing("podSelector: {", with: "podSelectors: {"), to: directory.path + "/shop/all.yaml")
        let refused = try await control("test", "-o", "junit", file)
        #expect(refused.status == 1 && refused.output.contains("podSelectors"), "\(refused)")
    }

    @Test func aTestRunsAgainAfterAChange() async throws {
        let directory = try folder()
        let changed = Self.manifests.replacing("app: web}}}]", with: "app: api}}}]")
        try await onOwnThread {
            let program = try TerminalProgram(
                "bulkheadctl", ["test", "--watch", "--color", "never", directory.path + "/t.yaml"])
            try #require(program.shows("2 tests: 2 passed"))
            try write(changed, to: directory.path + "/shop/all.yaml")
            try #require(program.shows("2 tests: 1 passed, 1 failed"))
        }
    }

    private static func line(_ from: String, _ to: String, _ port: Int, verdict: String = "FORWARDED", node: String)
        -> String
    {
        func pod(_ name: String) -> String {
            name.isEmpty ? "" : #"{"namespace":"shop","pod_name":"\#(name)"}"#
        }
        let ends = [("source", from), ("destination", to)].filter { !$0.1.isEmpty }
            .map { #""\#($0.0)":\#(pod($0.1)),"# }.joined()
        let addresses = ["": "192.0.2.9", "web-x": "10.244.0.2", "redis": "10.244.0.1"]
        return """
            {"flow":{"time":"2026-01-01T00:00:00.000Z","verdict":"\(verdict)","IP":{"source":"\(addresses[from] ?? "")",\
            "destination":"\(addresses[to] ?? "")","ipVersion":"IPv4"},"l4":{"TCP":{"source_port":40000,\
            "destination_port":\(port)}},\(ends)"Type":"L3_L4","node_name":"\(node)","is_reply":false,\
            "event_type":{"type":5},"traffic_direction":"EGRESS","Summary":"s","bulkhead":{"cause":"new","reason":"r"}},\
            "node_name":"\(node)","time":"2026-01-01T00:00:00.000Z"}

            """
    }

    @Test func aSuggestionFromSeveralNodes() async throws {
        let directory = try folder()
        let (a, b) = (directory.path + "/a.json", directory.path + "/b.json")
        try write(
            Self.line("web-x", "redis", 6379, node: "n1") + Self.line("web-x", "", 443, node: "n1")
                + Self.line("redis", "", 80, verdict: "DROPPED", node: "n1"), to: a)
        // The last line has no end.
        try write(String(Self.line("web-x", "redis", 6379, node: "n\u{2028}2").dropLast()), to: b)
        let arguments = ["suggest", "shop/web", "-f", directory.path + "/shop"]
        func run(_ files: [String], _ more: [String] = []) async throws -> CommandLine {
            let flows = files.flatMap { ["--flows", $0] }
            return try await onOwnThread { try CommandLine.run("bulkheadctl", arguments + flows + more) }
        }
        let first = try await run([a, b])
        let second = try await run([b, a])
        #expect(first.status == 0 && first.output == second.output, "\(first)")
        #expect(
            first.output.contains("# of 2 nodes: n1, n?2\n") && first.output.contains("bulkhead.dev/enforcement: audit")
        )
        #expect(first.output.contains("from 2 distinct flows") && first.output.contains(#"cidr: "192.0.2.9/32""#))
        let enforced = try await run([a, b], ["--enforce"])
        #expect(enforced.status == 0 && !enforced.output.contains("enforcement:"))
        // What is printed is valid, and allows what was seen but nothing else.
        try write(enforced.output, to: directory.path + "/shop/seen.yaml")
        let check = try await control("check", directory.path + "/shop")
        #expect(check.status == 0, "\(check)")
        try write(
            Self.tests + "- allow: {from: shop/web, to: 192.0.2.9, ports: 443}\n"
                + "- deny: {from: shop/web, to: outside, ports: 80}\n- deny: {from: outside, to: shop/web}\n",
            to: directory.path + "/t.yaml")
        let tested = try await control("test", directory.path + "/t.yaml")
        #expect(tested.output == "5 tests: 5 passed\n", "\(tested)")
    }

    @Test func flowsThatCannotBeRead() async throws {
        let directory = try folder()
        try write("{}\n", to: directory.path + "/a.json")
        let bad = try await control(
            "suggest", "shop", "-f", directory.path + "/shop", "--flows", directory.path + "/a.json")
        #expect(bad.status == 1 && bad.complaints.contains("a.json:1: not a line of"), "\(bad)")
        let nowhere = try await control("suggest", "nowhere", "-f", directory.path + "/shop", "--flows", "-")
        #expect(nowhere.status == 1 && nowhere.complaints.contains("no workload in the namespace nowhere"))
        let usage = try await control("suggest", "a/b/c", "-f", directory.path)
        #expect(usage.status == 2)
    }
}
