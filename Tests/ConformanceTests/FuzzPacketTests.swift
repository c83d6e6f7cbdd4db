// SPDX-License-Identifier: Apache-2.0
import Foundation
import KubernetesObjects
import NetworkTypes
import PacketKit
import PolicyModel
import PolicyOracle
import Testing
import WorldKit

/// Packets that no sender sends by accident, under `BPF_PROG_TEST_RUN`: the program never allows what the oracle denies
/// for the packet as PacketKit's own decoder reads it.
/// One test at a time: each keeps a core busy for seconds, and those that judge by time run at the same time.
@Suite(.serialized) struct FuzzPacketTests {
    private let settings = WorldSettings(environment: ProcessInfo.processInfo.environment)

    @Test func neverAllowsWhatTheOracleDenies() throws {
        var counts = Counts()
        let failure: String? = try PropertyKernel.run { kernel in
            for seed in settings.seeds.prefix(max(settings.worlds / 4, 1)) {
                var generator = WorldGenerator(seed: seed)
                let world = generator.world
                let oracle = world.oracle
                _ = try kernel.start(world)
                for flow in generator.flows(settings.flows * 2) {
                    let bytes = DecodedPacket.trimmed(
                        generator.random.mutated(generator.random.packet(of: flow).bytes))
                    let family = flow.source.family
                    let found = try kernel.verdict(bytes, family)
                    guard let expected = Self.expected(bytes, family, oracle) else { continue }
                    counts.count(expected, found)
                    guard found == .allow, expected.verdict == .deny else { continue }
                    return "oracle: \(expected); kernel allows \(bytes)\n\(world.report(of: flow))"
                }
            }
            return nil
        }
        #expect(failure == nil, "\(failure ?? "")")
        print("fuzz: \(counts)")
        // Denying everything would be safe and useless: most of what may pass must pass.
        #expect(counts.bothAllow > counts.kernelAlone * 5)
        #expect(counts.bothDeny * 10 > counts.all && counts.bothAllow * 10 > counts.all)
    }

    /// Bytes that were never a packet.
    @Test func randomBytesNeverPassWhatIsDenied() throws {
        var denied = 0
        let failure: String? = try PropertyKernel.run { kernel in
            for seed in 0..<20 as Range<UInt64> {
                var generator = WorldGenerator(seed: settings.seed &+ seed)
                let oracle = generator.world.oracle
                _ = try kernel.start(generator.world)
                for flow in generator.flows(1000) {
                    let bytes = generator.random.noise(after: flow)
                    let family = flow.source.family
                    let found = try kernel.verdict(bytes, family)
                    guard let expected = Self.expected(bytes, family, oracle), expected.verdict == .deny else {
                        continue
                    }
                    denied += 1
                    if found == .allow { return "oracle: \(expected); kernel allows \(bytes)" }
                }
            }
            return nil
        }
        #expect(failure == nil, "\(failure ?? "")")
        #expect(denied > 1000)
    }

    /// Nil where the kernel drops the packet before any hook: no IP header, or one of the other family.
    private static func expected(_ bytes: [UInt8], _ family: AddressFamily, _ oracle: Oracle) -> OracleVerdict? {
        guard let packet = DecodedPacket(bytes), packet.source.family == family else { return nil }
        if let flow = packet.flow { return oracle.verdict(flow) }
        return oracle.verdictWithoutTransport(source: packet.source, destination: packet.destination)
    }

    private struct Counts: CustomStringConvertible {
        var bothAllow = 0
        var bothDeny = 0
        /// The kernel denies what the oracle allows: more extension headers than it walks, say.
        var kernelAlone = 0
        var all: Int { bothAllow + bothDeny + kernelAlone }

        mutating func count(_ expected: OracleVerdict, _ found: Verdict?) {
            switch (expected.verdict, found) {
            case (.allow, .allow): bothAllow += 1
            case (.allow, _): kernelAlone += 1
            case (.deny, _), (.depends, _): bothDeny += 1
            }
        }

        var description: String {
            "\(all) packets: both allow \(bothAllow), both deny \(bothDeny), kernel alone denies \(kernelAlone)"
        }
    }
}

extension WorldRandom {
    /// Random bytes but for version and addresses, or nothing would concern a pod.
    fileprivate mutating func noise(after flow: Flow) -> [UInt8] {
        let isV4 = flow.source.family == .ipv4
        let header = Packet(flow: flow).bytes.prefix(isV4 ? 20 : 40)
        var noise = bytes(between(header.count, 120))
        noise[0] = header[0] & 0xF0 | noise[0] & 0x0F
        for offset in isV4 ? 12..<20 : 8..<40 { noise[offset] = header[offset] }
        return noise
    }
}
