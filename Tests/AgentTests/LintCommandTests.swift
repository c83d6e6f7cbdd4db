// SPDX-License-Identifier: Apache-2.0
import Testing

/// `lint` and `check --lint`: what they print and how they exit.
@Suite(.serialized) struct LintCommandTests {
    private func control(_ arguments: String..., input: String = "") async throws -> CommandLine {
        try await onOwnThread { try CommandLine.run("bulkheadctl", arguments, input: input) }
    }

    private static let misplaced = """
        apiVersion: networking.k8s.io/v1
        kind: NetworkPolicy
        metadata: {name: redis, namespace: shop}
        spec:
          podSelector:
          matchLabels: {app: redis}
          ingress: []
        """
    private static let open = """
        apiVersion: networking.k8s.io/v1
        kind: NetworkPolicy
        metadata: {name: redis, namespace: shop}
        spec: {podSelector: {}, ingress: [{from: []}]}
        """

    @Test func aFindingNamesFileLineAndFix() async throws {
        let directory = try TemporaryDirectory()
        try write(Self.misplaced, to: directory.path + "/redis.yaml")
        let result = try await control("lint", directory.path)
        #expect(result.status == 3 && result.complaints.isEmpty)
        #expect(
            result.output == """
                \(directory.path)/redis.yaml:6: high BH001 NetworkPolicy shop/redis spec.matchLabels: matchLabels is \
                next to podSelector, not inside it: podSelector is empty and selects every pod.
                    fix: Indent matchLabels under podSelector.
                1 high

                """)
    }

    @Test func theLimitDecidesTheExitCode() async throws {
        #expect(try await control("lint", "-", input: Self.open).status == 0)
        #expect(try await control("lint", "--fail-on", "medium", "-", input: Self.open).status == 3)
        let ignored = try await control("lint", "--fail-on", "info", "--ignore", "BH016", "-", input: Self.open)
        #expect(ignored.status == 0 && ignored.output == "no findings\n")
    }

    @Test func wrongUsageAndPaths() async throws {
        #expect(try await control("lint").status == 2)
        let code = try await control("lint", "--ignore", "BH999", "-", input: Self.open)
        #expect(code.status == 2 && code.complaints.contains("BH999"))
        #expect(try await control("lint", "--fail-on", "grave", "-").status == 2)
        let missing = try await control("lint", "/nowhere/policies")
        #expect(missing.status == 1 && missing.complaints.contains("/nowhere/policies"))
        let empty = try await control("lint", "-", input: "")
        #expect(empty.status == 1 && empty.complaints.contains("there is no document"))
    }

    @Test func formsForPrograms() async throws {
        let sarif = try await control("lint", "-o", "sarif", "-", input: Self.open)
        #expect(sarif.status == 0 && sarif.output.contains(#""version":"2.1.0""#))
        #expect(sarif.output.contains(#""ruleId":"BH016""#))
        let junit = try await control("lint", "-o", "junit", "--fail-on", "low", "-", input: Self.open)
        #expect(junit.status == 3 && junit.output.contains(#"failures="1""#))
        let json = try await control("lint", "-o", "json", "-", input: Self.open)
        #expect(json.output.contains(#""code":"BH016""#))
    }

    /// What names do to a terminal is printed instead.
    @Test func hostileNames() async throws {
        let text = """
            {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "a\\u001b[2Jb"}, "spec": {}}
            """
        for form in ["text", "json", "sarif", "junit"] {
            let result = try await control("lint", "-o", form, "-", input: text)
            #expect(result.status == 3 && !result.output.contains("\u{1b}") && result.output.contains("\\u001b"))
        }
    }

    @Test func checkWithLint() async throws {
        let clean = try await control("check", "-", input: Self.open)
        #expect(clean.status == 0 && !clean.output.contains("BH016"))
        let result = try await control("check", "--lint", "-", input: Self.open)
        #expect(result.status == 0 && result.output.contains("medium BH016") && result.output.contains("no problems"))
        let many = (0..<7).map { "{key: k\($0), operator: NotIn, values: [a, b]}" }.joined(separator: ", ")
        let odd = Self.open.replacing("from: []", with: "from: [{podSelector: {matchExpressions: [\(many)]}}]")
        let noted = try await control("check", "--lint", "-", input: odd)
        #expect(noted.status == 0 && noted.output.contains("note: The policies were not compared"))
        let refused = try await control("check", "--lint", "-", input: Self.misplaced)
        #expect(refused.status == 1 && refused.output.contains("high BH001"))
    }
}
