// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import Datapath
import DatapathNFTables
import Glibc
import NetworkKit
import NetworkTypes
import PolicyModel
import Testing

/// New flows: what is reported equals what a capture says.
@Suite(.serialized) struct NewFlowTests {
    /// `server` takes TCP and UDP 80 from anyone; `client` and `free` are free.
    private static func plan(_ world: NetWorld) -> PolicyPlan {
        var plan = PolicyPlan()
        plan.programs["in"] = PolicyPlan.Rules(
            direction: .ingress, rules: [PolicyPlan.Rule(peers: nil, ports: [tcp(80), udp(80)])])
        for name in ["server", "client", "free"] {
            let pod = world.pod(name)
            plan.endpoints[name] = PolicyPlan.Endpoint(
                addresses: [pod.v4, pod.v6], ingress: name == "server" ? "in" : nil, egress: nil)
        }
        return plan
    }

    private static func withWorld(
        _ body: (NetWorld, inout NFTablesDatapath, borrowing CompiledPolicy) throws -> Void
    ) throws {
        try NetWorld.with(pods: ["server", "client", "free"]) { world in
            try world.node.run {
                var compiler = PlanCompiler()
                let policy = compiler.compile(plan(world))
                var datapath = NFTablesDatapath(settings: NFTablesSettings(eventsPerSecond: 100_000))
                _ = try datapath.open()
                _ = try datapath.resync(policy)
                try body(world, &datapath, policy)
            }
        }
    }

    /// Reports come in batches, a moment later.
    private static func take(
        _ count: Int, _ events: inout [DropEvent], _ datapath: inout NFTablesDatapath
    ) throws {
        try NetClock.wait("\(count) reports of new flows", seconds: 20) {
            events += datapath.pollEvents(limit: 10_000)
            return events.count { $0.cause == .new } >= count
        }
    }

    @Test func whatIsReportedIsWhatACaptureSees() throws {
        try Self.withWorld { world, datapath, policy in
            try datapath.setFlows(FlowLimit(perSecond: 100_000, burst: 10_000))
            let load = try NetFlowLoad(20, in: world, ports: [80, 81])
            #expect(load.arrived.count > 100 && load.stopped.count > 100)
            var events: [DropEvent] = []
            try Self.take(load.arrived.count, &events, &datapath)
            let new = events.filter { $0.cause == .new }
            #expect(new.count == load.arrived.count, "one report for each flow")
            #expect(Set(new.map(NetFlow.init)) == Set(load.arrived.map(\.withoutIdentifier)))
            let denied = Set(events.filter { $0.cause == .rule }.map(NetFlow.init))
            #expect(denied == Set(load.stopped.map(\.withoutIdentifier)))
            for event in events {
                let echo: UInt8? = event.flow.ipProtocol == .icmp ? 8 : event.flow.ipProtocol == .icmpv6 ? 128 : nil
                #expect(event.icmp == echo.map { ICMPMessage(type: $0, code: 0) })
            }
            for event in new {
                #expect(event.direction == .egress && policy.endpoints[event.endpoint]?.name.name == "client")
            }
            let counters = try datapath.counters()
            #expect(counters.flowsLeftOut == 0 && counters.flowsLost == 0)
            // A comparison finds the table as it should be.
            let report = try datapath.resync(policy)
            #expect(report.wordsWritten == 0 && report.repaired == 0)
        }
    }

    /// Reports that come together have each packet's own time, and the order of what happened.
    @Test func eachReportHasItsTime() throws {
        try Self.withWorld { world, datapath, _ in
            try datapath.setFlows(FlowLimit())
            let (client, free, server) = (world.pod("client"), world.pod("free"), world.pod("server"))
            var moments: [ClosedRange<UInt64>] = []
            for port in UInt16(1)...6 {
                let start = NetClock.now
                let isDenied = port % 3 == 0
                let probe = NetProbe(.udp, to: isDenied ? server.v4 : free.v4, port: port, milliseconds: 10)
                let outcome = try client.namespace.run { try probe.run() }
                #expect(outcome == (isDenied ? .timeout : .refused))
                moments.append(start...NetClock.now)
            }
            // The first of a batch waits for the others.
            NetClock.sleep(milliseconds: 300)
            var events: [DropEvent] = []
            try Self.take(4, &events, &datapath)
            #expect(events.map(\.flow.destinationPort) == Array(1...6))
            for (event, moment) in zip(events, moments) {
                // The stamps have microseconds.
                let range = moment.lowerBound - 2_000_000...moment.upperBound + 2_000_000
                #expect(range.contains(event.monotonicNanoseconds))
            }
        }
    }

    /// No packet of a denied flow is established, so the kernel reports each of them.
    @Test func aDeniedFlowIsReportedOnce() throws {
        try Self.withWorld { world, datapath, _ in
            let (client, server) = (world.pod("client"), world.pod("server"))
            try client.namespace.run {
                let socket = try NetSocket(.ipv4, SOCK_DGRAM)
                for _ in 0..<20 { _ = socket.send([0], to: server.v4, 81) }
                for _ in 0..<3 { _ = socket.send([0], to: server.v4, 82) }
            }
            var events: [DropEvent] = []
            try NetClock.wait("reports of both flows and all repetitions", seconds: 20) {
                events += datapath.pollEvents(limit: 100)
                return try events.count == 2 && datapath.counters().suppressedEvents == 21
            }
            #expect(events.map(\.flow.destinationPort) == [81, 82])
            // A client that begins to listen has seen none.
            try datapath.setListening(true)
            let probe = NetProbe(.udp, to: server.v4, port: 81, milliseconds: 1)
            #expect(try client.namespace.run { try probe.run() } == .timeout)
            try NetClock.wait("a report", seconds: 20) { !datapath.pollEvents(limit: 100).isEmpty }
        }
    }

    @Test func whatIsLeftOutIsCountedExactly() throws {
        try Self.withWorld { world, datapath, _ in
            try datapath.setFlows(FlowLimit(perSecond: 1, burst: 30))
            let start = NetClock.now
            let load = try NetFlowLoad(20, in: world, ports: [80])
            let seconds = Int((NetClock.now - start) / 1_000_000_000)
            let leftOut = Int(try datapath.counters().flowsLeftOut)
            var events: [DropEvent] = []
            try Self.take(load.arrived.count - leftOut, &events, &datapath)
            let told = events.count { $0.cause == .new }
            #expect(told + leftOut == load.arrived.count)
            #expect((30...32 + seconds).contains(told))
        }
    }

    @Test func offMeansNoReportAndNoChain() throws {
        try Self.withWorld { world, datapath, policy in
            let before = try world.node.command("nft", "list", "table", "inet", "bulkhead")
            #expect(!before.contains("flows-left-out"))
            _ = try NetFlowLoad(2, in: world, ports: [80])
            try datapath.setFlows(FlowLimit())
            try datapath.setFlows(FlowLimit(perSecond: 500, burst: 600))
            let during = try world.node.command("nft", "list", "table", "inet", "bulkhead")
            #expect(during.contains("rate 500/second burst 600 packets"))
            let free = world.pod("free")
            let probe = NetProbe(.udp, to: free.v4, port: 9)
            #expect(try world.pod("client").namespace.run { try probe.run() } == .refused)
            var events: [DropEvent] = []
            try Self.take(1, &events, &datapath)
            #expect(events.filter { $0.cause == .new }.map(\.flow.destination) == [free.v4])
            try datapath.setFlows(nil)
            let after = try world.node.command("nft", "list", "table", "inet", "bulkhead")
            #expect(!after.contains("flows-left-out") && !after.contains("allowed-flows"))
            #expect(try datapath.resync(policy).wordsWritten == 0)
        }
    }

    /// What a pod sends to its node is reported while that is judged, except to groups.
    @Test func flowsToTheNodeAreReportedWhileTheyAreJudged() throws {
        try Self.withWorld { world, datapath, _ in
            var plan = Self.plan(world)
            var compiler = PlanCompiler()
            let node = NetAddressing.gateways[0]
            let probe = NetProbe(.udp, to: node, port: 9)
            let client = world.pod("client")
            try datapath.setFlows(FlowLimit())
            #expect(try client.namespace.run { try probe.run() } == .refused)
            plan.judgesOwnNode = true
            _ = try datapath.resync(compiler.compile(plan))
            #expect(try client.namespace.run { try probe.run() } == .refused)
            var events: [DropEvent] = []
            try Self.take(1, &events, &datapath)
            let new = events.filter { $0.cause == .new }
            #expect(new.map(\.flow.destination) == [node] && new.map(\.flow.source) == [client.v4])
            plan.judgesOwnNode = false
            _ = try datapath.resync(compiler.compile(plan))
            let table = try world.node.command("nft", "list", "table", "inet", "bulkhead")
            #expect(!table.contains("flows-to-node") && table.contains("flows-left-out"))
        }
    }
}

extension NetFlow {
    init(_ event: DropEvent) {
        let hasPorts = event.flow.ipProtocol.hasPorts
        self.init(
            event.flow.ipProtocol, event.flow.source, hasPorts ? event.sourcePort : 0, event.flow.destination,
            hasPorts ? event.flow.destinationPort ?? 0 : 0)
    }
}
