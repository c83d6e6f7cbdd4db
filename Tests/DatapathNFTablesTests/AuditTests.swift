// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import Datapath
import DatapathNFTables
import NetworkKit
import NetworkTypes
import PolicyModel
import Testing

/// Policies in audit: reported, never in force.
/// One test at a time: what real packets prove depends on when they arrive, which a busy machine delays.
@Suite(.serialized) struct AuditTests {
    /// Pure: the plan of the table reports a flow if its tables do, and lets pass what they allow.
    @Test func whatWouldBeDeniedIsToldAndNothingElse() {
        var compiler = PlanCompiler()
        let policy = compiler.compile(.mixed)
        let tables = PolicyTables(policy)
        let outside = ["192.0.2.1", "10.1.2.3", "10.9.9.9", "2001:db8::1", "2001:db9::1"].map(address)
        var told = 0
        for peer in outside {
            for own in policy.endpoints.values.flatMap(\.addresses) where own.family == peer.family {
                for (number, port) in [(.tcp, 80), (.tcp, 81), (.udp, 53), (.udp, 54), (.icmp, nil)]
                    as [(IPProtocol, UInt16?)]
                {
                    for (source, destination) in [(own, peer), (peer, own)] {
                        let flow = Flow(
                            source: source, destination: destination, ipProtocol: number, destinationPort: port)
                        var walk = TableWalk(tables.contents, flow)
                        let isAccepted = walk.isAccepted()
                        #expect(isAccepted == policy.allows(flow), "\(flow)")
                        let wouldDeny = policy.wouldDeny(flow)
                        #expect(walk.counted.contains("packets-audited") == (wouldDeny != nil), "\(flow)")
                        guard let wouldDeny else { continue }
                        told += 1
                        #expect(walk.counted.contains { $0.hasPrefix("rule/\(wouldDeny.rawValue)/") })
                    }
                }
            }
        }
        #expect(told >= 6)
    }

    /// Pure: what a pod sends to its node passes the same chains.
    @Test func theNodeIsAPeerLikeAnother() {
        var compiler = PlanCompiler()
        let policy = compiler.compile(.mixed)
        let tables = PolicyTables(policy)
        for (port, rule) in [(80, "no-metadata"), (81, "no-metadata"), (82, nil)] as [(UInt16, String?)] {
            let flow = Flow(
                source: address("10.0.0.4"), destination: address("192.0.2.1"), ipProtocol: .tcp, destinationPort: port)
            var walk = TableWalk(tables.contents, flow)
            #expect(walk.isAccepted("input") == policy.allows(flow))
            // Port 81 is passed on in audit, and the NetworkPolicy allows it.
            let isTold = rule != nil && port == 80
            #expect(walk.counted.contains { $0.hasSuffix("staged/egress/1/no-metadata") } == isTold)
        }
    }

    @Test func wouldBeDenialsAreCountedAndLoggedAndNotStopped() throws {
        try NetWorld.with(pods: ["a", "b", "c"]) { world in
            let (a, b) = (world.pod("a"), world.pod("b"))
            let ports = [NetServer.Port(.tcp, 80), NetServer.Port(.udp, 53)]
            let server = try b.namespace.run { try NetServer(at: [b.v4, b.v6], ports) }
            defer { server.stop() }
            var plan = PolicyPlan()
            plan.peers["a"] = PolicyPlan.Peers(hosts: [a.v4, a.v6])
            plan.programs["in"] = PolicyPlan.Rules(
                direction: .ingress, rules: [PolicyPlan.Rule(peers: nil, ports: [tcp(80), udp(53)])],
                audit: [
                    PolicyPlan.Rule(tier: .admin, action: .deny, peers: ["a"], policy: "staged", name: "no a")
                ])
            plan.endpoints["b"] = PolicyPlan.Endpoint(addresses: [b.v4, b.v6], ingress: "in", egress: nil)
            var compiler = PlanCompiler()
            let policy = compiler.compile(plan)
            try world.node.run {
                var datapath = NFTablesDatapath()
                _ = try datapath.open()
                _ = try datapath.resync(policy)
                func outcomes(_ pod: String) throws -> [NetOutcome] {
                    let probes = [
                        NetProbe(.tcp, to: b.v4, port: 80), NetProbe(.udp, to: b.v6, port: 53),
                        NetProbe(.udp, to: b.v4, port: 54),
                    ]
                    return try world.pod(pod).namespace.run { try NetProbe.runTogether(probes) }
                }
                #expect(try outcomes("c") == [.answered, .answered, .timeout])
                #expect(try datapath.counters().audited == 0)
                #expect(datapath.pollEvents(limit: 10).allSatisfy { $0.cause == .rule })
                #expect(try outcomes("a") == [.answered, .answered, .timeout])
                #expect(try datapath.counters().audited == 2)
                let events = datapath.pollEvents(limit: 10).filter { $0.cause == .audit }
                #expect(Set(events.map(\.flow.destinationPort)) == [80, 53] && events.count == 2)
                for event in events {
                    #expect(event.direction == .ingress && policy.endpoints[event.endpoint]?.name.name == "b")
                    #expect(policy.rules[event.rule]?.identity.name == "staged rule 1 (no a)")
                    #expect(try datapath.ruleCounters()[event.rule]?.packets == 2)
                }
                // One counter starts again: the others, the tables and what they are compared with stay.
                let others = try datapath.ruleCounters().filter { $0.key != events[0].rule }
                try datapath.restartCounters(of: [events[0].rule])
                #expect(try datapath.ruleCounters()[events[0].rule]?.packets == 0)
                #expect(try datapath.ruleCounters().filter { $0.key != events[0].rule } == others)
                #expect(try datapath.isUntouched() && datapath.resync(policy) == ProgramReport())
                _ = try outcomes("a")
                #expect(try datapath.ruleCounters()[events[0].rule]?.packets == 2)
                #expect(try datapath.counters().suppressedEvents == 0)
            }
        }
    }
}

extension CompiledPolicy {
    /// The rule in audit that would deny the flow; egress is asked first, and ingress only of what egress lets out.
    fileprivate func wouldDeny(_ flow: Flow) -> RuleID? {
        let source = addresses.entry(of: flow.source)
        let destination = addresses.entry(of: flow.destination)
        let egress = endpoints[source.endpoint].flatMap { programs[$0.egress] }
        let ingress = endpoints[destination.endpoint].flatMap { programs[$0.ingress] }
        let cells = [
            egress?.cell(destination.addressClass, portClass(of: flow)),
            ingress?.cell(source.addressClass, portClass(of: flow)),
        ].compactMap { $0 }
        for cell in cells {
            if cell.verdict == .deny { return nil }
            if cell.wouldDeny { return cell.rule }
        }
        return nil
    }
}
