// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import Datapath
import DatapathEBPF
import Glibc
import NetworkKit
import NetworkTypes
import PacketKit
import PolicyModel
import Synchronization
import Testing

/// New flows in the kernel: what is reported equals what a capture says.
@Suite(.serialized) struct KernelFlowTests {
    private static func withWorld(_ body: (NetWorld, inout EBPFDatapath) throws -> Void) throws {
        try NetWorld.with(pods: ["server", "client", "free"]) { world in
            try world.node.run {
                var options = EBPFDatapath.Options()
                (options.eventsPerSecond, options.eventBurst) = (100_000, 100_000)
                var datapath = EBPFDatapath(bpffs: world.bpffs, options: options)
                _ = try datapath.open()
                try datapath.setListening(true)
                _ = try datapath.resync(KernelLiveTests.policy(world))
                try body(world, &datapath)
                #expect(try datapath.counters().inconsistent == 0)
            }
        }
    }

    @Test func whatIsReportedIsWhatACaptureSees() throws {
        try Self.withWorld { world, datapath in
            try datapath.setFlows(FlowLimit(perSecond: 100_000, burst: 10_000))
            let start = NetClock.now
            let load = try NetFlowLoad(20, in: world, ports: [80, 81])
            let events = datapath.pollEvents(limit: 10_000)
            // New flows have the time of a tick, and ticks come late where a hypervisor takes a processor away.
            let (times, slack) = (events.map(\.monotonicNanoseconds), UInt64(50_000_000))
            #expect(times.allSatisfy { (start - slack...NetClock.now).contains($0) })
            #expect(zip(times, times.dropFirst()).allSatisfy { $0 <= $1 + slack })
            for event in events {
                let message = event.flow.ipProtocol.echoRequest.map { ICMPMessage(type: $0, code: 0) }
                #expect(event.icmp == message, "\(event.flow)")
            }
            let new = events.filter { $0.cause == .new }
            #expect(load.arrived.count > 100 && load.stopped.count > 100)
            #expect(new.count == load.arrived.count, "one report for each flow")
            #expect(Set(new.map(NetFlow.init)) == Set(load.arrived.map(\.withoutIdentifier)))
            let denied = Set(events.filter { $0.cause == .rule }.map(NetFlow.init))
            #expect(denied == Set(load.stopped.map(\.withoutIdentifier)))
            for event in new {
                #expect(event.direction == .egress && event.endpoint == EndpointID(rawValue: 2))
            }
            let counters = try datapath.counters()
            #expect(counters.flowsLeftOut == 0 && counters.flowsLost == 0)
        }
    }

    @Test func whatIsLeftOutIsCountedExactly() throws {
        try Self.withWorld { world, datapath in
            try datapath.setFlows(FlowLimit(perSecond: 20, burst: 30))
            let start = NetClock.now
            let load = try NetFlowLoad(20, in: world, ports: [80])
            let seconds = Int((NetClock.now - start) / 1_000_000_000)
            let told = datapath.pollEvents(limit: 10_000).count { $0.cause == .new }
            // The bucket fills again meanwhile.
            #expect((30...51 + 20 * seconds).contains(told) && load.arrived.count > 100)
            let counters = try datapath.counters()
            #expect(told + Int(counters.flowsLeftOut) == load.arrived.count && counters.flowsLost == 0)
        }
    }

    /// More than the record holds, from two sides at once: what is lost is counted as well, and no denied packet's event is.
    @Test func whatIsLostIsCountedExactlyAndDenialsAreKept() throws {
        try Self.withWorld { world, datapath in
            try datapath.setFlows(FlowLimit(perSecond: 1_000_000, burst: 100_000))
            let (client, free, server) = (world.pod("client"), world.pod("free"), world.pod("server"))
            let taps = try [client, free].map { pod in try pod.namespace.run { try NetTap() } }
            let denied = { try client.namespace.run { try NetFlowLoad.flood(100, to: server.v4, from: 1000) } }
            try denied()
            let other = try NetThread.start {
                do { try free.namespace.run { try NetFlowLoad.flood(6000, to: client.v4) } } catch {
                    Issue.record(error)
                }
            }
            try client.namespace.run { try NetFlowLoad.flood(6000, to: free.v4) }
            pthread_join(other, nil)
            try client.namespace.run { try NetFlowLoad.flood(100, to: server.v6, from: 2000) }
            var (arrived, events): (Set<NetFlow>, [DropEvent]) = ([], [])
            try NetClock.wait("as many reports and losses as flows", seconds: 20) {
                for tap in taps { arrived.formUnion(tap.flows(to: [free.v4, client.v4])) }
                // Only now: a record that is emptied earlier loses nothing.
                if arrived.count > 10_000 { events += datapath.pollEvents(limit: 20_000) }
                let counters = try datapath.counters()
                return !events.isEmpty
                    && events.count { $0.cause == .new } + Int(counters.flowsLost + counters.flowsLeftOut)
                        == arrived.count
            }
            let counters = try datapath.counters()
            #expect(counters.flowsLost > 0 && counters.lostEvents == 0)
            let drops = events.filter { $0.cause == .rule }
            #expect(Set(drops.map { $0.flow.destinationPort }) == Set((1000..<1100).map { $0 } + (2000..<2100)))
            // Afterward there is room again.
            let told = Set(events.filter { $0.cause == .new }.map(NetFlow.init))
            #expect(told.count == events.count { $0.cause == .new } && told.isSubset(of: arrived))
            #expect(try client.namespace.run { try NetProbe(.udp, to: free.v6, port: 9).run() } == .refused)
            #expect(datapath.pollEvents(limit: 100).map(\.flow.destination) == [free.v6])
        }
    }

    /// Read while it is written, by two processors: nothing is lost, twice there, or half written.
    @Test func theRecordIsReadWhileItIsWritten() throws {
        try Self.withWorld { world, datapath in
            try datapath.setFlows(FlowLimit(perSecond: 900_000, burst: 100_000))
            let (client, free) = (world.pod("client"), world.pod("free"))
            let taps = try [client, free].map { pod in try pod.namespace.run { try NetTap() } }
            let senders = try [(client, free), (free, client)].map { from, to in
                try NetThread.start {
                    do {
                        try from.namespace.run { try NetFlowLoad.flood(8000, to: to.v4) }
                    } catch {
                        Issue.record(error)
                    }
                }
            }
            defer { for sender in senders { pthread_join(sender, nil) } }
            var (arrived, events): (Set<NetFlow>, [DropEvent]) = ([], [])
            try NetClock.wait("as many reports and losses as flows", seconds: 30, every: 0.2) {
                events += datapath.pollEvents(limit: 1000)
                for tap in taps { arrived.formUnion(tap.flows(to: [free.v4, client.v4])) }
                let counters = try datapath.counters()
                return arrived.count > 14_000
                    && events.count + Int(counters.flowsLost + counters.flowsLeftOut) == arrived.count
            }
            let told = Set(events.map(NetFlow.init))
            #expect(told.count == events.count && told.isSubset(of: arrived))
            for event in events {
                let pair = [event.flow.source, event.flow.destination]
                #expect(pair == [client.v4, free.v4] || pair == [free.v4, client.v4])
                #expect((1...8000).contains(event.flow.destinationPort ?? 0) && event.sourcePort != 0)
            }
            #expect(Set(events.map { [UInt32($0.sourcePort), $0.flow.source.v4] }).count == 2)
        }
    }

    /// What a set of tables reported is not lost with it.
    @Test func reportsSurviveANewSetOfTables() throws {
        try Self.withWorld { world, datapath in
            try datapath.setFlows(FlowLimit())
            let (client, free, server) = (world.pod("client"), world.pod("free"), world.pod("server"))
            #expect(try client.namespace.run { try NetProbe(.udp, to: free.v4, port: 9).run() } == .refused)
            #expect(try client.namespace.run { try NetProbe(.udp, to: server.v4, port: 81).run() } == .timeout)
            #expect(try datapath.resync(Self.policy(world, rules: 10_000)).rebuilt)
            #expect(try client.namespace.run { try NetProbe(.udp, to: free.v6, port: 9).run() } == .refused)
            let events = datapath.pollEvents(limit: 1) + datapath.pollEvents(limit: 100)
            #expect(events.map(\.flow.destination) == [free.v4, server.v4, free.v6])
            #expect(events.map(\.cause) == [.new, .rule, .new])
        }
    }

    /// While two sets judge, only one of them reports. A packet that is between both at that moment may be reported twice,
    /// or not at all.
    @Test func aFlowIsReportedOnceWhileTablesAreReplaced() throws {
        try Self.withWorld { world, datapath in
            try datapath.setFlows(FlowLimit(perSecond: 900_000, burst: 100_000))
            let (client, free) = (world.pod("client"), world.pod("free"))
            let tap = try free.namespace.run { try NetTap() }
            let isOver = Mutex(false)
            let sender = try NetThread.start {
                do {
                    try client.namespace.run {
                        for port in stride(from: 1, to: 60_000, by: 2) where !isOver.withLock({ $0 }) {
                            try NetFlowLoad.flood(2, to: free.v4, from: port)
                            // So many that the record does not fill up while the tables are replaced.
                            usleep(1000)
                        }
                    }
                } catch {
                    Issue.record(error)
                }
            }
            var (arrived, events): (Set<NetFlow>, [DropEvent]) = ([], [])
            let rebuilds = [10_000, 40_000]
            do {
                defer {
                    isOver.withLock { $0 = true }
                    pthread_join(sender, nil)
                }
                for rules in rebuilds {
                    try NetClock.wait("new flows", seconds: 20) {
                        let new = datapath.pollEvents(limit: 10_000)
                        events += new
                        return !new.isEmpty
                    }
                    #expect(try datapath.resync(Self.policy(world, rules: rules)).rebuilt)
                }
            }
            // After every other one.
            #expect(try client.namespace.run { try NetProbe(.udp, to: free.v6, port: 9).run() } == .refused)
            try NetClock.wait("the last flow", seconds: 20) {
                events += datapath.pollEvents(limit: 10_000)
                arrived.formUnion(tap.flows(to: [free.v4, free.v6]))
                return events.contains { $0.flow.destination == free.v6 }
                    && arrived.contains { $0.destination == free.v6 }
            }
            let told = Set(events.map(NetFlow.init))
            #expect(told.isSubset(of: arrived) && events.count - told.count <= rebuilds.count)
            let counters = try datapath.counters()
            #expect(told.count + Int(counters.flowsLost) + rebuilds.count >= arrived.count)
        }
    }

    /// With so many rules; with many more than before it needs new tables.
    private static func policy(_ world: NetWorld, rules: Int) -> CompiledPolicy {
        var policy = KernelLiveTests.policy(world)
        for number in 10..<rules {
            let reference = PolicyReference(kind: "NetworkPolicy", namespace: "more", name: "p\(number)")
            policy.rules[RuleID(rawValue: UInt32(number))] = CompiledRule(
                key: StableKey(high: 9, low: UInt64(number)),
                identity: .rule(reference, .ingress, index: 0, name: nil))
        }
        return policy
    }

    /// The programs of the benchmark report as those that judge do.
    @Test func aReportIsWhole() throws {
        let reporting = try ReportingProgram()
        for family in AddressFamily.allCases {
            let flow = Flow(
                source: try IPAddress(family == .ipv4 ? "10.0.0.1" : "fd00::1"),
                destination: try IPAddress(family == .ipv4 ? "10.0.0.2" : "fd00::2"), ipProtocol: .tcp,
                destinationPort: 443)
            let packet = Packet(flow: flow).bytes
            #expect(try reporting.testRun(packet: packet, family: family, isReporting: false).events.isEmpty)
            let events = try reporting.testRun(packet: packet, family: family, isReporting: true).events
            #expect(events.count == ReportingProgram.packets)
            #expect(events.allSatisfy { $0.flow == flow && $0.cause == .new && $0.endpoint.rawValue == 1 })
        }
    }

    @Test func offMeansNoReport() throws {
        try Self.withWorld { world, datapath in
            _ = try NetFlowLoad(2, in: world, ports: [80])
            #expect(datapath.pollEvents(limit: 1000).allSatisfy { $0.cause != .new })
            try datapath.setFlows(FlowLimit())
            let free = world.pod("free")
            let probe = NetProbe(.udp, to: free.v4, port: 9)
            #expect(try world.pod("client").namespace.run { try probe.run() } == .refused)
            try datapath.setFlows(nil)
            #expect(try world.pod("client").namespace.run { try probe.run() } == .refused)
            let events = datapath.pollEvents(limit: 1000).filter { $0.cause == .new }
            #expect(events.map(\.flow.destination) == [free.v4])
            #expect(try datapath.counters().flowsLeftOut == 0)
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

extension IPProtocol {
    /// The type of an ICMP echo request; nil for other protocols.
    var echoRequest: UInt8? { self == .icmp ? 8 : self == .icmpv6 ? 128 : nil }
}
