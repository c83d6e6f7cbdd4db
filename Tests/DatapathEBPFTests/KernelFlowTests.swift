// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import Datapath
import DatapathEBPF
import Glibc
import NetworkKit
import NetworkTypes
import PolicyModel
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
            let load = try NetFlowLoad(20, in: world, ports: [80, 81])
            let events = datapath.pollEvents(limit: 10_000)
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

    /// More than the kernel's buffer holds: what is lost is counted as well.
    @Test func whatIsLostIsCountedExactly() throws {
        try Self.withWorld { world, datapath in
            try datapath.setFlows(FlowLimit(perSecond: 1_000_000, burst: 100_000))
            let (client, free) = (world.pod("client"), world.pod("free"))
            let tap = try free.namespace.run { try NetTap() }
            try client.namespace.run { try NetFlowLoad.flood(6000, to: free.v4) }
            var (arrived, told): (Set<NetFlow>, Int) = ([], 0)
            try NetClock.wait("as many reports and losses as flows", seconds: 20) {
                arrived.formUnion(tap.flows(to: [free.v4]))
                let counters = try datapath.counters()
                // Only now: a buffer that is emptied earlier loses nothing.
                if arrived.count > 5000 { told += datapath.pollEvents(limit: 10_000).count { $0.cause == .new } }
                return told > 0 && told + Int(counters.flowsLost + counters.flowsLeftOut) == arrived.count
            }
            #expect(try datapath.counters().flowsLost > 0)
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
