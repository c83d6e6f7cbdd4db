// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import Foundation
import NetworkTypes
import PolicyModel
import PolicyPipeline
import TestKit
import Testing

/// A daemon that is killed at any instant leaves tables that decide, and that the next one understands.
@Suite(.serialized) struct PropertyKillTests {
    private static let kills = 40

    private static func world(_ seed: UInt64, after changes: Int) -> WorldGenerator {
        var generator = WorldGenerator(seed: seed)
        for _ in 0..<changes { _ = generator.change() }
        return generator
    }

    private static func compiled(_ world: World) -> CompiledPolicy {
        PropertyComparison.compiled(world)
    }

    /// The change under way, or carried out last, and the one before it.
    private static func reached(_ output: String, from start: Int) -> (before: Int, after: Int) {
        var (before, after) = (start, start)
        for line in output.split(separator: "\n") {
            let words = line.split(separator: " ")
            guard words.count == 2, let number = Int(words[1]) else { continue }
            if words[0] == "begin" { after = number } else { before = number }
        }
        return (before, after)
    }

    /// Verdicts that a packet may get while one policy becomes another: each direction by the one or by the other.
    private static func possible(_ flow: Flow, _ old: CompiledPolicy, _ new: CompiledPolicy) -> Set<Verdict> {
        let decisions = [old.evaluate(flow), new.evaluate(flow)]
        let egress = decisions.map { $0.egress?.verdict ?? .allow }
        let ingress = decisions.map { $0.ingress?.verdict ?? .allow }
        return Set(egress.flatMap { out in ingress.map { out == .allow && $0 == .allow ? .allow : .deny } })
    }

    @Test func killedAtAnyInstant() throws {
        let writer = try NetDaemon.executable("step-writer")
        try PropertyKernel.run { kernel in
            var random = WorldRandom(seed: 11)
            var (underWay, inPlace, steps) = (0, 0, 0)
            for seed in UInt64(1)...4 {
                var last = 0
                _ = try kernel.start(Self.world(seed, after: 0).world)
                for _ in 0..<Self.kills / 4 {
                    kernel.close()
                    let process = try NetProcess([writer, kernel.bpffs, "\(seed)", "\(last)"])
                    // At times during the first, a resync, else during one of the next.
                    let wanted = random.chance(percent: 30) ? 1 : random.between(2, 12)
                    try NetClock.wait("change \(wanted); \(process.output)", seconds: 20) {
                        process.output.split(separator: "\n").count { $0.hasPrefix("begin") } >= wanted
                            || process.status != nil
                    }
                    NetClock.sleep(milliseconds: Double(random.between(0, 250)) / 10)
                    #expect(try process.stop(SIGKILL) == 128 + SIGKILL, "\(process.output)")
                    let (before, after) = Self.reached(process.output, from: last)
                    let (old, new) = (Self.world(seed, after: before), Self.world(seed, after: after))
                    try kernel.open()
                    var flows = new
                    let (oldPolicy, newPolicy) = (Self.compiled(old.world), Self.compiled(new.world))
                    for flow in flows.flows(150) {
                        let found = try kernel.verdict(Packet(flow: flow).bytes, flow.source.family)
                        let possible = Self.possible(flow, oldPolicy, newPolicy)
                        #expect(found.map(possible.contains) ?? true, "seed \(seed) \(before)-\(after): \(flow)")
                    }
                    let (report, _) = try kernel.restart(new.world)
                    for flow in flows.flows(150) {
                        let found = try kernel.verdict(Packet(flow: flow).bytes, flow.source.family)
                        #expect(found ?? .allow == newPolicy.evaluate(flow).verdict, "seed \(seed) \(after): \(flow)")
                    }
                    #expect(try kernel.inconsistentPackets() == 0)
                    if before != after { underWay += 1 }
                    if !report.rebuilt { inPlace += 1 }
                    steps += after - last
                    last = after
                }
            }
            print("\(Self.kills) kills in \(steps) changes: \(underWay) amid one, \(inPlace) adopted in place")
            #expect(underWay > 0)
        }
    }
}
