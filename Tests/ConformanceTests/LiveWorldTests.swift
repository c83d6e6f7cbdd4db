// SPDX-License-Identifier: Apache-2.0
import Foundation
import NetworkKit
import NetworkTypes
import PolicyOracle
import Testing
import WorldKit

extension Live {
    /// Random worlds, five deciders: the oracle, the tables, the eBPF program under `BPF_PROG_TEST_RUN`, and real packets
    /// over each datapath. `BULKHEAD_WORLDS`, `BULKHEAD_FLOWS` and `BULKHEAD_SEED` set how many, and replay one.
    @Suite struct WorldTests {
        private let settings = WorldSettings(
            worlds: 100, flows: 40, environment: ProcessInfo.processInfo.environment)

        /// How many parts of the worlds are judged at the same time.
        private static let parts = 4

        @Test(arguments: 0..<parts) func fiveDecidersAgree(part: Int) throws {
            let seeds = settings.seeds.enumerated().filter { $0.offset % Self.parts == part }.map(\.element)
            if seeds.isEmpty { return }
            let nodes = try NetDatapath.allCases.map { try LiveNode($0) }
            defer { for node in nodes { node.close() } }
            var statistics = WorldStatistics()
            let failure: String? = try PropertyKernel.run { kernel in
                for seed in seeds {
                    var generator = WorldGenerator(seed: seed)
                    // All networks have the same addresses.
                    generator.lay(in: nodes[0].net)
                    let flows = generator.flows(settings.flows, in: nodes[0].net)
                    let failure = try Self.failure(&generator, flows, nodes, &kernel, &statistics)
                    if let failure { return failure }
                }
                return nil
            }
            #expect(failure == nil, "\(failure ?? "")")
            print(statistics.description)
            #expect(statistics.allowed > 50 && statistics.denied > 50)
        }

        private static func failure(
            _ generator: inout WorldGenerator, _ flows: [Flow], _ nodes: [LiveNode], _ kernel: inout PropertyKernel,
            _ statistics: inout WorldStatistics
        ) throws -> String? {
            let world = generator.world
            let verdicts = flows.map { world.oracle.verdict($0) }
            let compiled = try kernel.start(world).compiled
            for (flow, verdict) in zip(flows, verdicts) {
                statistics.count(verdict)
                let bytes = generator.random.plainPacket(of: flow)
                if let difference = try kernel.difference(verdict, compiled, flow, bytes) {
                    return "\(difference)\n\(world.report(of: flow))"
                }
            }
            _ = try NetThread.runTogether(nodes.map { node in { try node.put(world) } })
            // All of all nodes at once: the time goes by with waiting for what is denied.
            let asked = nodes.flatMap { node in flows.map { (node, $0) } }
            let outcomes = try NetProbe.runTogether(asked.map { node, flow in node.probe(flow) })
            for (index, (node, flow)) in asked.enumerated()
            where try node.difference(verdicts[index % flows.count], flow, outcomes[index]) != nil {
                return PropertyComparison.report(world, flow) { node.difference($0, $1) }
            }
            return nil
        }
    }
}
