// SPDX-License-Identifier: Apache-2.0
import Agent
import ControlProtocol
import ControlSocket
import Datapath
import Glibc
import PolicyModel
import Testing

/// Metrics and probes over real connections.
/// One test at a time: each waits for answers and timers, which a busy machine delays.
@Suite(.serialized) struct MetricsTests {
    private static let denied =
        #"bulkhead_denied_packets_total{direction="ingress",tier="NetworkPolicy",namespace="shop"}"#

    @Test func everyMetricHasUnitTypeAndHelp() async throws {
        try await MetricsFixture.serve { fixture in
            let answer: RawAnswer = try await fixture.get("/metrics")
            #expect(answer.status == 200)
            #expect(answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8")
            let lines = String(decoding: answer.body, as: UTF8.self).split(separator: "\n")
            let types = lines.filter { $0.hasPrefix("# TYPE ") }.map { $0.split(separator: " ") }
            #expect(types.count > 25)
            #expect(Set(types.map { $0[2] }).count == types.count)
            #expect(lines.count { $0.hasPrefix("# HELP ") } == types.count)
            for type in types {
                #expect(type[2].hasPrefix("bulkhead_") || type[2].hasPrefix("process_"))
                #expect((type[3] == "counter") == type[2].hasSuffix("_total"), "\(type[2])")
                if type[3] == "histogram" { #expect(type[2].hasSuffix("_seconds")) }
            }
        }
    }

    @Test func whatTheAgentKnows() async throws {
        try await MetricsFixture.serve { fixture in
            let metrics: [String: Double] = try await fixture.metrics()
            #expect(metrics[#"bulkhead_build_info{version="0.1.0",node="node",datapath="fake"}"#] == 1)
            #expect(metrics["bulkhead_endpoints"] == 2)
            #expect(metrics["bulkhead_endpoints_without_interface"] == 2)
            #expect(metrics[#"bulkhead_policies{enforcement="enforce"}"#] == 1)
            #expect(metrics[#"bulkhead_invalid_packets_total{reason="spoofed"}"#] == 7)
            #expect(metrics[#"bulkhead_table_entries{table="endpoints"}"#] == 2)
            #expect(metrics[#"bulkhead_table_limit{table="endpoints"}"#] == 2047)
            #expect(metrics[#"bulkhead_table_entries{table="fake"}"#] == 3)
            #expect(metrics[#"bulkhead_table_limit{table="fake"}"#] == 10)
            #expect(metrics[#"bulkhead_connections_dropped_packets_total{reason="no_room"}"#] == 4)
            #expect(metrics[#"bulkhead_connections_dropped_packets_total{reason="clash"}"#] == 5)
            #expect(metrics["bulkhead_connections_evicted_total"] == 6)
            #expect(metrics["bulkhead_in_place"] == 1 && metrics["bulkhead_in_step"] == 1)
            #expect(metrics["bulkhead_programming_batches_total"] == 1)
            #expect(metrics["process_resident_memory_bytes"]! > 1e6)
            #expect(abs(metrics["process_start_time_seconds"]! - Double(time(nil))) < 3600)
        }
    }

    @Test func deniedPacketsAreSummedAndNeverFall() async throws {
        try await MetricsFixture.serve { fixture in
            let isolation = try #require(
                fixture.kernel.policy.rules.first { if case .isolation = $0.value.identity { true } else { false } })
            let allowing = try #require(
                fixture.kernel.policy.rules.first { if case .rule = $0.value.identity { true } else { false } })
            func count(_ packets: UInt64) async throws -> Double? {
                fixture.kernel.state.withLock {
                    $0.counters = [
                        isolation.key: RuleCounter(packets: packets), allowing.key: RuleCounter(packets: 99),
                    ]
                }
                return try await fixture.metrics()[Self.denied]
            }
            // Before the first packet the series is there.
            let none: Double? = try await fixture.metrics()[Self.denied]
            #expect(none == 0)
            let first: Double? = try await count(5)
            let more: Double? = try await count(12)
            #expect(first == 5 && more == 12)
            // A counter that started again.
            let anew: Double? = try await count(3)
            #expect(anew == 15)
            // The rule is gone, and comes back.
            try await fixture.removePolicy()
            fixture.kernel.state.withLock { $0.counters = [:] }
            let gone: Double? = try await fixture.metrics()[Self.denied]
            #expect(gone == 15)
        }
    }

    @Test func whatPoliciesInAuditWouldDenyIsNoDenial() async throws {
        try await MetricsFixture.serve(AgentFixture.auditedShop) { fixture in
            let isolation = try #require(
                fixture.kernel.policy.rules.first { if case .isolation = $0.value.identity { true } else { false } })
            fixture.kernel.state.withLock { $0.counters = [isolation.key: RuleCounter(packets: 4)] }
            let metrics: [String: Double] = try await fixture.metrics()
            #expect(metrics[Self.denied] == nil)
            #expect(metrics[Self.denied.replacing("denied", with: "would_deny")] == 4)
            #expect(metrics[#"bulkhead_policies{enforcement="audit"}"#] == 1)
        }
    }

    /// More namespaces than have series of their own are one series, which has all their packets.
    @Test func namespacesAreCapped() async throws {
        try await MetricsFixture.serve(MetricsFixture.isolatedNamespaces(130)) { fixture in
            let denying = fixture.kernel.policy.rules.filter {
                if case .isolation = $0.value.identity { true } else { false }
            }
            #expect(denying.count == 130)
            fixture.kernel.state.withLock { $0.counters = denying.mapValues { _ in RuleCounter(packets: 2) } }
            for _ in 0..<2 {
                let series = try await fixture.metrics().filter { $0.key.contains("denied_packets_total") }
                // A hundred, the rest, and what a limit denies.
                #expect(series.count == 102)
                #expect(series.values.reduce(0, +) == 260)
                #expect(series.first { $0.key.contains("\"other\"") }?.value == 60)
            }
        }
    }

    @Test func latencyAndFailures() async throws {
        try await MetricsFixture.serve { fixture in
            let before: [String: Double] = try await fixture.metrics()
            // The first write is the start's: no change came.
            #expect(before["bulkhead_programming_latency_seconds_count"] == 0)
            let pod = try AgentFixture.objects(
                AgentFixture.shop.replacing("name: web", with: "name: web2").replacing("10.1.0.1", with: "10.1.0.3"))
            _ = try await fixture.agent.apply(Array(pod[1...1]))
            // A change that fails counts once it is written, with the time until then. The retries fail for longer than
            // it takes to read the metrics.
            fixture.kernel.failNext(4)
            _ = try? await fixture.agent.delete([pod[1].key])
            let failed: [String: Double] = try await fixture.metrics()
            #expect(failed["bulkhead_programming_latency_seconds_count"] == 1)
            #expect(failed["bulkhead_programming_failures_total"]! >= 1)
            #expect(failed["bulkhead_in_step"] == 0)
            let isWritten = try await eventually { await fixture.agent.status().datapath.state == .programmed }
            #expect(isWritten)
            let after: [String: Double] = try await fixture.metrics()
            #expect(after["bulkhead_programming_latency_seconds_count"] == 2)
            #expect(after["bulkhead_in_step"] == 1)
            // The retry comes after a tenth of a second at least; how long the rest took is the machine's affair.
            let latency = "bulkhead_programming_latency_seconds"
            #expect(after["\(latency)_sum"]! - failed["\(latency)_sum"]! > 0.05)
            #expect(after["\(latency)_sum"]! < 600)
            let quick = "\(latency)_bucket{le=\"0.05\"}"
            #expect(after[quick] != nil && after[quick] == failed[quick])
        }
    }

    @Test func probesTestTheKernel() async throws {
        try await MetricsFixture.serve { fixture in
            for path in ["/healthz", "/readyz"] {
                let answer: RawAnswer = try await fixture.get(path)
                #expect(answer.status == 200 && answer.body == Array("ok\n".utf8))
            }
            // What cannot be written makes it not ready; a restart would not help.
            fixture.kernel.failNext(1000)
            try await fixture.removePolicy()
            let behind: RawAnswer = try await fixture.get("/readyz")
            #expect(behind.status == 503)
            #expect(String(decoding: behind.body, as: UTF8.self).contains("told to fail"))
            let alive: RawAnswer = try await fixture.get("/healthz")
            #expect(alive.status == 200)
            fixture.kernel.state.withLock { $0.isGone = true }
            for path in ["/healthz", "/readyz"] {
                let gone: RawAnswer = try await fixture.get(path)
                #expect(gone.status == 503)
                #expect(String(decoding: gone.body, as: UTF8.self).contains("the fake table is gone"))
            }
            let metrics: [String: Double] = try await fixture.metrics()
            #expect(metrics["bulkhead_in_place"] == 0)
        }
    }

    @Test func whatIsNotServed() async throws {
        try await MetricsFixture.serve { fixture in
            let unknown: RawAnswer = try await fixture.get("/v1/status")
            #expect(unknown.status == 404)
            let post: RawAnswer = try await fixture.get("/metrics", method: "POST")
            #expect(post.status == 405 && post.headers["allow"] == "GET, HEAD")
            let head: RawAnswer = try await fixture.get("/healthz", method: "HEAD")
            #expect(head.status == 200)
            // Nonsense is answered or cut off, and the next one is served.
            _ = try await fixture.exchange(Array("\u{1}\u{2} nonsense\r\n\r\n".utf8))
            let after: RawAnswer = try await fixture.get("/healthz")
            #expect(after.status == 200)
        }
    }

    /// Another process has the address at first: the daemon continues, and serves once it is free.
    @Test func anAddressThatIsTaken() async throws {
        let (holder, port) = try await onOwnThread { try Listener.hold() }
        let release: @Sendable () async throws -> Void = {
            try await Task.sleep(for: .milliseconds(100))
            close(holder)
        }
        try await MetricsFixture.serve(at: port, beforeReady: release) { fixture in
            #expect(fixture.port == port)
            let answer: RawAnswer = try await fixture.get("/readyz")
            #expect(answer.status == 200)
        }
    }

    @Test(arguments: [
        ("127.0.0.1:9105", "127.0.0.1:9105"), ("localhost:1", "localhost:1"), ("[::1]:9105", "[::1]:9105"),
        (":9105", "[::]:9105"),
    ])
    func addresses(text: String, shown: String) { #expect(MetricsAddress(text)?.description == shown) }

    @Test(arguments: ["", "9105", "127.0.0.1", "127.0.0.1:", "::1:9105", "host:65536", "host:-1", "host:http"])
    func wrongAddresses(text: String) { #expect(MetricsAddress(text) == nil) }
}

/// A TCP socket that listens on a free port of the loopback interface.
private enum Listener {
    static func hold() throws -> (descriptor: Int32, port: UInt16) {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let code = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, size) == 0 && listen(descriptor, 1) == 0 ? getsockname(descriptor, $0, &size) : -1
            }
        }
        try #require(code == 0)
        return (descriptor, UInt16(bigEndian: address.sin_port))
    }
}
