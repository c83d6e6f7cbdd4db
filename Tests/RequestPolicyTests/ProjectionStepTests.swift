// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import NetworkTypes
import PolicyModel
import PolicyPipeline
import RequestPolicy
import Testing
import WorldKit

/// The projection of one step after the other, for random clusters.
struct ProjectionStepTests {
    /// After each step it equals a projection of the whole, and says so if it has changed.
    @Test func stepsGiveWhatTheWholeGives() {
        var (changed, unchanged, sources, blocks) = (0, 0, 0, 0)
        for seed: UInt64 in 1..<61 {
            var generator = WorldGenerator(seed: seed, isAuthorized: true)
            var pipeline = PolicyPipeline(nodeName: generator.world.nodeName)
            _ = pipeline.apply(localAddresses: generator.world.settings.localAddresses)
            _ = pipeline.apply(generator.world.events)
            var projection = RequestProjection(pipeline.compiled, generation: 1)
            for step in 0..<25 {
                let delta =
                    switch step % 6 {
                    case 4: pipeline.apply(localAddresses: generator.changeLocalAddresses())
                    case 5: pipeline.apply(generator.changeNode())
                    default: pipeline.apply(generator.change())
                    }
                let before = projection.policy
                let hasChanged = projection.take(delta, of: pipeline.compiled)
                let whole = RequestPolicy(pipeline.compiled, generation: 1)
                guard projection.policy == whole else {
                    let lines = RequestPolicyChange(from: whole, to: projection.policy).lines.dropLast()
                    Issue.record("seed \(seed) step \(step): \(lines.map { "\($0)" })")
                    return
                }
                #expect(hasChanged == !before.hasSameRules(as: whole), "seed \(seed) step \(step)")
                if hasChanged { changed += 1 } else { unchanged += 1 }
                if before.sources != whole.sources { sources += 1 }
                if before.sources.prefixes != whole.sources.prefixes { blocks += 1 }
            }
        }
        #expect(changed > 100 && unchanged > 100, "\(changed) \(unchanged)")
        #expect(sources > 50 && blocks > 10, "\(sources) \(blocks)")
    }
}
