// SPDX-License-Identifier: Apache-2.0
import Agent
import Testing

/// Tables at 80 columns with names as long as Kubernetes allows.
@Suite(.serialized) struct LongNameTests {
    private static func name(_ start: String) -> String {
        start + String(repeating: "-long", count: 12).prefix(63 - start.count - 1) + "z"
    }
    private static let namespace = name("shop")
    private static let web = name("web")
    private static let redis = name("redis")

    private static let manifests = """
        apiVersion: v1
        kind: Namespace
        metadata: {name: \(namespace)}
        ---
        apiVersion: v1
        kind: Pod
        metadata: {name: \(web), namespace: \(namespace), labels: {app: web}}
        spec: {nodeName: node, containers: [{name: c, image: i}]}
        status: {phase: Running, podIPs: [{ip: 10.1.0.1}, {ip: 'fd00:1234:5678:9abc:def0:1234:5678:9abc'}]}
        ---
        apiVersion: v1
        kind: Pod
        metadata: {name: \(redis), namespace: \(namespace), labels: {app: redis}}
        spec: {nodeName: node, containers: [{name: c, image: i}]}
        status: {phase: Running, podIPs: [{ip: 10.1.0.2}]}

        """ + (0..<20).map(policy).joined()

    private static func policy(_ number: Int) -> String {
        """
        ---
        apiVersion: networking.k8s.io/v1
        kind: NetworkPolicy
        metadata: {name: \(name("policy\(number)")), namespace: \(namespace)}
        spec:
          podSelector: {}
          ingress: [{from: [{podSelector: {matchLabels: {app: web}}}], ports: [{port: \(6379 + number)}]}]

        """
    }

    /// Lines without their spaces, by which a table is aligned and wrapped.
    private static func joined(_ lines: [Substring]) -> String { lines.joined().filter { $0 != " " } }

    @Test(arguments: [
        "endpoints", "policies", "counters", "status", "verdict \(namespace)/\(web) \(namespace)/\(redis) 80",
        "top pods --once -d 0.1", "top rules --once -d 0.1", "top denied --once -d 0.1",
    ])
    func tablesHold(command: String) async throws {
        try await SocketFixture.serve(Self.manifests) { fixture in
            try await Self.count(fixture)
            func run(_ more: String) async throws -> String {
                let line = "COLUMNS=80 exec \"$0\" --socket \(fixture.path) \(command) \(more)"
                return try await onOwnThread { try CommandLine.runShell(line, program: "bulkheadctl") }
            }
            let lines = try await run("").split(separator: "\n", omittingEmptySubsequences: false)
            #expect(lines.count > 1 && lines.allSatisfy { $0.count <= 80 }, "\(lines.joined(separator: "\n"))")
            let wide = try await run("-o wide").split(separator: "\n", omittingEmptySubsequences: false)
            #expect(wide.count <= lines.count)
            guard command == "endpoints" || command == "policies" else { return }
            #expect(wide.contains { $0.count > 126 })
            if command == "endpoints" {
                #expect(lines[0].hasPrefix("NAMESPACE ") && lines.contains { $0.contains("20 ") })
                #expect(wide[1].contains(" \(Self.namespace)  \(Self.redis)  10.1.0.2 "))
            }
        }
    }

    /// What a table wraps is complete: the parts of a column, put together, are the name.
    @Test func namesAreWrappedAndNotCut() async throws {
        try await SocketFixture.serve(Self.manifests) { fixture in
            let line = "COLUMNS=80 exec \"$0\" policies --no-headers --socket \(fixture.path)"
            let output = try await onOwnThread { try CommandLine.runShell(line, program: "bulkheadctl") }
            let rows = output.split(separator: "\n").map { $0.split(separator: " ") }
            let first = rows.prefix { !$0.isEmpty && ($0 == rows[0] || $0[0] != rows[0][0]) }
            let letters = Self.joined(first.flatMap { $0 })
            #expect(first.count > 1 && !output.contains("…") && !output.contains("NAMESPACE"))
            #expect(letters.filter { $0 == "z" }.count == 2, "\(output)")
        }
    }

    /// So that there is a row whose rule names all policies.
    private static func count(_ fixture: SocketFixture) async throws {
        let rules = fixture.kernel.policy.rules.keys
        fixture.kernel.state.withLock { state in
            for rule in rules { state.counters[rule] = .init(packets: 5, bytes: 500) }
        }
    }
}
