// SPDX-License-Identifier: Apache-2.0
import BulkheadABI
import CLibBPF
import CompiledPolicy
import Datapath
import DatapathEBPF
import Glibc
import NetworkKit
import NetworkTypes
import PolicyModel
import Testing

/// Questions about packets that nothing sends, answered by the programs over the tables in force.
@Suite struct KernelQuestionTests {
    private static let (pod1, pod2) = (EndpointID(rawValue: 1), EndpointID(rawValue: 2))

    private static func rule(_ number: UInt32) -> RuleID { RuleID(rawValue: number) }

    /// By TCP port, egress of pod 1 and ingress of pod 2: 80 rule 1 allows both, 81 rule 2 denies egress, 82 rule 3
    /// denies ingress, 83 rule 4 is in audit in both, 84 is handed over by rule 5, 85 has no rule, 86 has an action of
    /// the future.
    private static func policy() -> CompiledPolicy {
        var builder = PolicyBuilder()
        builder.addRules(7)
        builder.setTCPPorts([80, 81, 82, 83, 84, 85, 86])
        builder.addProgram(1, .egress) { _, port in
            switch port {
            case 2: Cell(.deny, by: rule(2))
            case 4: Cell(.audit, by: rule(4))
            case 6: Cell(.allow, by: .noPolicy)
            default: Cell(.allow, by: rule(1))
            }
        }
        builder.addProgram(2, .ingress) { _, port in
            switch port {
            case 1, 2: Cell(.allow, by: rule(1))
            case 3: Cell(.deny, by: rule(3))
            case 4: Cell(.audit, by: rule(4))
            case 5: Cell(.handOver, by: rule(5))
            case 6: Cell(.allow, by: .noPolicy)
            case 7: Cell(.ask, by: rule(6))
            default: Cell(.allow, by: rule(7))
            }
        }
        for number in [1, 2] {
            let addresses = [
                IPAddress(v4: 0x0a00_0000 + UInt32(number)), IPAddress(v6High: 0xfd << 56, low: UInt64(number)),
            ]
            builder.addEndpoint(
                number, addresses, addressClass: 0, ingress: number == 2 ? 2 : 0, egress: number == 1 ? 1 : 0)
        }
        return builder.policy
    }

    private static func question(
        _ port: UInt16, _ family: AddressFamily = .ipv4, from: UInt32 = 1, to: UInt32 = 2,
        _ way: KernelQuestion.Way = .forwarded,
        _ ipProtocol: IPProtocol = .tcp
    ) -> KernelQuestion {
        func address(_ number: UInt32) -> IPAddress {
            family == .ipv4 ? IPAddress(v4: 0x0a00_0000 + number) : IPAddress(v6High: 0xfd << 56, low: UInt64(number))
        }
        return KernelQuestion(
            flow: Flow(source: address(from), destination: address(to), ipProtocol: ipProtocol, destinationPort: port),
            way: way)
    }

    private static let rows: [(port: UInt16, answer: KernelAnswer)] = [
        (80, KernelAnswer(verdict: .allow, rules: [.egress: rule(1), .ingress: rule(1)])),
        (81, KernelAnswer(verdict: .deny, rules: [.egress: rule(2)])),
        (82, KernelAnswer(verdict: .deny, rules: [.egress: rule(1), .ingress: rule(3)])),
        (83, KernelAnswer(verdict: .allow, wouldDeny: [.egress: rule(4), .ingress: rule(4)])),
        (84, KernelAnswer(verdict: .dependsOnRequest, rules: [.egress: rule(1), .ingress: rule(5)], cause: .handOver)),
        (85, KernelAnswer(verdict: .allow)),
        (86, KernelAnswer(verdict: .deny, rules: [.egress: rule(1)], cause: .inconsistent)),
        (87, KernelAnswer(verdict: .allow, rules: [.egress: rule(1), .ingress: rule(7)])),
    ]

    private static func withOpen(_ body: (_ bpffs: String, inout EBPFDatapath) throws -> Void) throws {
        try PrivateKernel.run { bpffs in
            var datapath = EBPFDatapath(bpffs: bpffs)
            _ = try datapath.open()
            try datapath.setListening(true)
            _ = try datapath.resync(policy())
            try body(bpffs, &datapath)
            // No question counts or is reported.
            #expect(try datapath.counters() == DatapathCounters())
            #expect(try datapath.ruleCounters().values.allSatisfy { $0.packets == 0 })
            #expect(datapath.pollEvents(limit: 10).isEmpty)
        }
    }

    @Test(arguments: AddressFamily.allCases) func rowsAnswer(_ family: AddressFamily) throws {
        try Self.withOpen { _, datapath in
            for _ in 0..<2 {
                let answers = try datapath.ask(Self.rows.map { Self.question($0.port, family) })
                for (row, answer) in zip(Self.rows, answers) { #expect(answer == row.answer, "port \(row.port)") }
            }
            try datapath.setSteeringMarks(SteeringMarks(toProxy: 0x10, fromProxy: 0x20))
            let handedOver = try datapath.ask([Self.question(84, family)])
            #expect(
                handedOver == [
                    KernelAnswer(verdict: .dependsOnRequest, rules: [.egress: Self.rule(1), .ingress: Self.rule(5)])
                ])
            let others = try datapath.ask([
                Self.question(81, family, from: 1, to: 1), Self.question(81, family, from: 2, to: 1),
                Self.question(81, family, .fromOwnNode), Self.question(81, family, .toOwnNode),
                Self.question(81, family, from: 9, to: 8),
            ])
            #expect(others == [KernelAnswer](repeating: KernelAnswer(verdict: .allow), count: 5))
        }
    }

    /// Real places do not make the packet of a question a forged one; tables that would, do.
    @Test(arguments: AddressFamily.allCases) func thePlaceIsThatOfTheSender(_ family: AddressFamily) throws {
        try Self.withOpen { bpffs, datapath in
            let places = [
                EndpointPlace(interfaces: [EndpointInterface(index: 70, name: "a"), .init(index: 71, name: "b")]),
                EndpointPlace(port: EndpointBridgePort(index: 72, bridge: 73)),
            ]
            for place in places {
                try datapath.setPlace(place, of: Self.pod1)
                let answers = try datapath.ask(Self.rows.map { Self.question($0.port, family) })
                #expect(answers == Self.rows.map(\.answer))
                #expect(try datapath.ask([Self.question(81, family, .toOwnNode)]) == [KernelAnswer(verdict: .allow)])
            }
            let before = try Self.flip(bpffs, wordAt: Int(BH_ENDPOINTS_OFFSET) + 16 + 8) { _ in 74 }
            #expect(before == 73)
            let forged = try datapath.ask([Self.question(80, family), Self.question(80, family, .toOwnNode)])
            #expect(forged == [KernelAnswer](repeating: KernelAnswer(verdict: .deny, cause: .spoofed), count: 2))
            #expect(!datapath.repair().repaired.isEmpty)
            #expect(try datapath.ask([Self.question(80, family)]) == [Self.rows[0].answer])
        }
    }

    /// Changes one word of the pinned tables, as another process could; returns the word before.
    @discardableResult private static func flip(
        _ bpffs: String, wordAt byte: Int, _ change: (UInt32) -> UInt32
    ) throws -> UInt32 {
        try edit(bpffs) { words in
            let old = words[byte / 4]
            words[byte / 4] = change(old)
            return old
        }
    }

    private static func edit<Value>(
        _ bpffs: String, _ body: (UnsafeMutableBufferPointer<UInt32>) throws -> Value
    ) throws -> Value {
        let map = bpf_obj_get("\(bpffs)/bulkhead/v\(BH_LAYOUT_VERSION)/1/tables")
        try #require(map >= 0)
        defer { close(map) }
        var info = bpf_map_info()
        var size = UInt32(MemoryLayout<bpf_map_info>.size)
        try #require(bpf_obj_get_info_by_fd(map, &info, &size) == 0)
        let bytes = Int(info.value_size)
        let base = try #require(mmap(nil, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, map, 0))
        try #require(base != MAP_FAILED)
        defer { munmap(base, bytes) }
        let words = UnsafeMutableBufferPointer(start: base.assumingMemoryBound(to: UInt32.self), count: bytes / 4)
        return try body(words)
    }

    /// A cell that others have changed decides as it does for packets, until it is repaired.
    @Test func aChangedCellIsSeen() throws {
        try Self.withOpen { bpffs, datapath in
            let changes: [(port: UInt16, from: UInt32, to: UInt32, answer: KernelAnswer)] = [
                (
                    81, BH_CELL_DENY | 2, BH_CELL_ALLOW | 2,
                    KernelAnswer(verdict: .allow, rules: [.egress: rule(2), .ingress: rule(1)])
                ),
                (
                    82, BH_CELL_DENY | 3, 0,
                    KernelAnswer(verdict: .deny, rules: [.egress: rule(1)], cause: .inconsistent)
                ),
                // A rule without a counter.
                (
                    82, BH_CELL_DENY | 3, BH_CELL_ALLOW | 0xfffff0,
                    KernelAnswer(verdict: .deny, rules: [.egress: rule(1)], cause: .inconsistent)
                ),
            ]
            func rule(_ number: UInt32) -> RuleID { Self.rule(number) }
            for change in changes {
                let changed = try Self.edit(bpffs) { words in
                    let found = words.indices.filter { $0 * 4 >= Int(BH_FIXED_BYTES) && words[$0] == change.from }
                    for index in found { words[index] = change.to }
                    return found.count
                }
                #expect(changed > 0)
                #expect(try datapath.ask([Self.question(change.port)]) == [change.answer])
                #expect(!datapath.repair().repaired.isEmpty)
                let row = try #require(Self.rows.first { $0.port == change.port })
                #expect(try datapath.ask([Self.question(change.port)]) == [row.answer])
            }
        }
    }

    /// The programs answer about the tables that replace those before.
    @Test func newTablesAnswer() throws {
        try Self.withOpen { bpffs, datapath in
            _ = try datapath.ask([Self.question(80)])
            var policy = Self.policy()
            for number in 100..<4000 { policy.rules[Self.rule(UInt32(number))] = PolicyBuilder.rule(number) }
            let report = try datapath.resync(policy)
            #expect(report.rebuilt)
            #expect(try datapath.ask(Self.rows.map { Self.question($0.port) }) == Self.rows.map(\.answer))
            datapath = EBPFDatapath(bpffs: bpffs)
            _ = try datapath.open()
            try datapath.setListening(true)
            #expect(try datapath.ask(Self.rows.map { Self.question($0.port) }) == Self.rows.map(\.answer))
        }
    }

    /// What takes long needs no state of the datapath, and may end after its tables were replaced.
    @Test func theProgramsThatAnswerAreLoadedElsewhere() throws {
        try Self.withOpen { _, datapath in
            let before = datapath.preparationToAsk()
            let first = try #require(before)
            var policy = Self.policy()
            for number in 100..<4000 { policy.rules[Self.rule(UInt32(number))] = PolicyBuilder.rule(number) }
            #expect(try datapath.resync(policy).rebuilt)
            // For tables that are gone.
            pthread_join(try NetThread.start { first() }, nil)
            let after = datapath.preparationToAsk()
            let second = try #require(after)
            pthread_join(try NetThread.start { second() }, nil)
            var isReady = datapath.preparationToAsk() == nil
            #expect(isReady)
            let start = ContinuousClock.now
            #expect(try datapath.ask(Self.rows.map { Self.question($0.port) }) == Self.rows.map(\.answer))
            isReady = datapath.preparationToAsk() == nil
            #expect(isReady)
            print("the first questions took \(start.duration(to: .now))")
        }
    }

    @Test func aMissingOrExchangedProgramIsReported() throws {
        try Self.withOpen { bpffs, datapath in
            let root = "\(bpffs)/bulkhead/v\(BH_LAYOUT_VERSION)/1"
            _ = try NetProcess.run(["bpftool", "link", "detach", "pinned", "\(root)/link4"])
            let missing = #expect(throws: DatapathError.self) { try datapath.ask([Self.question(80)]) }
            #expect("\(try #require(missing))".contains("the program at the forward hook, ipv4"))
            #expect(try datapath.ask([Self.question(80, .ipv6)]) == [Self.rows[0].answer])
            #expect(!datapath.repair().repaired.isEmpty)
            #expect(try datapath.ask([Self.question(80)]) == [Self.rows[0].answer])
            // Another program under the name of the right one.
            datapath = EBPFDatapath(bpffs: bpffs)
            try #require(rename("\(root)/bulkhead4_out", "\(root)/bulkhead4") == 0)
            try #require(link("\(root)/bulkhead4", "\(root)/bulkhead4_out") == 0)
            _ = try datapath.open()
            let exchanged = #expect(throws: DatapathError.self) { try datapath.ask([Self.question(80)]) }
            #expect("\(try #require(exchanged))".contains("is not this version's"))
            try datapath.setListening(true)
        }
    }

    /// Every protocol has a packet that the programs can read.
    @Test(arguments: AddressFamily.allCases) func everyProtocolAnswers(_ family: AddressFamily) throws {
        try Self.withOpen { _, datapath in
            let protocols = (0...255).map { IPProtocol(rawValue: $0) }
            let answers = try datapath.ask(protocols.map { Self.question(80, family, .forwarded, $0) })
            let plain = KernelAnswer(verdict: .allow, rules: [.egress: Self.rule(1), .ingress: Self.rule(7)])
            for (ipProtocol, answer) in zip(protocols, answers) where ipProtocol != .tcp {
                // IPv6 reads these numbers as extension headers.
                let isHeader = family == .ipv6 && [0, 43, 44, 60].contains(ipProtocol.rawValue)
                #expect(isHeader || answer == plain, "\(ipProtocol): \(answer)")
            }
        }
    }
}
