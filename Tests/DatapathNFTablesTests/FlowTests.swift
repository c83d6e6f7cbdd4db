// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import Datapath
import DatapathNFTables
import Glibc
import NetworkKit
import NetworkTypes
import PolicyModel
import Synchronization
import Testing

/// Established flows, spoofed packets, drop events and counters, with real packets; needs root.
/// One test at a time: what real packets prove depends on when they arrive, which a busy machine delays.
@Suite(.serialized) struct FlowTests {
    /// Pod b lets the pods in `allowed` reach it at TCP 80 and UDP 53.
    private static func plan(_ world: NetWorld, allowed: [String]) -> PolicyPlan {
        var plan = PolicyPlan()
        let b = world.pod("b")
        plan.peers["allowed"] = PolicyPlan.Peers(
            hosts: Set(allowed.map { world.pod($0) }.flatMap { [$0.v4, $0.v6] }))
        plan.programs["in"] = PolicyPlan.Rules(
            direction: .ingress, rules: [PolicyPlan.Rule(peers: ["allowed"], ports: [tcp(80), udp(53)])])
        plan.endpoints["b"] = PolicyPlan.Endpoint(addresses: [b.v4, b.v6], ingress: "in", egress: nil)
        return plan
    }

    private static func withPods(_ body: (NetWorld, inout NFTablesDatapath, inout PlanCompiler) throws -> Void) throws {
        let services = [NetService(.tcp, port: 8080, targetPort: 80, backends: ["b"])]
        try NetWorld.with(pods: ["a", "b", "c"], services: services) { world in
            let b = world.pod("b")
            let server = try b.namespace.run {
                try NetServer(at: [b.v4, b.v6], [NetServer.Port(.tcp, 80), NetServer.Port(.udp, 53)])
            }
            defer { server.stop() }
            try world.node.run {
                var datapath = NFTablesDatapath()
                _ = try datapath.open()
                var compiler = PlanCompiler()
                try body(world, &datapath, &compiler)
            }
        }
    }

    @Test func aRevokedFlowStopsAndNoOther() throws {
        try Self.withPods { world, datapath, compiler in
            let both = compiler.compile(Self.plan(world, allowed: ["a", "c"]))
            let one = compiler.compile(Self.plan(world, allowed: ["c"]))
            _ = try datapath.resync(both)
            let targets: [(IPProtocol, IPAddress, UInt16)] = [
                (.udp, world.pod("b").v4, 53), (.tcp, world.pod("b").v6, 80), (.tcp, NetAddressing.service(0), 8080),
            ]
            func hammers(_ pod: String) throws -> [NetHammer] {
                try world.pod(pod).namespace.run {
                    try targets.map { try NetHammer($0.0, to: $0.1, port: $0.2, everyMicroseconds: 4000) }
                }
            }
            let revoked = try hammers("a")
            let kept = try hammers("c")
            for hammer in revoked + kept { try hammer.waitForAnswers(60) }
            _ = try datapath.program(CompiledDelta(from: both, to: one), of: one)
            let time = NetClock.now
            for hammer in revoked { try hammer.waitForPackets(40, since: time) }
            let last = NetClock.now
            for hammer in kept { try hammer.waitForAnswers(5, since: last) }
            for hammer in revoked {
                let packets = hammer.stop()
                let before = packets.filter { $0.sent < time - 50_000_000 }
                #expect(before.count > 30 && before.allSatisfy { $0.answered != nil })
                let after = packets.filter { $0.sent > time }
                #expect(after.count > 30 && after.allSatisfy { $0.answered == nil })
            }
            for hammer in kept {
                let packets = hammer.stop()
                #expect(packets.count > 100 && packets.allSatisfy { $0.answered != nil })
            }
        }
    }

    @Test func noPacketSeesHalfAChange() throws {
        try Self.withPods { world, datapath, compiler in
            let b = world.pod("b")
            // Both let pod c in, by rules, sets and chains that are all different.
            let plans = [Self.plan(world, allowed: ["a", "c"]), Self.plan(world, allowed: ["c"])].enumerated().map {
                var plan = $1
                plan.peers["allowed \($0)"] = plan.peers.removeValue(forKey: "allowed")
                plan.programs["in"]!.rules[0].peers = ["allowed \($0)"]
                plan.programs["in \($0)"] = plan.programs.removeValue(forKey: "in")
                plan.endpoints["b"]!.ingress = "in \($0)"
                return plan
            }
            let policies = plans.map { compiler.compile($0) }
            _ = try datapath.resync(policies[0])
            // New flows, so that the chains judge each packet: every probe has a port of its own.
            let asker = try world.pod("c").namespace.run { try Asker(b.v4, 53) }
            for number in 0..<150 {
                let (old, new) = (policies[number % 2], policies[(number + 1) % 2])
                let report = try datapath.program(CompiledDelta(from: old, to: new), of: new)
                #expect(!report.rebuilt && report.repaired == 0)
            }
            let (asked, answered) = asker.stop()
            #expect(asked > 100)
            #expect(answered == asked)
        }
    }

    @Test func aReplyOfARevokedFlowIsNoFlowOfItsOwn() throws {
        try Self.withPods { world, datapath, compiler in
            let (a, b) = (world.pod("a"), world.pod("b"))
            let allowed = compiler.compile(Self.plan(world, allowed: ["a"]))
            let denied = compiler.compile(Self.plan(world, allowed: []))
            _ = try datapath.resync(allowed)
            let server = try b.namespace.run { try NetSocket(.ipv4, SOCK_DGRAM) }
            try server.bind(b.v4, 5300)
            let client = try a.namespace.run { try NetSocket(.ipv4, SOCK_DGRAM) }
            try client.bind(a.v4, 40000)
            var plan = Self.plan(world, allowed: ["a"])
            plan.programs["in"]!.rules[0].ports = [udp(5300)]
            plan.programs["in5300"] = plan.programs.removeValue(forKey: "in")
            plan.endpoints["b"]!.ingress = "in5300"
            let open = compiler.compile(plan)
            _ = try datapath.program(CompiledDelta(from: allowed, to: open), of: open)
            client.send([1], to: b.v4, 5300)
            #expect(server.wait(POLLIN, milliseconds: 500) != 0)
            _ = server.receive()
            server.send([2], to: a.v4, 40000)
            #expect(client.wait(POLLIN, milliseconds: 500) != 0)
            _ = client.receive()
            _ = try datapath.program(CompiledDelta(from: open, to: denied), of: denied)
            server.send([3], to: a.v4, 40000)
            #expect(client.wait(POLLIN, milliseconds: 200) == 0)
            client.send([4], to: b.v4, 5300)
            #expect(server.wait(POLLIN, milliseconds: 200) == 0)
            // Later it is one: nothing that is on its way can be a reply any more.
            usleep(350_000)
            try datapath.reclaim()
            client.send([5], to: b.v4, 5300)
            #expect(server.wait(POLLIN, milliseconds: 200) == 0)
            server.send([6], to: a.v4, 40000)
            #expect(client.wait(POLLIN, milliseconds: 500) != 0)
        }
    }

    /// A pod that is isolated itself reads what its server sends; policy takes that away and gives it back.
    @Test(arguments: AddressFamily.allCases) func aConnectionGoesOnWhenItIsAllowedAgain(family: AddressFamily) throws {
        try Self.withPods { world, datapath, compiler in
            let (a, b) = (world.pod("a"), world.pod("b"))
            func plan(allowed: [String]) -> PolicyPlan {
                var plan = Self.plan(world, allowed: allowed)
                plan.programs["in"]!.rules[0].ports = [tcp(8000)]
                plan.programs["none"] = PolicyPlan.Rules(direction: .ingress)
                plan.endpoints["a"] = PolicyPlan.Endpoint(addresses: [a.v4, a.v6], ingress: "none")
                return plan
            }
            let allowed = compiler.compile(plan(allowed: ["a"]))
            let denied = compiler.compile(plan(allowed: []))
            _ = try datapath.resync(allowed)
            let listener = try b.namespace.run { try NetSocket(family, SOCK_STREAM) }
            try listener.bind(b.address(family), 8000)
            try listener.listen()
            let client = try a.namespace.run { try NetSocket(family, SOCK_STREAM) }
            _ = client.connect(b.address(family), 8000)
            #expect(listener.wait(POLLIN, milliseconds: 1000) != 0)
            guard let server = listener.accept()?.connection else { return }
            func hears(within milliseconds: Int) -> Bool {
                guard client.wait(POLLIN, milliseconds: milliseconds) != 0 else { return false }
                _ = client.receive()
                return true
            }
            server.send([1])
            #expect(hears(within: 500))
            _ = try datapath.program(CompiledDelta(from: allowed, to: denied), of: denied)
            server.send([2])
            #expect(!hears(within: 500))
            try datapath.reclaim()
            #expect(try datapath.resync(denied) == ProgramReport())
            server.send([3])
            #expect(!hears(within: 500))
            // The next run goes on denying it, and lets it go on.
            datapath = NFTablesDatapath()
            _ = try datapath.open()
            _ = try datapath.resync(denied)
            #expect(!hears(within: 500))
            _ = try datapath.program(CompiledDelta(from: denied, to: allowed), of: allowed)
            #expect(hears(within: 5000))
            #expect(try datapath.resync(allowed) == ProgramReport())
            let listed = try NetProcess.run(["nft", "list", "chain", "inet", "bulkhead", "revoked-flows"])
            #expect(!listed.contains("drop"))
        }
    }

    @Test func dropsAreToldAndCounted() throws {
        try Self.withPods { world, datapath, compiler in
            let (a, b) = (world.pod("a"), world.pod("b"))
            let policy = compiler.compile(Self.plan(world, allowed: []))
            _ = try datapath.resync(policy)
            for family in AddressFamily.allCases {
                let probe = NetProbe(.tcp, to: b.address(family), port: 81)
                #expect(try a.namespace.run { try probe.run() } == .timeout)
            }
            let events = datapath.pollEvents(limit: 100)
            #expect(Set(events.map(\.flow.source)) == [a.v4, a.v6])
            for event in events {
                #expect(event.cause == .rule && event.direction == .ingress && event.flow.destinationPort == 81)
                #expect(policy.endpoints[event.endpoint]?.name.name == "b" && event.sourcePort != 0)
                guard case .isolation = policy.rules[event.rule]?.identity else {
                    Issue.record("no isolation: \(event)")
                    continue
                }
            }
            let rule = events[0].rule
            #expect(try datapath.ruleCounters()[rule]!.packets >= 2)
            // A packet that TCP sent again.
            let repeats = try datapath.ruleCounters()[rule]!.packets - UInt64(events.count)
            #expect(try datapath.counters().suppressedEvents == repeats)
        }
    }

    @Test func aSpoofedSourceIsDropped() throws {
        try Self.withPods { world, datapath, compiler in
            let (a, b, c) = (world.pod("a"), world.pod("b"), world.pod("c"))
            var plan = Self.plan(world, allowed: ["a", "c"])
            plan.endpoints["a"] = PolicyPlan.Endpoint(addresses: [a.v4, a.v6])
            let policy = compiler.compile(plan)
            _ = try datapath.resync(policy)
            let index = if_nametoindex(a.hostInterface)
            let endpoint = policy.endpoints.first { $0.value.name.name == "a" }!.key
            try datapath.setPlace(
                EndpointPlace(interfaces: [EndpointInterface(index: index, name: a.hostInterface)]), of: endpoint)
            try a.namespace.run {
                try NetSpoof.send(from: c.v4, 999, to: b.v4, 53, payload: [1])
                try NetSpoof.send(from: c.v6, 999, to: b.v6, 53, payload: [1])
                #expect(try NetProbe(.udp, to: b.v4, port: 53).run() == .answered)
                #expect(try NetProbe(.udp, to: b.v6, port: 53).run() == .answered)
            }
            #expect(try datapath.counters().spoofed == 2)
            #expect(datapath.pollEvents(limit: 10).map(\.cause) == [.spoofed, .spoofed])
            try datapath.setPlace(nil, of: endpoint)
            #expect(try datapath.counters().spoofed == 2)
        }
    }
}

/// Asks one UDP question after the other, each as a flow of its own, on a thread of its own.
private final class Asker: Sendable {
    private let isStopping = Atomic<Bool>(false)
    private let asked = Atomic<Int>(0)
    private let answered = Atomic<Int>(0)
    private let isDone = Atomic<Bool>(false)

    init(_ target: IPAddress, _ port: UInt16) throws {
        // The thread inherits the network namespace of the one that starts it.
        let thread = try NetThread.start { [self] in
            while !isStopping.load(ordering: .relaxed) {
                let outcome = try? NetProbe(.udp, to: target, port: port, milliseconds: 500).run()
                asked.add(1, ordering: .relaxed)
                if outcome == .answered { answered.add(1, ordering: .relaxed) }
                usleep(2000)
            }
            isDone.store(true, ordering: .releasing)
        }
        pthread_detach(thread)
    }

    func stop() -> (asked: Int, answered: Int) {
        isStopping.store(true, ordering: .relaxed)
        while !isDone.load(ordering: .acquiring) { usleep(1000) }
        return (asked.load(ordering: .relaxed), answered.load(ordering: .relaxed))
    }
}
