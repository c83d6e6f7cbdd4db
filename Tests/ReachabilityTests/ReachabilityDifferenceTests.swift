// SPDX-License-Identifier: Apache-2.0
import Foundation
import KubernetesObjects
import NetworkTypes
import PolicyModel
import PolicyOracle
import Reachability
import Testing
import WorldKit

/// Differences between random clusters and what became of them, against the oracles of both.
@Suite struct ReachabilityDifferenceTests {
    private let settings = WorldSettings(worlds: 80, flows: 100, environment: ProcessInfo.processInfo.environment)

    @Test func differencesAreTheOracles() throws {
        var (found, same, requests, different) = (0, 0, 0, 0)
        for seed in settings.seeds {
            var generator = WorldGenerator(seed: seed, isAuthorized: seed.isMultiple(of: 2))
            let old = generator.world
            for _ in 0...(seed % 3) { _ = generator.change() }
            if seed.isMultiple(of: 5) { _ = generator.changeNode() }
            let new = generator.world
            let oracles = (ClusterOracle(old), ClusterOracle(new))
            var maps = (try old.map(), try new.map())
            let difference = try ReachabilityDifference(&maps.0, &maps.1)
            for change in difference.changes {
                found += 1
                let before = oracles.0.verdict(change.oldFlow.flow).verdict.asVerdict
                let after = oracles.1.verdict(change.newFlow.flow).verdict.asVerdict
                #expect(before == change.old && after == change.new, "seed \(seed): \(change)")
                #expect(change.old != change.new || change.old == .dependsOnRequest)
            }
            for flow in generator.flows(settings.flows * 2) where oracles.0.isSame(flow, oracles.1) {
                let verdicts = (oracles.0.verdict(flow).verdict, oracles.1.verdict(flow).verdict)
                var isDifferent = verdicts.0 != verdicts.1
                if verdicts == (.depends, .depends) {
                    let request = generator.request()
                    let answers = (
                        oracles.0.verdict(flow, request: request).verdict,
                        oracles.1.verdict(flow, request: request).verdict
                    )
                    requests += 1
                    isDifferent = answers.0 != answers.1
                }
                guard isDifferent else {
                    same += 1
                    continue
                }
                different += 1
                let isKnown = difference.changes.contains { change in
                    change.ports.contains(flow) && change.old == verdicts.0.asVerdict
                        && change.new == verdicts.1.asVerdict && change.from == oracles.1.party(flow.source)
                        && change.to == oracles.1.party(flow.destination)
                }
                #expect(isKnown, "seed \(seed): \(flow): \(verdicts)\n\(difference.changes.count)")
                if !isKnown { return }
            }
        }
        #expect(found > 100 && different > 50 && same > 500 && requests > 20, "\(found) \(different) \(requests)")
    }

    /// The order of objects and the numbers that follow from it mean nothing.
    @Test func aClusterEqualsItself() throws {
        for seed in settings.seeds.prefix(40) {
            let world = WorldGenerator(seed: seed, isAuthorized: true).world
            var maps = (
                try world.map(), try ReachabilityMap(objects: world.objects.reversed(), settings: world.policySettings)
            )
            let difference = try ReachabilityDifference(&maps.0, &maps.1)
            #expect(difference.isEqual, "seed \(seed): \(difference.changes.first.map { "\($0)" } ?? "")")
        }
    }
}

extension ClusterOracle {
    /// Whether the ends of a flow are the same pods, or no pods, in both worlds.
    fileprivate func isSame(_ flow: Flow, _ other: ClusterOracle) -> Bool {
        isJudged(flow)
            && [flow.source, flow.destination].allSatisfy { address in
                guard owners[address] == other.owners[address] else { return false }
                guard let pod = owners[address] else { return true }
                // Several addresses of one family are paired in order.
                func own(_ oracle: ClusterOracle) -> [IPAddress] {
                    oracle.owners.filter { $0.value == pod && $0.key.family == address.family }.keys.sorted()
                }
                return own(self) == own(other)
            }
    }

    fileprivate func party(_ address: IPAddress) -> ReachParty {
        if let pod = owners[address] {
            return .workload(WorkloadKey(namespace: pod.namespace, kind: "Pod", name: pod.name))
        }
        return nodeAddresses.contains(address) ? .nodes : .outside
    }
}
