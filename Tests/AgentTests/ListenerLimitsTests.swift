// SPDX-License-Identifier: Apache-2.0
import Agent
import ControlProtocol
import ControlSocket
import FoundationEssentials
import Glibc
import NIOCore
import Testing

/// Clients that hold connections, say half of something, or never read.
/// One test at a time: each waits for answers and timers, which a busy machine delays.
@Suite(.serialized) struct ListenerLimitsTests {
    private static let half = Array("GET /metrics HTTP/1.1\r\nHost: x\r\nX: ".utf8)

    private static func few(perPeer: Int = 8, stall: TimeAmount = .seconds(30)) -> ListenerLimits {
        ListenerLimits(connections: 8, connectionsPerPeer: perPeer, stallTime: stall)
    }

    /// Descriptors of this process that are connections accepted at a port of 127.0.0.1. All descriptors would include
    /// those of other tests that run at the same time.
    private static func connections(acceptedAt port: UInt16) throws -> Int {
        var held: Set<Substring> = []
        for name in try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd") {
            let target = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\(name)")) ?? ""
            if target.hasPrefix("socket:[") { held.insert(target.dropFirst(8).dropLast()) }
        }
        let digits = String(port, radix: 16, uppercase: true)
        let local = "0100007F:" + String(repeating: "0", count: 4 - digits.count) + digits
        return try String(contentsOfFile: "/proc/net/tcp", encoding: .utf8).split(separator: "\n").dropFirst().count {
            let columns = $0.split(separator: " ")
            return columns.count > 9 && columns[1] == local && columns[3] != "0A" && held.contains(columns[9])
        }
    }

    /// Asks until there is an answer: while the listener still closes others' connections, it may close this one too.
    private static func serves(_ target: String, _ fixture: MetricsFixture) async throws -> Bool {
        try await eventually {
            let answer = (try? await fixture.exchange(SocketFixture.request("GET", target))) ?? []
            return try !answer.isEmpty && RawAnswer(answer).status == 200
        }
    }

    @Test func manyHalfRequestsTakeFewDescriptorsAndKeepNobodyOut() async throws {
        try await MetricsFixture.serve(limits: Self.few()) { fixture in
            let port = fixture.port
            let clients = try await onOwnThread {
                try (0..<200).map { _ in
                    let client = try RawClient(port: port)
                    client.send(Self.half)
                    return client
                }
            }
            #expect(try await eventually { try Self.connections(acceptedAt: port) <= 8 + 2 })
            for target in ["/healthz", "/metrics", "/readyz"] {
                #expect(try await Self.serves(target, fixture))
            }
            withExtendedLifetime(clients) {}
        }
    }

    @Test func halfARequestIsNotWaitedForLong() async throws {
        var limits = Self.few()
        limits.headTime = .milliseconds(300)
        limits.idleTime = .milliseconds(300)
        try await MetricsFixture.serve(limits: limits) { fixture in
            let port = fixture.port
            let whole = Array("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n".utf8)
            for bytes in [[], Self.half, whole, whole + Self.half] {
                let took = try await onOwnThread {
                    let client = try RawClient(port: port)
                    client.send(bytes)
                    let start = ContinuousClock.now
                    _ = client.receiveAll()
                    return ContinuousClock.now - start
                }
                #expect(took < .seconds(10), "\(bytes.count) bytes")
            }
        }
    }

    @Test func aSlowHeadIsNotWaitedForLong() async throws {
        var limits = Self.few()
        limits.headTime = .milliseconds(500)
        try await MetricsFixture.serve(limits: limits) { fixture in
            let port = fixture.port
            let took = try await onOwnThread {
                let client = try RawClient(port: port)
                client.send(Self.half)
                let start = ContinuousClock.now
                while client.send([UInt8(ascii: "x")]), ContinuousClock.now - start < .seconds(30) { usleep(50_000) }
                return ContinuousClock.now - start
            }
            #expect(took < .seconds(10), "each byte must not begin a new wait")
        }
    }

    @Test func aBodyThatDoesNotComeIsNotWaitedForLong() async throws {
        var limits = Self.few()
        limits.bodyTime = .milliseconds(300)
        try await SocketFixture.serve(limits: limits) { fixture in
            let start = ContinuousClock.now
            let request = "PUT /v1/objects HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\napi"
            _ = try await fixture.exchange(Array(request.utf8))
            #expect(ContinuousClock.now - start < .seconds(10))
            #expect(await fixture.agent.status().pushed.objects == 0)
        }
    }

    @Test func aHeadHasALimit() async throws {
        try await MetricsFixture.serve { fixture in
            let long = String(repeating: "x", count: 64 << 10)
            for request in [
                "GET /\(long) HTTP/1.1\r\n\r\n", "GET /metrics HTTP/1.1\r\nX: \(long)\r\n\r\n",
                "GET /metrics HTTP/1.1\r\n" + String(repeating: "X: y\r\n", count: 1000) + "\r\n",
            ] {
                let answer = try await fixture.exchange(Array(request.utf8))
                if !answer.isEmpty { #expect([400, 404, 431].contains(try RawAnswer(answer).status)) }
            }
            #expect(try await fixture.get("/healthz").status == 200)
        }
    }

    @Test func onePeerHasItsShareAlone() async throws {
        try await MetricsFixture.serve(limits: Self.few(perPeer: 3)) { fixture in
            let port = fixture.port
            let clients = try await onOwnThread { try (0..<20).map { _ in try RawClient(port: port) } }
            #expect(try await eventually { try Self.connections(acceptedAt: port) <= 3 })
            #expect(try await Self.serves("/healthz", fixture))
            withExtendedLifetime(clients) {}
        }
    }

    @Test func whoNeverReadsIsCutOff() async throws {
        var limits = Self.few(stall: .milliseconds(500))
        limits.idleTime = .seconds(60)
        try await SocketFixture.serve(limits: limits) { fixture in
            let path = fixture.path
            let one = "GET /v1/status HTTP/1.1\r\nhost: x\r\n\r\n"
            let requests = Array(String(repeating: one, count: 2_000).utf8)
            // Answers fill the socket's buffers, then nothing is taken any more.
            let isCut = try await onOwnThread {
                let client = try RawClient(path)
                for _ in 0..<20 where !client.send(requests) { return true }
                return false
            }
            #expect(isCut)
            #expect(try await fixture.call("GET", "/v1/status").status == 200)
        }
    }

    @Test func followersHaveALimitAndLeaveRoomForOthers() async throws {
        try await SocketFixture.serve { fixture in
            let path = fixture.path
            let request = Array("GET /v1/events HTTP/1.1\r\nhost: x\r\n\r\n".utf8)
            var clients: [RawClient] = []
            for _ in 0..<ControlDefaults.followers {
                clients.append(
                    try await onOwnThread {
                        let client = try RawClient(path)
                        client.send(request)
                        _ = client.receive()
                        return client
                    })
            }
            let answer = try await fixture.call("GET", "/v1/events")
            #expect(answer.status == 503 && answer.errorCode == .busy)
            #expect(try await fixture.call("GET", "/v1/status").status == 200)
            clients = []
            #expect(try await eventually { await fixture.agent.status().followers == 0 })
            let again = try await onOwnThread {
                let client = try RawClient(path)
                client.send(request)
                return client.receive()
            }
            #expect(String(decoding: again, as: UTF8.self).hasPrefix("HTTP/1.1 200"))
        }
    }

    @Test func manyWhoAskAtOnceAreAnsweredByFewQuestions() async throws {
        let many = ListenerLimits(connections: 64, connectionsPerPeer: 64, stallTime: .seconds(30))
        try await MetricsFixture.serve(limits: many) { fixture in
            let start = ContinuousClock.now
            try await withThrowingTaskGroup(of: Int.self) { group in
                for _ in 0..<40 { group.addTask { try await fixture.get("/metrics").status } }
                for try await status in group { #expect(status == 200) }
            }
            #expect(ContinuousClock.now - start < .seconds(30))
            // A request after a change sees it.
            func policies() async throws -> Double {
                try await fixture.metrics().filter { $0.key.hasPrefix("bulkhead_policies{") }.values.reduce(0, +)
            }
            let before = try await policies()
            try await fixture.removePolicy()
            #expect(try await policies() == before - 1)
        }
    }
}
