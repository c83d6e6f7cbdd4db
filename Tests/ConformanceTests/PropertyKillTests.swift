// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import Foundation
import KubernetesObjects
import NetworkKit
import NetworkTypes
import PacketKit
import PolicyModel
import PolicyPipeline
import Testing
import WorldKit

/// A daemon that is killed at any instant leaves tables that decide, and that the next one understands.
/// One test at a time: each keeps a core busy for seconds, and those that judge by time run at the same time.
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

    /// Verdicts that a packet may get while policies become one another: each direction by one of them.
    private static func possible(_ flow: Flow, _ policies: [CompiledPolicy]) -> Set<Verdict> {
        let decisions = policies.map { $0.evaluate(flow) }
        let egress = decisions.map { $0.egress?.verdict ?? .allow }
        let ingress = decisions.map { $0.ingress?.verdict ?? .allow }
        return Set(egress.flatMap { out in ingress.map { out == .allow && $0 == .allow ? .allow : .deny } })
    }

    /// What was under way when the writer was killed: from one change of the world to the same or a later one.
    private struct Interruption {
        let old: WorldGenerator
        let new: WorldGenerator
        let policies: [CompiledPolicy]
        private let events: [ObjectEvent]

        init(_ seed: UInt64, _ changes: (before: Int, after: Int)) {
            old = PropertyKillTests.world(seed, after: changes.before)
            var generator = old
            events = (changes.before..<changes.after).flatMap { _ in generator.change() }
            new = generator
            policies = [PropertyKillTests.compiled(old.world), PropertyKillTests.compiled(new.world)]
        }

        var after: CompiledPolicy { policies[1] }

        func allows(_ found: Verdict, _ flow: Flow) -> Bool {
            if possible(flow, policies).contains(found) { return true }
            // Of several events, some may be in force before others.
            let parts = (1..<1 << events.count).map { part in
                var pipeline = PropertyComparison.pipeline(old.world)
                _ = pipeline.apply(events.enumerated().filter { part >> $0.offset & 1 == 1 }.map(\.element))
                return pipeline.compiled
            }
            return possible(flow, policies + parts).contains(found) || changesBothEnds(flow)
        }

        /// A namespace's labels change each of its pods by a store of its own: between two pods, one may have changed.
        private func changesBothEnds(_ flow: Flow) -> Bool {
            let names = events.compactMap { event in
                switch event {
                case .set(.namespace(let namespace)): namespace.metadata.name
                case .removed(let key) where key.kind == .namespace: key.name
                case .set, .removed: nil
                }
            }
            let addresses = (old.world.pods + new.world.pods).filter { names.contains($0.metadata.namespace) }
                .flatMap(\.podIPs)
            return addresses.contains(flow.source) && addresses.contains(flow.destination)
        }
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
                    let interruption = Interruption(seed, (before, after))
                    try kernel.open()
                    var flows = interruption.new
                    for flow in flows.flows(150) {
                        let found = try kernel.verdict(Packet(flow: flow).bytes, flow.source.family)
                        #expect(
                            found.map { interruption.allows($0, flow) } ?? true
                                || interruption.policies.contains { $0.isOwnNode(flow.source) },
                            """
                            seed \(seed) \(before)-\(after): \(flow): \(found.map { "\($0)" } ?? "nothing"), old and new say \
                            \(interruption.policies.map { $0.evaluate(flow) })
                            """)
                    }
                    let (report, _) = try kernel.restart(interruption.new.world)
                    for flow in flows.flows(150) {
                        let found = try kernel.verdict(Packet(flow: flow).bytes, flow.source.family)
                        let isForged = interruption.after.isOwnNode(flow.source)
                        #expect(
                            found ?? .allow == (isForged ? .deny : interruption.after.evaluate(flow).verdict),
                            "seed \(seed) \(after): \(flow)")
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
