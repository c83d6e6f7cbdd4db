// SPDX-License-Identifier: Apache-2.0
import BulkheadABI
import CompiledPolicy
import Datapath
import DatapathEBPF
import Glibc
import NetworkTypes
import PacketKit
import PolicyModel
import Testing

/// The programs for packets between endpoints and their node under BPF_PROG_TEST_RUN (no connection tracking, no
/// interfaces), and the life of their links.
@Suite struct KernelOwnNodeTests {
    /// What the input hook must say: the egress of the source alone.
    private static func verdict(_ flow: Flow, _ policy: CompiledPolicy) -> Verdict {
        var alone = policy
        for id in alone.endpoints.keys { alone.endpoints[id]?.ingress = .none }
        return PolicyBuilder.verdict(flow, alone)
    }

    @Test func egressAloneIsAskedAndOnlyWhereTheTablesSaySo() throws {
        try PrivateKernel.run { bpffs in
            var random = SeededRandom(4)
            var datapath = EBPFDatapath(bpffs: bpffs)
            _ = try datapath.open()
            var denied = 0
            for round in 0..<20 {
                var policy = PolicyBuilder.random(&random)
                policy.judgesOwnNode = round % 4 != 3
                _ = try datapath.resync(policy)
                for _ in 0..<150 {
                    let flow = PolicyBuilder.randomFlow(policy, &random)
                    // A node has no endpoint's address.
                    guard policy.addresses.entry(of: flow.destination).endpoint == .none else { continue }
                    let packet = Packet(flow: flow).bytes
                    func run(_ hook: PacketHook) throws -> Verdict {
                        try datapath.testRun(packet: packet, family: flow.source.family, hook: hook).verdict
                    }
                    let wanted = policy.judgesOwnNode ? Self.verdict(flow, policy) : .allow
                    if wanted == .deny { denied += 1 }
                    if try run(.input) != wanted { Issue.record("\(flow) round \(round)") }
                    #expect(try run(.output) == .allow, "no reply")
                }
            }
            #expect(denied > 50, "\(denied)")
            #expect(try datapath.counters().inconsistent == 0)
        }
    }

    @Test func whatIsNeverJudged() throws {
        try PrivateKernel.run { bpffs in
            var datapath = EBPFDatapath(bpffs: bpffs)
            _ = try datapath.open()
            var policy = KernelVerdictTests.onePod()
            policy.judgesOwnNode = true
            _ = try datapath.resync(policy)
            func run(_ bytes: [UInt8], _ family: AddressFamily) throws -> Verdict {
                try datapath.testRun(packet: bytes, family: family, hook: .input).verdict
            }
            func udp(_ from: String, _ to: String) throws -> [UInt8] {
                let flow = Flow(
                    source: try IPAddress(from), destination: try IPAddress(to), ipProtocol: .udp, destinationPort: 67)
                return Packet(flow: flow).bytes
            }
            #expect(try run(udp("10.0.0.1", "10.9.0.1"), .ipv4) == .deny)
            #expect(try run(udp("10.0.0.1", "10.1.0.1"), .ipv4) == .allow, "class 1")
            #expect(try run(udp("10.9.0.1", "10.0.0.1"), .ipv4) == .allow, "ingress is not asked")
            #expect(try run(udp("10.0.0.1", "224.0.0.251"), .ipv4) == .deny)
            #expect(try run(udp("10.0.0.1", "255.255.255.255"), .ipv4) == .deny)
            #expect(try run(udp("0.0.0.0", "255.255.255.255"), .ipv4) == .allow, "no endpoint is known")
            #expect(try run(udp("fd00::1", "fd09::1"), .ipv6) == .deny)
            #expect(try run(udp("fd00::1", "ff02::fb"), .ipv6) == .deny)
            #expect(try run(Array(udp("10.0.0.1", "10.1.0.1")[..<22]), .ipv4) == .deny, "no ports")
            #expect(try datapath.counters().unparsable == 1)
            // Neighbor discovery, from a neighbor only.
            let flow = Flow(
                source: try IPAddress("fd00::1"), destination: try IPAddress("fd09::1"), ipProtocol: .icmpv6,
                destinationPort: nil)
            var discovery = Packet(flow: flow).bytes
            discovery[7] = 255
            for (type, verdict) in [(132, Verdict.deny), (133, .allow), (136, .allow), (138, .deny)] {
                discovery[40] = UInt8(type)
                #expect(try run(discovery, .ipv6) == verdict, "type \(type)")
            }
            discovery[7] = 254
            discovery[40] = 135
            #expect(try run(discovery, .ipv6) == .deny, "from beyond a router")
        }
    }

    private static func links(_ bpffs: String) throws -> Set<String> {
        Set(
            try EBPFDatapath.installed(bpffs: bpffs).compactMap { path in
                path.split(separator: "/").last.map(String.init).flatMap { $0.hasPrefix("link") ? $0 : nil }
            })
    }
    private static let forward: Set<String> = ["link4", "link6"]
    private static let all: Set<String> = forward.union(["link4_in", "link6_in", "link4_out", "link6_out"])

    @Test func linksComeAndGoWithTheNeed() throws {
        try PrivateKernel.run { bpffs in
            var policy = KernelVerdictTests.onePod()
            do {
                var datapath = EBPFDatapath(bpffs: bpffs)
                _ = try datapath.open()
                _ = try datapath.resync(policy)
                #expect(try Self.links(bpffs) == Self.forward)
                var delta = CompiledDelta()
                delta.changesOwnNode = true
                policy.judgesOwnNode = true
                #expect(try datapath.program(delta, of: policy).wordsWritten == 1)
                #expect(try Self.links(bpffs) == Self.all)
                policy.judgesOwnNode = false
                #expect(try datapath.program(delta, of: policy).wordsWritten == 1)
                #expect(try Self.links(bpffs) == Self.forward)
                policy.judgesOwnNode = true
                #expect(try datapath.resync(policy).wordsWritten == 1)
                #expect(try Self.links(bpffs) == Self.all)
            }
            // Taken over; what a killed predecessor had not attached yet is.
            unlink("\(bpffs)/bulkhead/v\(BH_LAYOUT_VERSION)/1/link6_out")
            var second = EBPFDatapath(bpffs: bpffs)
            _ = try second.open()
            #expect(try Self.links(bpffs) == Self.all)
            #expect(try second.resync(policy).wordsWritten == 0)
            #expect(try second.dump().contains("own node judged"))
            // New tables beside the old ones: all of it.
            for (id, addressClass) in policy.addressClasses {
                let key = StableKey(high: 77, low: addressClass.key.low)
                policy.addressClasses[id] = AddressClass(key: key, peerSets: [])
            }
            #expect(try second.resync(policy).rebuilt)
            #expect(try Self.links(bpffs) == Self.all)
            #expect(try EBPFDatapath.installed(bpffs: bpffs).filter { $0.hasSuffix("/link4_in") }.count == 1)
            policy.judgesOwnNode = false
            #expect(try second.resync(policy).wordsWritten == 1)
            #expect(try Self.links(bpffs) == Self.forward)
        }
    }

    /// Tables of another layout, as an upgrade finds them, enforce until all is written beside them.
    @Test func anotherLayoutEnforcesUntilItIsReplaced() throws {
        try PrivateKernel.run { bpffs in
            var policy = KernelVerdictTests.onePod()
            policy.judgesOwnNode = true
            let root = "\(bpffs)/bulkhead"
            do {
                var old = EBPFDatapath(bpffs: bpffs)
                _ = try old.open()
                _ = try old.resync(policy)
            }
            #expect(rename("\(root)/v\(BH_LAYOUT_VERSION)", "\(root)/v1") == 0)
            var new = EBPFDatapath(bpffs: bpffs)
            #expect(try new.open().endpoints.isEmpty)
            #expect(access("\(root)/v1/1/link4", F_OK) == 0 && access("\(root)/v1/1/link4_in", F_OK) == 0)
            _ = try new.resync(policy)
            #expect(access("\(root)/v1", F_OK) != 0)
            #expect(try Self.links(bpffs) == Self.all)
        }
    }
}
