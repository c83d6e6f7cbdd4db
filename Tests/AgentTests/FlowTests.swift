// SPDX-License-Identifier: Apache-2.0
import Agent
import CompiledPolicy
import ControlProtocol
import Datapath
import FlowTelemetry
import FoundationEssentials
import Glibc
import NetworkTypes
import PolicyModel
import RequestPolicy
import Testing

/// What the daemon records of flows, over a fake datapath. One test at a time: each waits for timers.
@Suite(.serialized) struct FlowTests {
    private func event(
        _ kernel: FakeKernel, _ cause: DropEvent.Cause, from: String = "10.1.0.1", to: String = "10.1.0.2",
        port: UInt16 = 6379, sourcePort: UInt16 = 40_000, secondsAgo: UInt64 = 0
    ) throws -> DropEvent {
        let flow = Flow(
            source: try IPAddress(from), destination: try IPAddress(to), ipProtocol: .tcp, destinationPort: port)
        let redis = try #require(kernel.policy.endpoints.first { $0.value.name.name == "redis" })
        let rule = kernel.policy.evaluate(flow).ingress?.rule ?? .noPolicy
        return DropEvent(
            cause: cause, direction: cause == .new ? .egress : .ingress, flow: flow, sourcePort: sourcePort,
            endpoint: redis.key, rule: cause == .new ? .noPolicy : rule, interfaceIndex: 0,
            monotonicNanoseconds: EventClock.monotonic - secondsAgo * 1_000_000_000)
    }

    private func serve(
        _ settings: FlowSettings = FlowSettings(.all), _ body: (SocketFixture) async throws -> Void
    ) async throws {
        try await SocketFixture.serve(AgentFixture(flows: settings), AgentFixture.shop, body)
    }

    private func lines(_ fixture: SocketFixture, _ query: String) async throws -> [FlowLine] {
        let answer: RawAnswer = try await fixture.call("GET", "/v1/flows\(query)")
        #expect(answer.status == 200, "\(query)")
        return try Self.jsonLines(answer).map { try JSONDecoder().decode(FlowLine.self, from: Data($0)) }
    }

    /// Lines of the chunked coding stand between.
    private static func jsonLines(_ answer: RawAnswer) -> [ArraySlice<UInt8>] {
        answer.body.split(separator: UInt8(ascii: "\n")).filter { $0.first == UInt8(ascii: "{") }
    }

    private func control(_ fixture: SocketFixture, _ arguments: String...) async throws -> CommandLine {
        let arguments = arguments.prefix(1) + ["--socket", fixture.path] + arguments.dropFirst()
        return try await onOwnThread { try CommandLine.run("bulkheadctl", Array(arguments), input: "") }
    }

    /// Fills the ring: an allowed flow, a denied one a while ago, one in audit, and a denied request with a hostile host.
    private func fill(_ fixture: SocketFixture) async throws {
        fixture.kernel.tell([
            try event(fixture.kernel, .rule, port: 80, secondsAgo: 600), try event(fixture.kernel, .new),
            try event(fixture.kernel, .audit, from: "192.0.2.1", port: 81),
        ])
        #expect(try await eventually { await fixture.agent.status().flows?.records == 3 })
        // Its time has whole milliseconds: within that of the events it would come before them.
        try await Task.sleep(for: .milliseconds(2))
        var denied = RequestCounts.Denied(
            time: RFC3339.now(), source: "10.1.0.1", sourcePort: 5000, destination: "10.1.0.2", port: 8080,
            pod: "shop/redis", method: "GET", host: "a\u{1b}[2Jb", path: "/x", verdict: .deny)
        denied.policy = .init(namespace: "shop", name: "api")
        var counts = RequestCounts(generation: 0)
        counts.denied = [denied]
        await fixture.agent.count(counts)
    }

    @Test func policiesFromWhatWasRecorded() async throws {
        try await serve { fixture in
            try await fill(fixture)
            let directory = try TemporaryDirectory()
            try write(AgentFixture.shop, to: directory.path + "/shop.yaml")
            let result = try await control(fixture, "suggest", "shop/redis", "-f", directory.path)
            #expect(
                result.status == 0 && result.output.contains("# Suggested by bulkheadctl from 4 recorded flows from "))
            #expect(result.output.contains("name: seen-redis\n") && result.output.contains("port: 6379\n"), "\(result)")
            #expect(!result.output.contains("port: 80\n"))
        }
    }

    @Test func flowsAreKeptWithNamesAndRules() async throws {
        try await serve { fixture in
            #expect(fixture.kernel.calls.contains("flows 1000 2000"))
            try await fill(fixture)
            let flows = try await lines(fixture, "").compactMap(\.flow)
            #expect(flows.map(\.verdict) == [.dropped, .forwarded, .audit, .dropped])
            let allowed = flows[1]
            #expect(allowed.source?.namespace == "shop" && allowed.source?.podName == "web")
            #expect(allowed.destination?.namespace == "shop" && allowed.destination?.podName == "redis")
            #expect(allowed.ip.source == "10.1.0.1" && allowed.ip.ipVersion == "IPv4")
            #expect(allowed.l4?.tcp?.destinationPort == 6379 && allowed.l4?.tcp?.sourcePort == 40_000)
            #expect(allowed.trafficDirection == "EGRESS" && allowed.dropReason == nil)
            #expect(allowed.ingressAllowedBy?.map(\.name) == ["redis"] && allowed.egressAllowedBy == nil)
            #expect(allowed.summary == "allowed by shop/redis ingress rule 1")
            let denied = flows[0]
            #expect(denied.ingressDeniedBy?.map(\.name) == ["redis"] && denied.dropReason == "POLICY_DENIED")
            #expect(denied.time < allowed.time)
            #expect(flows[3].l7?.http.url == "http://a\u{1b}[2Jb/x" && flows[3].type == "L7")
            // The names that readers of Hubble's flows expect.
            let text = try await String(decoding: (fixture.call("GET", "/v1/flows") as RawAnswer).body, as: UTF8.self)
            for part in [
                #""verdict":"FORWARDED""#, #""IP":{"destination":"10.1.0.2","ipVersion":"IPv4","source":"10.1.0.1"}"#,
                #""l4":{"TCP":{"destination_port":6379,"source_port":40000}}"#, #""Type":"L3_L4""#,
                #""source":{"labels":["k8s:app=web"],"namespace":"shop","pod_name":"web"}"#,
                #""traffic_direction":"EGRESS""#,
                #""drop_reason_desc":"POLICY_DENIED""#, #""node_name":"node""#, #""Summary":"#, #""is_reply":false"#,
                #""ingress_allowed_by":[{"kind":"NetworkPolicy","name":"redis","namespace":"shop"}]"#,
            ] {
                #expect(text.contains(part), "\(part)")
            }
        }
    }

    /// An ICMP message says what it is; the addresses are of no pod, so there are no labels.
    @Test func whatAMessageSaysIsShown() async throws {
        try await serve { fixture in
            var ping = try event(fixture.kernel, .new, from: "192.0.2.1", to: "10.1.0.2")
            ping.flow = Flow(
                source: ping.flow.source, destination: ping.flow.destination, ipProtocol: .icmp, destinationPort: nil)
            ping.icmp = ICMPMessage(type: 8, code: 0)
            var unknown = ping
            (unknown.cause, unknown.icmp, unknown.flow.source) = (.rule, nil, try IPAddress("192.0.2.2"))
            fixture.kernel.tell([ping, unknown])
            #expect(try await eventually { await fixture.agent.status().flows?.records == 2 })
            let flows = try await lines(fixture, "").compactMap(\.flow)
            #expect(flows.map { [$0.l4?.icmpv4?.type, $0.l4?.icmpv4?.code] } == [[8, 0], [nil, nil]])
            #expect(flows.allSatisfy { $0.protocolName == "ICMP" })
            #expect(flows[0].source == nil && flows[0].destination?.labels == ["k8s:app=redis"])
            let text = try await control(fixture, "flows")
            #expect(text.output.contains("(10.1.0.2) ICMP type 8 code 0  allowed"))
            let json: RawAnswer = try await fixture.call("GET", "/v1/flows?last=2")
            #expect(String(decoding: json.body, as: UTF8.self).contains(#""l4":{"ICMPv4":{"code":0,"type":8}}"#))
        }
    }

    /// In the order of time, although the kernel reports allowed flows later.
    @Test func historyIsInOrder() async throws {
        try await serve { fixture in
            fixture.kernel.tell([
                try event(fixture.kernel, .rule, port: 80, secondsAgo: 5), try event(fixture.kernel, .rule, port: 81),
                try event(fixture.kernel, .new, secondsAgo: 3),
            ])
            #expect(try await eventually { await fixture.agent.status().flows?.records == 3 })
            #expect(
                try await lines(fixture, "").compactMap { $0.flow?.l4?.tcp?.destinationPort } == [80, 6379, 81])
        }
    }

    @Test(arguments: [
        ("last=1", 1), ("last=0", 0), ("since=5m", 3), ("since=2h", 4), ("verdict=dropped", 2), ("reason=new", 1),
        ("reason=request", 1), ("kind=flow", 1), ("pod=shop/web", 3), ("from=192.0.2.0/24", 1), ("to=redis", 4),
        ("port=8080", 1), ("policy=shop/api", 1), ("policy=redis", 3), ("namespace=other", 0), ("protocol=udp", 0),
        ("verdict=dropped&since=5m", 1), ("verdict=dropped&last=1", 1),
    ]) func filtersAreTheSocketsToo(query: String, count: Int) async throws {
        try await serve { fixture in
            try await fill(fixture)
            #expect(try await lines(fixture, "?\(query)").count == count, "\(query)")
        }
    }

    @Test(arguments: ["port=x", "since=soon", "verdict=x", "kind=lost", "color=red", "pod=a/b/c", "last=-1"])
    func unknownValuesAreRefused(query: String) async throws {
        try await serve { fixture in
            for path in ["/v1/flows", "/v1/events"] {
                let answer: RawAnswer = try await fixture.call("GET", "\(path)?\(query)")
                #expect(answer.status == 400, "\(path) \(query)")
                let name = query.prefix { $0 != "=" }
                #expect(String(decoding: answer.body, as: UTF8.self).contains("'\(name)'"))
            }
        }
    }

    @Test func theRingIsBoundedAndCounts() async throws {
        try await serve(FlowSettings(.all, records: 10)) { fixture in
            fixture.kernel.tell(try (1...25).map { try event(fixture.kernel, .new, sourcePort: $0) })
            #expect(try await eventually { await fixture.agent.status().flows?.overwritten == 15 })
            let kept = try await lines(fixture, "").compactMap { $0.flow?.l4?.tcp?.sourcePort }
            #expect(kept == Array(16...25))
            let status = try await control(fixture, "status")
            #expect(status.output.contains("  all, 10 records of at most 10; allowed flows: 0 left out, 0 lost\n"))
        }
    }

    /// What is kept is small: at most 4 MB with the default number. Names are shared with the policy; a record's own text
    /// is its reason.
    @Test func theRingIsSmall() {
        let reason = 300
        #expect((MemoryLayout<FlowEntry>.stride + reason) * ControlDefaults.flowRecords <= 4 << 20)
    }

    @Test func whoFollowsGetsWhatIsRecordedAndThenWhatHappens() async throws {
        try await serve { fixture in
            fixture.kernel.tell(try (1...3).map { try event(fixture.kernel, .new, sourcePort: $0) })
            var options = StreamOptions.news
            (options.hasHistory, options.last) = (true, 2)
            let follower = await fixture.agent.followFlows(options)
            fixture.kernel.tell(try (4...5).map { try event(fixture.kernel, .new, sourcePort: $0) })
            var ports: [Int] = []
            struct Enough: Error {}
            await #expect(throws: Enough.self) {
                try await follower.batches { batch in
                    ports += batch.elements.compactMap { $0.flow?.l4?.tcp?.sourcePort }
                    if ports.count >= 4 { throw Enough() }
                }
            }
            #expect(ports == [2, 3, 4, 5])
            await fixture.agent.unfollow(follower)
        }
    }

    /// A stream that is followed says what is missing in it.
    @Test func whatWasLeftOutIsTold() async throws {
        try await serve { fixture in
            fixture.kernel.state.withLock { $0.flowsLeftOut = 5 }
            let follower = await fixture.agent.followFlows(.news)
            fixture.kernel.state.withLock { $0.flowsLeftOut = 12 }
            struct Enough: Error { var lost: LostFlows? }
            do {
                try await follower.batches { throw Enough(lost: $0.elements.first?.lostEvents) }
            } catch let enough as Enough {
                #expect(enough.lost == LostFlows(source: .kernel, count: 7))
            }
            await fixture.agent.unfollow(follower)
            #expect(await fixture.agent.status().flows?.leftOut == 12)
        }
    }

    @Test func eventsComeFromTheRecordWithoutAllowedFlows() async throws {
        try await serve { fixture in
            try await fill(fixture)
            for (query, kinds) in [
                ("last=10&follow=false", ["drop", "audit", "request"]),
                ("since=5m&follow=false", ["audit", "request"]),
                ("last=1&kind=drop&follow=false", ["drop"]),
            ] {
                let answer: RawAnswer = try await fixture.call("GET", "/v1/events?\(query)")
                let records = try Self.jsonLines(answer).map {
                    try JSONDecoder().decode(FlowRecord.self, from: Data($0))
                }
                #expect(records.map(\.kind.rawValue) == kinds, "\(query)")
            }
        }
    }

    @Test func offRecordsNothingAndAsksTheKernelForNothing() async throws {
        try await serve(FlowSettings(.off)) { fixture in
            fixture.kernel.tell([try event(fixture.kernel, .rule, port: 80)])
            #expect(try await lines(fixture, "").isEmpty)
            #expect(!fixture.kernel.calls.contains { $0.hasPrefix("flows") })
            #expect(await fixture.agent.status().flows?.records == 0)
        }
        try await serve(FlowSettings(.denied)) { fixture in
            #expect(!fixture.kernel.calls.contains { $0.hasPrefix("flows") })
            fixture.kernel.tell([try event(fixture.kernel, .rule, port: 80)])
            #expect(try await eventually { await fixture.agent.status().flows?.records == 1 })
        }
    }

    /// Without followers, events are fetched four times a second.
    @Test func theDaemonSleepsWhileNobodyFollows() async throws {
        try await serve { fixture in
            let before = fixture.kernel.state.withLock { $0.polls }
            let start = ContinuousClock.now
            try await Task.sleep(for: .milliseconds(2200))
            let polls = fixture.kernel.state.withLock { $0.polls } - before
            let seconds = Int(start.duration(to: .now) / .seconds(1))
            #expect((1...4 * (seconds + 1)).contains(polls))
        }
    }

    @Test func theCommandShowsFlowsAndSums() async throws {
        try await serve { fixture in
            try await fill(fixture)
            let all = try await control(fixture, "flows")
            let lines = all.output.split(separator: "\n")
            #expect(all.status == 0 && lines.count == 4)
            #expect(
                lines[1].contains(
                    "  FORWARDED  egress  shop/web (10.1.0.1:40000) -> shop/redis (10.1.0.2:6379) TCP  allowed by "))
            #expect(lines[3].contains(#"GET http://a\u001b[2Jb/x"#) && !all.output.contains("\u{1b}"))
            let json = try await control(fixture, "flows", "-o", "json", "--verdict", "forwarded")
            #expect(json.output.hasPrefix("{\"flow\":{\"") && json.output.split(separator: "\n").count == 1)
            let sums = try await control(fixture, "flows", "--summary", "--to", "shop/redis", "--port", "6379")
            #expect(
                sums.output.split(separator: "\n").map { $0.split(separator: " ").prefix(5) } == [
                    ["RECORDS", "VERDICT", "FROM", "TO", "PORT"],
                    ["1", "FORWARDED", "shop/web", "shop/redis", "6379/TCP"],
                ])
            let rows = try await control(
                fixture, "flows", "--summary", "--to", "shop/redis", "--port", "6379", "--no-headers", "-o", "wide")
            #expect(rows.output.hasPrefix("1  ") && rows.output.split(separator: "\n").count == 1)
            let events = try await control(fixture, "events", "--since", "5m", "--reason", "audit")
            #expect(events.status == 0 && events.output.split(separator: "\n").count == 1)
            let denials = try await control(fixture, "events", "--summary")
            #expect(denials.output.contains("DROPPED") && denials.output.contains("80/TCP"))
            #expect(!denials.output.contains("FORWARDED"))
            let wrong = try await control(fixture, "flows", "--port", "http")
            #expect(wrong.status == 2 && wrong.complaints.contains("--port must be a number from 0 to 65535"))
        }
    }
}

/// The clock of events.
enum EventClock {
    static var monotonic: UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}
