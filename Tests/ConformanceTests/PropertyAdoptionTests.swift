// SPDX-License-Identifier: Apache-2.0
import Foundation
import NetworkTypes
import PolicyPipeline
import Testing
import WorldKit

/// A restarted daemon takes over what it finds, whatever history the tables have.
/// One test at a time: each keeps a core busy for seconds, and those that judge by time run at the same time.
@Suite(.serialized) struct PropertyAdoptionTests {
    private let settings = WorldSettings(environment: ProcessInfo.processInfo.environment)

    /// The kernel programmed by deltas; then a fresh pipeline over the final objects: not a word differs.
    @Test func anUnchangedWorldIsAdoptedWithoutAWord() throws {
        try PropertyKernel.run { kernel in
            for seed in settings.seeds.prefix(max(settings.worlds / 5, 1)) {
                var generator = WorldGenerator(seed: seed)
                var pipeline = try kernel.start(generator.world)
                for _ in 0..<20 { try kernel.step(generator.change(), &pipeline) }
                while pipeline.needsSettling { try kernel.rest(&pipeline) }
                let (report, adopted) = try kernel.restart(generator.world)
                #expect(report.wordsWritten == 0 && !report.rebuilt, "seed \(seed): \(report)")
                // What the kernel counts in another order goes on being changed in place.
                var next = adopted
                for _ in 0..<10 {
                    try kernel.step(generator.change(), &next)
                    let oracle = generator.world.oracle
                    for flow in generator.flows(max(settings.flows / 10, 1)) {
                        let bytes = generator.random.plainPacket(of: flow)
                        let found = try kernel.difference(oracle.verdict(flow), next.compiled, flow, bytes)
                        #expect(found == nil, "seed \(seed): \(found ?? "")")
                    }
                }
            }
        }
    }

    /// The world went on while the daemon was away.
    @Test func aChangedWorldIsTakenOver() throws {
        try PropertyKernel.run { kernel in
            var (worlds, rebuilt, words): (Int, Int, [Int]) = (0, 0, [])
            for seed in settings.seeds.prefix(max(settings.worlds / 5, 1)) {
                var generator = WorldGenerator(seed: seed)
                var pipeline = try kernel.start(generator.world)
                for _ in 0..<10 { try kernel.step(generator.change(), &pipeline) }
                for _ in 0..<Int(seed % 4) + 1 { _ = generator.change() }
                let (report, adopted) = try kernel.restart(generator.world)
                worlds += 1
                if report.rebuilt { rebuilt += 1 } else { words.append(report.wordsWritten) }
                let oracle = generator.world.oracle
                for flow in generator.flows(settings.flows) {
                    let bytes = generator.random.plainPacket(of: flow)
                    let found = try kernel.difference(oracle.verdict(flow), adopted.compiled, flow, bytes)
                    #expect(found == nil, "seed \(seed): \(found ?? "")")
                }
            }
            let median = words.isEmpty ? 0 : words.sorted()[words.count / 2]
            print("\(worlds) changed worlds: \(worlds - rebuilt) taken over in place, median \(median) words")
            #expect(rebuilt * 2 < worlds, "\(rebuilt) of \(worlds) were built beside")
        }
    }
}
