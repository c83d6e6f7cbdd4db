// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import Foundation
import KubernetesObjects
import NetworkTypes
import PolicyModel
import PolicyOracle
import PolicyPipeline
import Testing
import WorldKit

/// Random worlds against the tables as Swift interprets them. The kernel's turn is in `PropertyKernelTests`.
@Suite struct PropertyTests {
    private let settings = WorldSettings(environment: ProcessInfo.processInfo.environment)

    @Test func tablesAgreeWithTheOracle() {
        var statistics = WorldStatistics()
        var hairpins = WorldStatistics()
        for seed in settings.seeds {
            var generator = WorldGenerator(seed: seed)
            let world = generator.world
            let flows = generator.flows(settings.flows)
            let oracle = world.oracle
            let compiled = PropertyComparison.compiled(world)
            for flow in flows {
                let verdict = oracle.verdict(flow)
                statistics.count(verdict)
                if verdict.egressCause == .itself { hairpins.count(oracle.verdict(flow, throughService: true)) }
                guard PropertyComparison.difference(oracle, compiled, flow) != nil else { continue }
                Issue.record("\(PropertyComparison.report(world, flow, difference: Self.difference))")
                return
            }
        }
        print(statistics.description, "through a Service to itself: \(hairpins.description)", separator: "\n")
        #expect(statistics.allowed > 0 && statistics.denied > 0)
        #expect(hairpins.allowed > 0 && hairpins.denied > 0)
        #expect(hairpins.directions { $0.cause == .itself } > 0, "isolated, and not from itself")
    }

    static func difference(_ world: World, _ flow: Flow) -> String? {
        PropertyComparison.difference(world.oracle, PropertyComparison.compiled(world), flow)
    }

    /// Worlds that change event by event: after every step the tables agree with a new oracle.
    @Test func tablesAgreeAfterEveryStep() {
        for seed in settings.seeds {
            var generator = WorldGenerator(seed: seed)
            var pipeline = PropertyComparison.pipeline(generator.world)
            var history = WorldHistory(start: generator.world)
            for _ in 0..<20 {
                let events = generator.change()
                history.steps.append(events)
                _ = pipeline.apply(events)
                let oracle = generator.world.oracle
                for flow in generator.flows(max(settings.flows / 20, 1)) {
                    guard PropertyComparison.difference(oracle, pipeline.compiled, flow) != nil else { continue }
                    let small = history.shrunk { Self.difference($0, flow) != nil }
                    let what = Self.difference(small, flow) ?? "the failure does not come again"
                    Issue.record("\(what)\n\(small.report(of: flow))")
                    return
                }
            }
        }
    }

    private static func difference(_ history: WorldHistory, _ flow: Flow) -> String? {
        var world = history.start
        var pipeline = PropertyComparison.pipeline(world)
        for step in history.steps {
            for event in step { world.apply(event) }
            _ = pipeline.apply(step)
        }
        return PropertyComparison.difference(world.oracle, pipeline.compiled, flow)
    }

    /// The proof that the property can fail: each of these wrong evaluators must be caught within a few worlds.
    @Test(arguments: WrongEvaluator.all)
    func wrongEvaluatorsAreCaught(_ wrong: WrongEvaluator) {
        for seed in settings.seeds.prefix(60) {
            var generator = WorldGenerator(seed: seed)
            let flows = generator.flows(300)
            let oracle = generator.world.oracle
            let compiled = wrong.change(PropertyComparison.compiled(wrong.misread(generator.world)))
            for flow in flows
            where PropertyComparison.difference(oracle.verdict(flow), wrong.evaluate(compiled, flow)) != nil
                || PropertyComparison.difference(oracle, compiled, flow) != nil
            { return }
        }
        Issue.record("not caught: \(wrong.name)")
    }
}
