// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import Datapath
import DatapathEBPF
import NetworkTypes
import PacketKit
import PolicyModel
import Testing

/// The program in the kernel under BPF_PROG_TEST_RUN.
@Suite struct KernelVerdictTests {
    @Test func verdictsOfRandomTables() throws {
        try PrivateKernel.run { bpffs in
            var random = SeededRandom(1)
            var datapath = EBPFDatapath(bpffs: bpffs)
            _ = try datapath.open()
            try datapath.setListening(true)
            for round in 0..<20 {
                let policy = PolicyBuilder.random(&random)
                _ = try datapath.resync(policy)
                for _ in 0..<200 {
                    let flow = PolicyBuilder.randomFlow(policy, &random)
                    let packet = Packet(flow: flow).bytes
                    let found = try datapath.testRun(packet: packet, family: flow.source.family).verdict
                    if found != PolicyBuilder.verdict(flow, policy) { Issue.record("\(flow) round \(round)") }
                }
            }
            let counters = try datapath.counters()
            #expect(counters.inconsistent == 0)
            #expect(counters.unparsable == 0)
            #expect(counters.spoofed == 0)
        }
    }

    /// Pod 1 at 10.0.0.1 and fd00::1, isolated both ways: from class 1 only TCP 80 comes in, to class 1 all goes out.
    static func onePod() -> CompiledPolicy {
        var builder = PolicyBuilder()
        builder.addRules(4)
        builder.addClasses(1)
        builder.setTCPPorts([80])
        builder.addProgram(1, .ingress) { row, column in
            row == 1 && column == 1 ? Cell(.allow, by: RuleID(rawValue: 1)) : Cell(.deny, by: RuleID(rawValue: 2))
        }
        builder.addProgram(2, .egress) { row, _ in
            row == 1 ? Cell(.allow, by: RuleID(rawValue: 3)) : Cell(.deny, by: RuleID(rawValue: 4))
        }
        let addresses = [IPAddress(v4: 0x0a00_0001), IPAddress(v6High: 0xfd00 << 48, low: 1)]
        builder.addEndpoint(1, addresses, addressClass: 0, ingress: 1, egress: 2)
        builder.set(CIDR(IPAddress(v4: 0x0a01_0000), prefixLength: 16), 1)
        builder.set(CIDR(IPAddress(v6High: 0xfd01 << 48, low: 0), prefixLength: 64), 1)
        return builder.policy
    }

    private static func address(_ text: String) -> IPAddress {
        do { return try IPAddress(text) } catch { fatalError("\(error)") }
    }

    private static func flow(_ from: String, _ to: String, _ ipProtocol: IPProtocol, _ port: UInt16?) -> Flow {
        Flow(source: address(from), destination: address(to), ipProtocol: ipProtocol, destinationPort: port)
    }

    @Test func countsAndEvents() throws {
        try PrivateKernel.run { bpffs in
            var datapath = EBPFDatapath(bpffs: bpffs)
            _ = try datapath.open()
            try datapath.setListening(true)
            _ = try datapath.resync(Self.onePod())
            func judge(_ flow: Flow, _ datapath: borrowing EBPFDatapath) throws -> Verdict {
                try datapath.testRun(packet: Packet(flow: flow).bytes, family: flow.source.family).verdict
            }
            for _ in 0..<3 {
                #expect(try judge(Self.flow("10.1.0.9", "10.0.0.1", .tcp, 80), datapath) == .allow)
                #expect(try judge(Self.flow("10.1.0.9", "10.0.0.1", .tcp, 81), datapath) == .deny)
                #expect(try judge(Self.flow("fd00::1", "fd02::1", .udp, 53), datapath) == .deny)
            }
            #expect(try judge(Self.flow("10.0.0.1", "10.0.0.1", .tcp, 81), datapath) == .allow)
            let counters = try datapath.ruleCounters()
            #expect(counters[RuleID(rawValue: 1)]?.packets == 3)
            #expect(counters[RuleID(rawValue: 2)]?.packets == 3)
            #expect(counters[RuleID(rawValue: 4)]?.packets == 3)
            #expect(counters[RuleID(rawValue: 3)] == nil)
            let size = UInt64(Packet(flow: Self.flow("10.1.0.9", "10.0.0.1", .tcp, 80)).bytes.count)
            #expect(counters[RuleID(rawValue: 1)]?.bytes == 3 * size)
            // The first packet of each flow is reported.
            let events = datapath.pollEvents(limit: 100)
            #expect(events.count == 2)
            #expect(events[0].flow == Self.flow("10.1.0.9", "10.0.0.1", .tcp, 81))
            #expect(events[0].cause == .rule && events[0].rule == RuleID(rawValue: 2))
            #expect(events[0].direction == .ingress && events[0].endpoint == EndpointID(rawValue: 1))
            #expect(events[0].sourcePort == 40000)
            #expect(events[1].flow == Self.flow("fd00::1", "fd02::1", .udp, 53))
            #expect(events[1].direction == .egress)
            #expect(try datapath.counters().suppressedEvents == 4)
        }
    }

    @Test func eventsKeepTheirRate() throws {
        try PrivateKernel.run { bpffs in
            var options = EBPFDatapath.Options()
            options.eventsPerSecond = 10
            options.eventBurst = 5
            var datapath = EBPFDatapath(bpffs: bpffs, options: options)
            _ = try datapath.open()
            try datapath.setListening(true)
            _ = try datapath.resync(Self.onePod())
            for port in UInt16(1000)..<1100 {
                let packet = Packet(flow: Self.flow("10.1.0.9", "10.0.0.1", .tcp, port)).bytes
                _ = try datapath.testRun(packet: packet, family: .ipv4)
            }
            let events = datapath.pollEvents(limit: 1000)
            #expect((5...8).contains(events.count), "\(events.count)")
            #expect(try datapath.counters().suppressedEvents == UInt64(100 - events.count))
        }
    }

    @Test func headersInTheirOddForms() throws {
        try PrivateKernel.run { bpffs in
            var datapath = EBPFDatapath(bpffs: bpffs)
            _ = try datapath.open()
            try datapath.setListening(true)
            _ = try datapath.resync(Self.onePod())
            func judge(_ bytes: [UInt8], _ family: AddressFamily, _ datapath: borrowing EBPFDatapath) throws -> Verdict
            {
                try datapath.testRun(packet: bytes, family: family).verdict
            }
            let tcp = Packet(flow: Self.flow("10.1.0.9", "10.0.0.1", .tcp, 80)).bytes
            #expect(try judge(tcp, .ipv4, datapath) == .allow)
            // Cut in front of, inside and after the ports.
            for (length, verdict) in [(20, Verdict.deny), (23, .deny), (24, .allow), (31, .allow), (33, .allow)] {
                #expect(try judge(Array(tcp[..<length]), .ipv4, datapath) == verdict, "\(length)")
            }
            var options = tcp
            options[0] = 0x47
            options.insert(contentsOf: [1, 1, 1, 1, 1, 1, 1, 0], at: 20)
            #expect(try judge(options, .ipv4, datapath) == .allow)
            options[30...31] = [0, 81]
            #expect(try judge(options, .ipv4, datapath) == .deny)
            var fragment = tcp
            fragment[6...7] = [0, 2]
            #expect(try judge(fragment, .ipv4, datapath) == .deny)
            var headless = tcp
            headless[0] = 0x44
            #expect(try judge(headless, .ipv4, datapath) == .deny)
            try judgeExtensions(datapath)
            #expect(try datapath.counters().unparsable >= 6)
        }
    }

    private func judgeExtensions(_ datapath: borrowing EBPFDatapath) throws {
        let tcp = Packet(flow: Self.flow("fd01::9", "fd00::1", .tcp, 80)).bytes
        func with(_ extensions: [(kind: UInt8, bytes: [UInt8])], port: UInt8 = 80, keep: Int? = nil) -> [UInt8] {
            var bytes = tcp
            bytes[43] = port
            var next = bytes[6]
            for item in extensions.reversed() {
                bytes.insert(contentsOf: [next] + item.bytes, at: 40)
                next = item.kind
            }
            bytes[6] = next
            return keep.map { Array(bytes[..<$0]) } ?? bytes
        }
        let eight: [UInt8] = [0, 1, 4, 0, 0, 0, 0]
        let sixteen: [UInt8] = [1] + Array(repeating: 0, count: 14)
        let authentication: [UInt8] = [4] + Array(repeating: 0, count: 22)
        let cases: [(String, [UInt8], Verdict)] = [
            ("plain", with([]), .allow),
            ("other port", with([], port: 81), .deny),
            ("hop by hop", with([(0, eight)]), .allow),
            ("long routing and options", with([(43, sixteen), (60, eight)]), .allow),
            ("behind extensions the port still counts", with([(43, sixteen), (60, eight)], port: 81), .deny),
            ("authentication is a protocol without ports", with([(51, authentication)]), .deny),
            ("atomic fragment", with([(44, [0, 0, 0, 0, 0, 0, 1])]), .allow),
            ("later fragment", with([(44, [0, 0, 8, 0, 0, 0, 1])]), .deny),
            ("32", with(Array(repeating: (60, eight), count: 32)), .allow),
            ("33", with(Array(repeating: (60, eight), count: 33)), .deny),
            ("cut in an extension", with([(60, sixteen)], keep: 44), .deny),
            ("cut behind the extension", with([(60, eight)], keep: 50), .deny),
            ("cut in front of the ports", with([], keep: 42), .deny),
            ("cut behind the ports", with([], keep: 44), .allow),
            ("header alone", with([], keep: 40), .deny),
        ]
        for (name, bytes, verdict) in cases {
            #expect(try datapath.testRun(packet: bytes, family: .ipv6).verdict == verdict, "\(name)")
        }
    }
}
