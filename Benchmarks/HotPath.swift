// SPDX-License-Identifier: Apache-2.0
import CLinuxShim
import CompiledPolicy
import Datapath
import DatapathEBPF
import Glibc
import NetworkKit
import NetworkTypes
import PacketKit
import PolicyModel

/// What one packet costs in the kernel, over a program that only reads the same headers (BPF_PROG_TEST_RUN, hot
/// caches). Targets: IPv4 15 ns where one direction applies and 25 ns where both do, IPv6 50 and 70 ns, and at most
/// 1.3 times that whatever the size of the policy.
func benchHotPath() throws {
    try withPrivateDatapath { datapath in
        let baseline = try BaselineProgram()
        let sizes = [
            HotPathSize(rules: 1, cidrs: 10, pods: 100), HotPathSize(rules: 10_000, cidrs: 10, pods: 100),
            HotPathSize(rules: 1, cidrs: 100_000, pods: 100), HotPathSize(rules: 1, cidrs: 10, pods: 150_000),
            HotPathSize(rules: 10_000, cidrs: 100_000, pods: 150_000),
        ]
        print("  rules   cidrs    pods | IPv4 one   both external | IPv6 one   both external   (ns over baseline)")
        for size in sizes {
            _ = try datapath.resync(size.policy())
            try datapath.reclaim()
            print(try HotPathRow(size, datapath, baseline).text)
        }
        for family in [AddressFamily.ipv4, .ipv6] {
            let spread = try HotPathRow.spread(family, datapath, baseline)
            print("\(family): 64k sources once each, two system calls apart: \(Int(spread.rounded())) ns over baseline")
        }
        for family in AddressFamily.allCases {
            let peers = (100..<1100).map { HotPathSize.pod($0, family) }
            let questions = peers.map { peer in
                KernelQuestion(
                    flow: Flow(
                        source: HotPathSize.pod(2, family), destination: peer, ipProtocol: .tcp, destinationPort: 443))
            }
            try benchQuestions(&datapath, questions)
        }
        try benchReports(baseline)
        for judged in [false, true] { try benchOwnNode(judged, &datapath, baseline) }
        for family in [AddressFamily.ipv4, .ipv6] {
            for hook in PacketHook.allCases {
                let (instructions, verified) = try datapath.programFacts(family, hook: hook)
                print("\(family) \(hook): \(instructions) instructions, \(verified) verified")
            }
        }
    }
}

/// The first row of that table, one figure a line: for `scripts/compare`, which measures two builds in turn.
func measureSmallHotPath() throws {
    try withPrivateDatapath { datapath in
        let size = HotPathSize(rules: 1, cidrs: 10, pods: 100)
        _ = try datapath.resync(size.policy())
        let row = try HotPathRow(size, datapath, BaselineProgram())
        for (name, nanoseconds) in row.costs { print(name, Int((nanoseconds * 10).rounded())) }
    }
}

/// Opens a datapath in network and mount namespaces of its own, on a thread of its own.
func withPrivateDatapath(_ body: (inout EBPFDatapath) throws -> Void) throws {
    var template = Array("/tmp/bulkhead-bench-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw NetError.system("mkdtemp", errno) }
    let directory = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    defer { rmdir(directory) }
    try NetThread.run {
        let code = bh_enter_private_kernel(directory)
        guard code == 0 else { throw NetError.system("namespaces and bpffs (needs root)", -code) }
        var datapath = EBPFDatapath(bpffs: directory)
        _ = try datapath.open()
        try body(&datapath)
    }
}

/// Packets at the node's own hooks, compared with the program that reads headers and decides nothing (these programs do not
/// even read headers if they judge nothing): from an isolated pod to its node, from elsewhere to the node, and from the
/// node without being a reply.
private func benchOwnNode(
    _ judged: Bool, _ datapath: inout EBPFDatapath, _ baseline: borrowing BaselineProgram
) throws {
    var policy = HotPathSize(rules: 10_000, cidrs: 10, pods: 100).policy()
    policy.judgesOwnNode = judged
    _ = try datapath.resync(policy)
    try datapath.reclaim()
    for family in [AddressFamily.ipv4, .ipv6] {
        let node = HotPathSize.external(family)
        let packets: [(PacketHook, IPAddress)] = [
            (.input, HotPathSize.pod(2, family)), (.input, HotPathSize.pod(93, family)), (.output, node),
        ]
        var (base, costs): ([Double], [[Double]]) = ([], packets.map { _ in [] })
        for _ in 0..<15 {
            for (index, (hook, source)) in packets.enumerated() {
                let flow = Flow(source: source, destination: node, ipProtocol: .tcp, destinationPort: 443)
                let packet = Packet(flow: flow).bytes
                if index == 0 {
                    base.append(try baseline.testRun(packet: packet, family: family, repeats: 300_000).nanoseconds)
                }
                let result = try datapath.testRun(packet: packet, family: family, repeats: 300_000, hook: hook)
                costs[index].append(result.nanoseconds)
            }
        }
        let cells = costs.map { "\(Int($0.median))" }.joined(separator: ", ")
        print(
            "\(family) own node \(judged ? "judged" : "not judged"): pod to node, other to node, from node: "
                + "\(cells) ns in all; baseline \(Int(base.median))")
    }
}

/// A node with two isolated pods (1: ingress, 2: egress) in a cluster of some size.
struct HotPathSize {
    var rules: Int
    var cidrs: Int
    var pods: Int

    static let classes = 500
    static let ports = 20

    /// The `number`th pod: 30 a node, each node with a /24 and a /64.
    static func pod(_ number: Int, _ family: AddressFamily) -> IPAddress {
        let (node, pod) = (number / 30, number % 30 + 2)
        return family == .ipv4
            ? IPAddress(v4: 0x0a00_0000 | UInt32(node << 8 | pod))
            : IPAddress(v6High: 0xfd00_0010_0244_0000 | UInt64(node), low: UInt64(pod))
    }

    static func external(_ family: AddressFamily) -> IPAddress {
        family == .ipv4
            ? IPAddress(v4: 0xcb00_7109) : IPAddress(v6High: 0x2001_0db8_1234_5678, low: 0x1111_2222_3333_4444)
    }

    func policy() -> CompiledPolicy {
        var policy = CompiledPolicy()
        for number in 0...rules { policy.rules[RuleID(rawValue: UInt32(number))] = Self.rule(number) }
        let classes = min(Self.classes, max(pods / 10, 10))
        for number in 0...classes {
            policy.addressClasses[Self.addressClass(number)] = AddressClass(
                key: StableKey(high: 1, low: UInt64(number)), peerSets: [])
        }
        policy.portSegments = Self.portSegments
        for (number, direction) in [(UInt32(1), Direction.ingress), (2, .egress)] {
            policy.programs[ProgramID(rawValue: number)] = program(number, direction, classes)
        }
        addAddresses(classes, to: &policy)
        for number in UInt16(1)...2 {
            let addresses = [AddressFamily.ipv4, .ipv6].map { Self.pod(Int(number), $0) }
            policy.endpoints[EndpointID(rawValue: number)] = CompiledEndpoint(
                key: StableKey(high: 4, low: UInt64(number)),
                name: EndpointName(namespace: "bench", name: "pod-\(number)"), addresses: addresses,
                ingress: ProgramID(rawValue: number == 1 ? 1 : 0), egress: ProgramID(rawValue: number == 2 ? 2 : 0))
        }
        return policy
    }

    /// The `number`th class, none of the node's own addresses.
    private static func addressClass(_ number: Int) -> AddressClassID {
        number == 0 ? .none : AddressClassID(rawValue: UInt32(number) + AddressClassID.ownNodeLimit - 1)
    }

    private static func rows(_ classes: Int) -> [UInt16] {
        Array(repeating: 0, count: Int(AddressClassID.ownNodeLimit)) + (1...classes).map { UInt16($0) }
    }

    private static func rule(_ number: Int) -> CompiledRule {
        let policy = PolicyReference(kind: "NetworkPolicy", namespace: "bench", name: "rule-\(number)")
        return CompiledRule(
            key: StableKey(high: 2, low: UInt64(number)),
            identity: .rule(policy, .ingress, index: 0, name: nil))
    }

    private static var portSegments: [PortSegment] {
        var segments: [PortSegment] = []
        for ipProtocol in IPProtocol.withPorts {
            for index in 0..<UInt16(ports) {
                let first = index * 100
                let last = Int(index) == ports - 1 ? UInt16.max : first + 99
                let number = PortClassID(rawValue: index)
                segments.append(PortSegment(ProtocolPorts(ipProtocol, PortRange(first, last)), number))
            }
        }
        return segments
    }

    private func program(_ number: UInt32, _ direction: Direction, _ classes: Int) -> Program {
        let cells = (0...classes).flatMap { row in
            (0..<Self.ports).map { Cell(.allow, by: RuleID(rawValue: UInt32((row * Self.ports + $0) % rules + 1))) }
        }
        return Program(
            key: StableKey(high: 3, low: UInt64(number)), direction: direction, rules: [],
            rows: Self.rows(classes), columns: (0..<Self.ports).map { UInt16($0) },
            columnCount: Self.ports, cells: cells)
    }

    private func addAddresses(_ classes: Int, to policy: inout CompiledPolicy) {
        var state: UInt64 = 42
        func random() -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return state >> 16
        }
        policy.addresses.reserveHosts(pods * 2)
        for index in 0..<cidrs {
            let entry = AddressEntry(addressClass: Self.addressClass(index % classes + 1))
            // The public ranges, away from the pods'.
            let v4 = IPAddress(v4: 0x4000_0000 | UInt32(truncatingIfNeeded: random()) | UInt32(0x8000_0000))
            policy.addresses[CIDR(v4, prefixLength: 16 + Int(random() % 13))] = entry
            let v6 = IPAddress(v6High: 0x2000_0000_0000_0000 | (random() << 16) >> 3 | random() & 0xffff, low: random())
            policy.addresses[CIDR(v6, prefixLength: 24 + Int(random() % 41))] = entry
        }
        let external = AddressEntry(addressClass: Self.addressClass(3))
        policy.addresses[CIDR(Self.external(.ipv4), prefixLength: 24)] = external
        policy.addresses[CIDR(Self.external(.ipv6), prefixLength: 48)] = external
        for index in 0..<pods {
            let entry = AddressEntry(
                addressClass: Self.addressClass(index % classes + 1),
                endpoint: EndpointID(rawValue: index == 1 || index == 2 ? UInt16(index) : 0))
            for family in [AddressFamily.ipv4, .ipv6] { policy.addresses[CIDR(host: Self.pod(index, family))] = entry }
        }
    }
}

/// One line of the table: medians of interleaved runs, less the baseline's.
private struct HotPathRow {
    let text: String
    private(set) var costs: [(name: String, nanoseconds: Double)] = []

    init(
        _ size: HotPathSize, _ datapath: borrowing EBPFDatapath, _ baseline: borrowing BaselineProgram
    ) throws {
        var text = [size.rules, size.cidrs, size.pods].map { Self.padded("\($0)", 7) }.joined(separator: " ")
        for family in [AddressFamily.ipv4, .ipv6] {
            let remote = HotPathSize.pod(size.pods - 7, family)
            let flows = [
                (remote, HotPathSize.pod(1, family)), (HotPathSize.pod(2, family), HotPathSize.pod(1, family)),
                (HotPathSize.external(family), HotPathSize.pod(1, family)),
            ].map { Flow(source: $0, destination: $1, ipProtocol: .tcp, destinationPort: 443) }
            text += " |"
            let measured = try Self.cost(flows.map { Packet(flow: $0).bytes }, family, datapath, baseline)
            for (name, nanoseconds) in zip(["one", "both", "external"], measured) {
                text += Self.padded(String(Int((nanoseconds * 10).rounded())), 8)
                costs.append(("\(family)-\(name)", nanoseconds))
            }
        }
        self.text = text + "   (tenths)"
    }

    private static func cost(
        _ packets: [[UInt8]], _ family: AddressFamily, _ datapath: borrowing EBPFDatapath,
        _ baseline: borrowing BaselineProgram
    ) throws -> [Double] {
        let (rounds, repeats) = (15, UInt32(300_000))
        var base: [Double] = []
        var costs = packets.map { _ in [Double]() }
        for _ in 0..<rounds {
            base.append(try baseline.testRun(packet: packets[0], family: family, repeats: repeats).nanoseconds)
            for (index, packet) in packets.enumerated() {
                let result = try datapath.testRun(packet: packet, family: family, repeats: repeats)
                guard result.verdict == .allow else { throw NetError.missing("an allowed packet") }
                costs[index].append(result.nanoseconds)
            }
        }
        return costs.map { $0.median - base.median }
    }

    /// Median cost of single packets from 65,536 different pods: tables as cold as the walk between them leaves them.
    static func spread(
        _ family: AddressFamily, _ datapath: borrowing EBPFDatapath, _ baseline: borrowing BaselineProgram
    ) throws -> Double {
        var (base, costs): ([Double], [Double]) = ([], [])
        for number in 0..<65_536 {
            // A stride that visits every pod's own part of the tables in no order.
            let source = HotPathSize.pod(3 + number * 50_021 % 149_990, family)
            let flow = Flow(
                source: source, destination: HotPathSize.pod(1, family), ipProtocol: .tcp, destinationPort: 443)
            let packet = Packet(flow: flow).bytes
            base.append(try baseline.testRun(packet: packet, family: family, repeats: 1).nanoseconds)
            costs.append(try datapath.testRun(packet: packet, family: family, repeats: 1).nanoseconds)
        }
        return costs.median - base.median
    }

    static func padded(_ text: String, _ width: Int) -> String {
        String(repeating: " ", count: max(width - text.count, 0)) + text
    }
}
