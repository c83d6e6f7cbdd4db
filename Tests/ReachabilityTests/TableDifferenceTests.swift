// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import Foundation
import KubernetesObjects
import NetworkTypes
import PolicyModel
import PolicyOracle
import PolicyPipeline
import Reachability
import Testing
import WorldKit

/// What a change does to one node's tables, in random worlds, against the oracles of before and after.
@Suite struct TableDifferenceTests {
    private let settings = WorldSettings(worlds: 120, flows: 200, environment: ProcessInfo.processInfo.environment)

    private struct Counts {
        var changes = 0
        var different = 0
        var same = 0
        var requests = 0
    }

    /// Both ways: a flow whose verdict differs is in a change, and no other flow is.
    @Test func differencesAreTheOracles() {
        var counts = Counts()
        for seed in settings.seeds {
            var generator = WorldGenerator(seed: seed, isAuthorized: seed.isMultiple(of: 2))
            let old = generator.world
            var events: [ObjectEvent] = []
            for _ in 0...(seed % 4) { events += generator.change() }
            let world = Both(old: old, new: generator.world, events: events)
            for change in world.difference.changes {
                counts.changes += 1
                let verdicts = world.verdicts(change.flow)
                #expect(verdicts == [change.old, change.new], "BULKHEAD_SEED=\(seed): \(change.flow) \(verdicts)")
                #expect(change.before.verdict == change.old && change.after.verdict == change.new)
            }
            for flow in generator.flows(settings.flows) where world.isCompared(flow) {
                let request = generator.request()
                let problem = world.problem(of: flow, request, &counts)
                #expect(problem == nil, "BULKHEAD_SEED=\(seed): \(flow): \(problem ?? "")")
                if problem != nil { return }
            }
        }
        #expect(
            counts.changes > 200 && counts.different > 100 && counts.same > 1000 && counts.requests > 10, "\(counts)")
    }

    private struct Both {
        let oracles: [Oracle]
        let tables: [CompiledPolicy]
        let difference: TableDifference
        private let prefixes: [CIDR]

        init(old: World, new: World, events: [ObjectEvent]) {
            oracles = [old, new].map {
                Oracle(objects: $0.objects, nodeName: $0.nodeName, settings: $0.settings)
            }
            var pipeline = PolicyPipeline(nodeName: old.nodeName, settings: old.policySettings)
            pipeline.ingest(localAddresses: old.settings.localAddresses)
            _ = pipeline.apply(old.events)
            let before = pipeline.compiled
            _ = pipeline.apply(events)
            tables = [before, pipeline.compiled]
            difference = TableDifference(before, pipeline.compiled)
            prefixes = tables.flatMap { Array($0.addresses.prefixes.keys) }
        }

        private func pods(_ address: IPAddress) -> [EndpointName?] {
            tables.map { $0.endpoints[$0.addresses.entry(of: address).endpoint]?.name }
        }

        /// Not with a pod that comes or goes, nor a pod and itself.
        func isCompared(_ flow: Flow) -> Bool {
            let (source, destination) = (pods(flow.source), pods(flow.destination))
            return source[0] == source[1] && destination[0] == destination[1] && source[0] != destination[0]
        }

        func verdicts(_ flow: Flow, _ request: OracleRequest? = nil) -> [Verdict] {
            oracles.map { $0.verdict(flow, request: request).verdict.asVerdict }
        }

        func problem(of flow: Flow, _ request: OracleRequest, _ counts: inout Counts) -> String? {
            let verdicts = verdicts(flow)
            let covering = difference.changes.filter { covers($0, flow) }
            if covering.count > 1 { return "is in \(covering.count) changes" }
            if verdicts[0] != verdicts[1] {
                counts.different += 1
                let isRight = covering.first.map { [$0.old, $0.new] == verdicts } ?? false
                return isRight ? nil : "\(verdicts), but \(covering)"
            }
            guard verdicts[0] == .dependsOnRequest else {
                counts.same += 1
                return covering.isEmpty ? nil : "\(verdicts), but \(covering)"
            }
            counts.requests += 1
            let answers = self.verdicts(flow, request)
            return answers[0] == answers[1] || covering.count == 1 ? nil : "a request's answer differs: \(answers)"
        }

        private func covers(_ change: TableChange, _ flow: Flow) -> Bool {
            contains(change.from, flow.source) && contains(change.to, flow.destination)
                && change.ports.contains { $0.contains(flow) }
        }

        private func contains(_ end: TableChange.End, _ address: IPAddress) -> Bool {
            if tables.contains(where: { $0.addresses.hosts[address] != nil }) { return end.addresses.contains(address) }
            let longest = prefixes.filter { $0.contains(address) }.max { $0.prefixLength < $1.prefixLength }
            return end.prefixes.contains { prefix in
                longest.map { $0 == prefix } ?? (prefix.prefixLength == 0 && prefix.family == address.family)
            }
        }
    }
}
