// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import Glibc
import Testing

/// `bulkheadctl explain`, and `verdict --kernel`.
@Suite(.serialized) struct ExplainCommandTests {
    private func control(_ fixture: SocketFixture, _ arguments: String...) async throws -> CommandLine {
        let arguments = arguments.prefix(1) + ["--socket", fixture.path] + arguments.dropFirst()
        return try await onOwnThread { try CommandLine.run("bulkheadctl", Array(arguments)) }
    }

    @Test func online() async throws {
        try await SocketFixture.serve { fixture in
            let denied = try await control(fixture, "explain", "192.0.2.1", "shop/redis", "6379/tcp")
            #expect(denied.status == 0 && denied.complaints.isEmpty)
            #expect(
                denied.output == """
                    deny  192.0.2.1 -> 10.1.0.2 6379/TCP

                    egress: -
                      = 192.0.2.1 is no known pod's address

                    ingress of shop/redis: deny
                      NetworkPolicy: no rule allows, so it is denied by default (shop/redis)
                        - port 6379/TCP of shop/redis rule 1 matches, the peer does not: 192.0.2.1 is not the address \
                    of a pod with a network of its own
                      = denied by default: shop/redis isolates this pod for ingress and no rule allows it; nearest \
                    rule: peer 192.0.2.1 not in shop/redis rule 1 (pods app=web in namespace shop)

                    kernel: deny  192.0.2.1 -> 10.1.0.2 6379/TCP, as the daemon says
                      ingress by rule \(rule(fixture)) (isolation by shop/redis)

                    """, "\(denied.output)")
            #expect(try await control(fixture, "explain", "192.0.2.1", "shop/redis", "1", "--exit-code").status == 3)
            let asked = try await control(fixture, "verdict", "--kernel", "shop/web", "shop/redis", "6379/tcp")
            #expect(asked.status == 0)
            #expect(asked.output.contains("\nkernel: allow  10.1.0.1 -> 10.1.0.2 6379/TCP, as the daemon says\n"))
            let own = try await control(fixture, "verdict", "--kernel", "shop/web", "shop/web", "1")
            #expect(own.output.contains("a pod's packets to its own address do not leave it"), "\(own.output)")
        }
    }

    private func rule(_ fixture: SocketFixture) -> UInt32 {
        fixture.kernel.policy.rules.first { if case .isolation = $0.value.identity { true } else { false } }?.key
            .rawValue
            ?? 0
    }

    @Test func aDisagreementIsCode6() async throws {
        try await SocketFixture.serve { fixture in
            fixture.kernel.state.withLock { $0.policy = CompiledPolicy() }
            let target = fixture.base.directory.path + "/bundle.json"
            let explained = try await control(
                fixture, "explain", "--bundle", target, "192.0.2.1", "shop/redis", "6379/tcp")
            #expect(explained.status == 6)
            #expect(explained.output.contains("  disagrees: the daemon says deny, the kernel allow\n"))
            #expect(explained.complaints.hasPrefix("error: the kernel and the daemon disagree"))
            #expect(explained.complaints.contains("`bulkheadctl diags`"))
            #expect(explained.complaints.contains("written to \(target)\n"))
            let bundle = String(decoding: try CommandLine.bytes(of: target), as: UTF8.self)
            #expect(bundle.contains(#""differences" : ["#) && bundle.contains(#""rows" : ["#), "\(bundle)")
            // What exists is not overwritten.
            let again = try await control(fixture, "verdict", "--bundle", target, "192.0.2.1", "shop/redis", "6379/tcp")
            #expect(again.status == 1 && again.complaints.contains("cannot write \(target): File exists"))
            let json = try await control(
                fixture, "verdict", "--kernel", "-o", "json", "192.0.2.1", "shop/redis", "6379")
            #expect(json.status == 6 && json.output.contains(#""bundle" : {"#))
            let folder = try TemporaryDirectory()
            let named = try await control(
                fixture, "explain", "--bundle", folder.path, "192.0.2.1", "shop/redis", "6379/tcp")
            #expect(named.status == 6 && named.complaints.contains("\(folder.path)/bulkhead-disagreement-"))
        }
    }

    @Test func offline() async throws {
        let directory = try TemporaryDirectory()
        let service = """

            ---
            apiVersion: v1
            kind: Service
            metadata: {name: redis, namespace: shop}
            spec: {clusterIP: 10.96.0.1, selector: {app: redis}, ports: [{port: 80, targetPort: 6379}]}
            """
        try write(AgentFixture.shop + service, to: directory.path + "/shop.yaml")
        let path = directory.path
        func run(_ arguments: String...) async throws -> CommandLine {
            try await onOwnThread {
                let words = arguments.prefix(1) + ["--manifests", path] + arguments.dropFirst()
                return try CommandLine.run("bulkheadctl", Array(words))
            }
        }
        let pod = try await run("explain", "shop/redis", "shop/redis", "80")
        #expect(pod.status == 0 && pod.output.contains("to its own address is always allowed"))
        let denied = try await run("explain", "shop/web", "shop/redis", "80/tcp", "--exit-code")
        #expect(denied.status == 3)
        #expect(
            denied.output.contains(
                "    - the peer of shop/redis rule 1 matches, port 80/TCP does not: 6379/TCP\n"), "\(denied.output)")
        #expect(!denied.output.contains("kernel"))
        let backends = try await run("explain", "shop/web", "svc/redis", "80/tcp", "-n", "shop")
        #expect(backends.status == 0)
        let lines = backends.output.split(separator: "\n").map {
            $0.split(separator: " ").prefix(3).joined(separator: " ")
        }
        #expect(lines.contains("shop/redis 6379 allow"), "\(backends.output)")
        #expect(try await run("verdict", "--kernel", "shop/web", "shop/redis", "80").status == 2)
        #expect(try await run("explain", "--bundle", "/x", "shop/web", "shop/redis", "80").status == 2)
    }
}
