// SPDX-License-Identifier: Apache-2.0
import Agent
import ControlProtocol
import ControlSocket
import Glibc
import Manifests
import NetworkTypes
import PolicyModel
import RequestPolicy
import SPOP
import Testing

/// `bulkhead-http decide` as a program, without HAProxy, beside the daemon's own socket for proxies.
@Suite(.serialized) struct DeciderTests {
    private func serve(at path: String? = nil, _ body: (SocketFixture) async throws -> Void) async throws {
        try await SocketFixture.serve(RequestFixture.world, scope: .requests(users: []), at: path, body)
    }

    private static func change(methods: String) throws -> ManifestChange {
        ManifestChange(
            events: try AgentFixture.objects(RequestFixture.policy(methods: methods)).map { .set($0) })
    }

    private func message(_ method: String?, from source: String = "10.1.0.1") throws -> SPOPMessage {
        try DeciderProgram.message(from: source, method: method)
    }

    @Test func itFollowsAnswersKeepsAndReports() async throws {
        try await serve { fixture in
            let program = try await DeciderProgram.start(following: fixture.path)
            #expect(try await eventually { await fixture.agent.status().requests?.proxyReady == true })
            let questions = [
                try message(nil), try message("POST"), try message("GET"), try message(nil, from: "10.1.0.3"),
                SPOPMessage(name: "request", arguments: []),
            ]
            #expect(try await program.verdicts(questions) == ["ask", "allow", "deny", "deny", "unknown"])
            let line = try #require(program.output.split(separator: "\n").first { $0.contains(#""method":"GET""#) })
            for part in [
                #""verdict":"deny""#, #""source":"10.1.0.1""#, #""pod":"shop/shoes""#, #""path":"/shoes""#,
                #""policy":"shop/shoes-writer""#,
            ] { #expect(line.contains(part), "\(line)") }
            #expect(!program.output.contains(#""method":"POST""#), "allowed ones are not printed")
            #expect(try await eventually { program.kept != nil })
            #expect(program.kept?.hasSameRules(as: RequestPolicy(fixture.kernel.policy, generation: 0)) == true)

            await fixture.agent.manifestsChanged(try Self.change(methods: "POST, GET"))
            let get = try message("GET")
            #expect(try await eventually { try await program.verdict(get) == "allow" })
            #expect(
                try await eventually {
                    program.kept?.hasSameRules(as: RequestPolicy(fixture.kernel.policy, generation: 0)) == true
                })
            #expect(
                try await eventually {
                    let told = try await fixture.agent.counters().requests?.verdicts ?? [:]
                    return told["allow", default: 0] >= 2 && told["deny", default: 0] >= 2
                })
            #expect(try await program.stop() == 0)
            #expect(try await eventually { await fixture.agent.status().requests?.proxyReady == false })
        }
    }

    @Test func metricsAndHealth() async throws {
        try await serve { fixture in
            let program = try await DeciderProgram.start(following: fixture.path, ["--log-allowed"])
            #expect(try await program.verdicts([try message("POST"), try message("GET")]) == ["allow", "deny"])
            #expect(program.output.contains(#""method":"POST""#), "--log-allowed")
            #expect(try await program.get("/healthz").status == 200)
            #expect(try await program.get("/other").status == 404)
            let text = String(decoding: try await program.get("/metrics").body, as: UTF8.self)
            for series in [
                #"bulkhead_http_requests_total{verdict="allow",namespace="shop",policy="shoes-writer",rule="1"} 1"#,
                #"bulkhead_http_requests_total{verdict="deny",namespace="shop",policy="shoes-writer",rule=""} 1"#,
                "bulkhead_http_has_policy 1", "bulkhead_http_endpoints 1", "bulkhead_http_decision_seconds_count 2",
            ] { #expect(text.contains("\n\(series)\n"), "\(series) in \(text)") }
            // What HAProxy's log says it refused.
            try Self.log("10.1.0.1:4 10.1.0.2:8080 refused tls- PR-- 0", to: program.logPort)
            let reason = #"bulkhead_http_refused_total{reason="TLS, whose requests cannot be read"} 1"#
            #expect(
                try await eventually {
                    String(decoding: try await program.get("/metrics").body, as: UTF8.self).contains(reason)
                })
            // Clients that only hold connections keep out neither others nor HAProxy.
            let port = program.metricsPort
            let held = try await onOwnThread { try (0..<200).map { _ in try RawClient(port: port) } }
            #expect(try await program.get("/healthz").status == 200)
            let (first, last) = (held[0], held[199])
            let end = try await onOwnThread { first.receive() }
            #expect(end.isEmpty, "the oldest is closed")
            #expect(try await program.verdict(try message("POST")) == "allow")
            let answer = try await onOwnThread {
                last.send(SocketFixture.request("GET", "/healthz"))
                return last.receiveAll()
            }
            #expect(try RawAnswer(answer).status == 200)
            withExtendedLifetime(held) {}
            #expect(try await program.stop(SIGINT) == 0)
        }
    }

    private static func log(_ line: String, to port: UInt16) throws {
        let descriptor = socket(AF_INET, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        address.sin_port = port.bigEndian
        let bytes = Array(line.utf8)
        let sent = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                sendto(descriptor, bytes, bytes.count, 0, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        try #require(sent == bytes.count)
    }

    @Test func withoutADaemonNothingIsAllowedUntilItComes() async throws {
        let directory = try TemporaryDirectory()
        let socket = directory.path + "/requests.sock"
        let program = try await DeciderProgram.start(following: socket, in: directory)
        #expect(try await program.verdicts([try message(nil), try message("POST")]) == ["deny", "unknown"])
        #expect(try await program.get("/healthz").status == 503)
        #expect(program.kept == nil)
        let output = program.output
        #expect(output.contains("requests.sock") && output.contains("everything is denied"), "\(output)")
        let post = try message("POST")
        try await serve(at: socket) { _ async throws in
            #expect(try await eventually { try await program.verdict(post) == "allow" })
            #expect(try await program.get("/healthz").status == 200)
        }
        // The daemon is gone again: the last policy decides.
        #expect(try await eventually { program.output.contains("the last policy stays in force") })
        #expect(try await program.verdicts([post, try message("GET")]) == ["allow", "deny"])
        #expect(try await program.stop() == 0)
    }

    @Test func whatOneCallerSendsHarmsNoOther() async throws {
        try await serve { fixture in
            let program = try await DeciderProgram.start(following: fixture.path)
            let path = DeciderProgram.spopSocket(in: program.directory)
            let post = try message("POST")
            try await onOwnThread {
                let good = try SPOPCaller(path)
                for bytes in Self.hostile {
                    let bad = try SPOPCaller(path, greets: false)
                    bad.client.send(bytes)
                    bad.client.endSending()
                    // A reason or nothing, and the end.
                    if let frame = try bad.next() {
                        guard case .agentDisconnect(let status) = frame else { throw SPOPCaller.Unexpected() }
                        #expect(status.code > 0)
                    }
                    #expect(try bad.next() == nil)
                    #expect(try good.verdicts([post]) == ["allow"])
                }
                // A health check is answered and ends.
                let check = try SPOPCaller(path, greets: false)
                var hello: [UInt8] = []
                SPOPFrame.haproxyHello(
                    SPOPHello(supportedVersions: ["2.0"], maxFrameSize: 16380, capabilities: [], isHealthCheck: true)
                ).append(to: &hello)
                check.client.send(hello)
                guard case .agentHello? = try check.next() else { throw SPOPCaller.Unexpected() }
                #expect(try check.next() == nil)
            }
            #expect(try await program.stop() == 0)
        }
    }

    private static var hostile: [[UInt8]] {
        var question: [UInt8] = []
        SPOPFrame.notify(stream: 1, frame: 1, []).append(to: &question)
        return [
            [], [0], [0, 0, 0, 1, 99], [0xff, 0xff, 0xff, 0xff], Array("GET / HTTP/1.1\r\n\r\n".utf8), question,
            [0, 0x10, 0, 0] + [UInt8](repeating: 0, count: 1 << 20), [0, 0, 0, 0],
        ]
    }
}
