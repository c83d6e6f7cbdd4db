// SPDX-License-Identifier: Apache-2.0
import Foundation
import KubernetesObjects
import NetworkTypes
import PolicyModel
import PolicyOracle
import PolicyPipeline
import Testing
import WorldKit

/// Oracle = tables = eBPF program in the kernel. Without root these tests fail: they are never skipped.
/// One test at a time: each keeps a core busy for seconds, and those that judge by time run at the same time.
@Suite(.serialized) struct PropertyKernelTests {
    private let settings = WorldSettings(environment: ProcessInfo.processInfo.environment)

    /// Each world replaces the one before, as when a daemon restarts into another cluster.
    @Test func kernelAgreesOnEveryWorld() throws {
        var statistics = WorldStatistics()
        let failure: String? = try PropertyKernel.run { kernel in
            for seed in settings.seeds {
                var generator = WorldGenerator(seed: seed)
                let world = generator.world
                let flows = generator.flows(settings.flows)
                let oracle = world.oracle
                let compiled = try kernel.start(world).compiled
                for flow in flows {
                    let verdict = oracle.verdict(flow)
                    statistics.count(verdict)
                    let bytes = generator.random.plainPacket(of: flow)
                    guard try kernel.difference(verdict, compiled, flow, bytes) != nil else { continue }
                    return PropertyComparison.report(world, flow) { world, flow in
                        Self.difference(&kernel, world, flow, bytes)
                    }
                }
            }
            return nil
        }
        #expect(failure == nil, "\(failure ?? "")")
        print(statistics.description)
        #expect(statistics.allowed > 0 && statistics.denied > 0)
    }

    private static func difference(
        _ kernel: inout PropertyKernel, _ world: World, _ flow: Flow, _ bytes: [UInt8]
    ) -> String? {
        do {
            let compiled = try kernel.start(world).compiled
            return try kernel.difference(world.oracle.verdict(flow), compiled, flow, bytes)
        } catch {
            return "\(error)"
        }
    }

    /// Worlds that change event by event, the kernel programmed by deltas alone.
    @Test func kernelAgreesAfterEveryStep() throws {
        let failure: String? = try PropertyKernel.run { kernel in
            for seed in settings.seeds.prefix(max(settings.worlds / 5, 1)) {
                var generator = WorldGenerator(seed: seed)
                var history = WorldHistory(start: generator.world)
                var pipeline = try kernel.start(generator.world)
                for step in 0..<20 {
                    let events = generator.change()
                    history.steps.append(events)
                    try kernel.step(events, &pipeline)
                    if step % 7 == 6 { try kernel.rest(&pipeline) }
                    let oracle = generator.world.oracle
                    for flow in generator.flows(max(settings.flows / 10, 1)) {
                        let bytes = generator.random.plainPacket(of: flow)
                        let verdict = oracle.verdict(flow)
                        guard try kernel.difference(verdict, pipeline.compiled, flow, bytes) != nil else { continue }
                        let small = history.shrunk { Self.difference(&kernel, $0, flow, bytes) != nil }
                        let what = Self.difference(&kernel, small, flow, bytes) ?? "the failure does not come again"
                        return "\(what)\n\(small.report(of: flow))"
                    }
                }
            }
            return nil
        }
        #expect(failure == nil, "\(failure ?? "")")
    }

    private static func difference(
        _ kernel: inout PropertyKernel, _ history: WorldHistory, _ flow: Flow, _ bytes: [UInt8]
    ) -> String? {
        do {
            var pipeline = try kernel.start(history.start)
            for step in history.steps { try kernel.step(step, &pipeline) }
            return try kernel.difference(history.end.oracle.verdict(flow), pipeline.compiled, flow, bytes)
        } catch {
            return "\(error)"
        }
    }
}
