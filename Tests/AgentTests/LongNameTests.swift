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

    private static func manifests(policies: Int) -> String {
        """
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

        """ + (0..<policies).map(policy).joined()
    }

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

    @Test(arguments: [
        "endpoints", "policies", "counters", "status", "verdict \(namespace)/\(web) \(namespace)/\(redis) 80",
        "explain \(namespace)/\(web) \(namespace)/\(redis) 80",
        "verdict --kernel \(namespace)/\(web) \(namespace)/\(redis) 80",
        "top pods --once -d 0.1", "top rules --once -d 0.1", "top denied --once -d 0.1",
    ])
    func tablesHold(command: String) async throws {
        try await SocketFixture.serve(Self.manifests(policies: 20)) { fixture in
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
                #expect(lines[0].hasPrefix("NAMESPACE ") && lines.contains { $0.contains("  20 policies  ") })
                #expect(wide[1].contains(" \(Self.namespace)  \(Self.redis)  10.1.0.2 "))
            }
        }
    }

    /// What a table wraps is complete: the parts of a column, put together, are the name.
    @Test func namesAreWrappedAndNotCut() async throws {
        try await SocketFixture.serve(Self.manifests(policies: 1)) { fixture in
            let line = "COLUMNS=80 exec \"$0\" policies --socket \(fixture.path)"
            let output = try await onOwnThread { try CommandLine.runShell(line, program: "bulkheadctl") }
            let lines = output.split(separator: "\n")
            for (title, name) in [("NAMESPACE", Self.namespace), ("NAME", Self.name("policy0"))] {
                let place = try #require(lines[0].firstRange(of: " \(title) "))
                let start = lines[0].distance(from: lines[0].startIndex, to: place.lowerBound) + 1
                let parts = lines.map { $0.dropFirst(start).prefix { $0 != " " } }
                #expect(parts.joined() == title + name, "\(output)")
            }
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
