// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import Datapath
import DatapathEBPF
import NetworkTypes
import PacketKit
import PolicyModel
import Testing

/// Cells of rules in audit: packets pass, are counted and reported.
@Suite struct KernelAuditTests {
    private static let (pod1, pod2) = (IPAddress(v4: 0x0a00_0001), IPAddress(v4: 0x0a00_0002))

    /// Pod 1's egress: TCP 80 would be denied by rule 1, 81 and 82 are allowed by rule 2. Pod 2's ingress: 82 would be
    /// denied by rule 3, 80 is denied by rule 4 where `denies`, the rest allowed by rule 5.
    private static func policy(denies: Bool) -> CompiledPolicy {
        func rule(_ number: UInt32) -> RuleID { RuleID(rawValue: number) }
        var builder = PolicyBuilder()
        builder.addRules(5)
        builder.setTCPPorts([80, 81, 82])
        builder.addProgram(1, .egress) { _, port in
            port == 1 ? Cell(.audit, by: rule(1)) : Cell(.allow, by: rule(2))
        }
        builder.addProgram(2, .ingress) { _, port in
            switch port {
            case 1 where denies: Cell(.deny, by: rule(4))
            case 3: Cell(.audit, by: rule(3))
            default: Cell(.allow, by: rule(5))
            }
        }
        builder.addEndpoint(1, [pod1], addressClass: 0, ingress: 0, egress: 1)
        builder.addEndpoint(2, [pod2], addressClass: 0, ingress: 2, egress: 0)
        return builder.policy
    }

    private static func judge(_ port: UInt16, _ datapath: borrowing EBPFDatapath) throws -> Verdict {
        let flow = Flow(source: pod1, destination: pod2, ipProtocol: .tcp, destinationPort: port)
        return try datapath.testRun(packet: Packet(flow: flow).bytes, family: .ipv4).verdict
    }

    @Test func packetsPassAndAreToldOf() throws {
        try PrivateKernel.run { bpffs in
            var datapath = EBPFDatapath(bpffs: bpffs)
            _ = try datapath.open()
            try datapath.setListening(true)
            _ = try datapath.resync(Self.policy(denies: false))
            for _ in 0..<3 {
                #expect(try Self.judge(80, datapath) == .allow)
                #expect(try Self.judge(81, datapath) == .allow)
                #expect(try Self.judge(82, datapath) == .allow)
            }
            let counters = try datapath.counters()
            #expect(counters.audited == 6 && counters.inconsistent == 0)
            // The first packet of each flow is reported, like a drop.
            #expect(counters.suppressedEvents == 4)
            let events = datapath.pollEvents(limit: 10)
            #expect(events.map(\.cause) == [.audit, .audit])
            #expect(events.map(\.direction) == [.egress, .ingress])
            #expect(events.map(\.rule.rawValue) == [1, 3])
            #expect(events.map(\.endpoint.rawValue) == [1, 2])
            #expect(events.map(\.flow.destinationPort) == [80, 82])
            let rules = try datapath.ruleCounters()
            let packets = (1...5).map { rules[RuleID(rawValue: $0)]?.packets ?? 0 }
            #expect(packets == [3, 6, 3, 0, 6])
        }
    }

    /// An action that a later daemon may write is denied by the programs of this one.
    @Test func aReservedActionDenies() throws {
        var builder = PolicyBuilder()
        builder.addRules(1)
        builder.addProgram(1, .egress) { _, _ in Cell(.ask, by: RuleID(rawValue: 1)) }
        builder.addEndpoint(1, [Self.pod1], addressClass: 0, ingress: 0, egress: 1)
        let policy = builder.policy
        let flow = Flow(source: Self.pod1, destination: Self.pod2, ipProtocol: .tcp, destinationPort: 80)
        #expect(!policy.allows(flow) && policy.evaluate(flow).verdict == .deny)
        try PrivateKernel.run { bpffs in
            var datapath = EBPFDatapath(bpffs: bpffs)
            _ = try datapath.open()
            _ = try datapath.resync(policy)
            #expect(try Self.judge(80, datapath) == .deny)
            #expect(try datapath.counters().inconsistent == 1)
        }
    }

    /// What egress would deny is still for ingress to deny.
    @Test func auditEndsNothing() throws {
        try PrivateKernel.run { bpffs in
            var datapath = EBPFDatapath(bpffs: bpffs)
            _ = try datapath.open()
            try datapath.setListening(true)
            _ = try datapath.resync(Self.policy(denies: true))
            #expect(try Self.judge(80, datapath) == .deny)
            #expect(datapath.pollEvents(limit: 10).map(\.cause) == [.audit, .rule])
            #expect(try datapath.counters().audited == 1)
            #expect(try datapath.ruleCounters()[RuleID(rawValue: 4)]?.packets == 1)
        }
    }

    /// A program of policies in audit alone stops nothing, not even what it cannot read; others do.
    @Test(arguments: [true, false]) func headersMayBeMissingWhereAllIsInAudit(isEnforced: Bool) throws {
        try PrivateKernel.run { bpffs in
            var datapath = EBPFDatapath(bpffs: bpffs)
            _ = try datapath.open()
            try datapath.setListening(true)
            var policy = Self.policy(denies: false)
            for id in policy.programs.keys { policy.programs[id]?.isEnforced = isEnforced }
            _ = try datapath.resync(policy)
            let flow = Flow(source: Self.pod1, destination: Self.pod2, ipProtocol: .tcp, destinationPort: 80)
            // Cut inside the ports.
            let packet = Array(Packet(flow: flow).bytes.prefix(23))
            let verdict = try datapath.testRun(packet: packet, family: .ipv4).verdict
            #expect(verdict == (isEnforced ? .deny : .allow))
            #expect(try datapath.counters().unparsable == (isEnforced ? 1 : 0))
            #expect(try datapath.counters().audited == 0)
        }
    }
}
