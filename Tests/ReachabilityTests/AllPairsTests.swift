// SPDX-License-Identifier: Apache-2.0
import Foundation
import KubernetesObjects
import NetworkTypes
import PolicyModel
import Reachability
import Testing
import WorldKit

/// All pairs at once, where workloads of one class share their answers, equal each pair asked alone.
@Suite struct AllPairsTests {
    @Test func randomClusters() throws {
        let settings = WorldSettings(worlds: 6, flows: 1, environment: ProcessInfo.processInfo.environment)
        var compared = 0
        for seed in settings.seeds {
            let world = WorldGenerator(seed: seed, isAuthorized: seed.isMultiple(of: 2)).world
            var map = try world.map()
            for withDenied in [false, true] { compared += try compare(&map, withDenied) }
        }
        #expect(compared > 500, "\(compared)")
    }

    private func compare(_ map: inout ReachabilityMap, _ withDenied: Bool) throws -> Int {
        let rows = try map.reach(from: .anywhere, to: .anywhere, withDenied: withDenied)
        #expect(Set(rows).count == rows.count)
        let pods = map.pods.filter { !$0.hostNetwork && $0.phase != .succeeded && $0.phase != .failed }
        var compared = 0
        for from in pods {
            for to in pods {
                let ends = (end(from), end(to))
                guard let alone = try? map.reach(from: ends.0, to: ends.1, withDenied: withDenied) else { continue }
                let all = rows.filter { $0.from == party(from) && $0.to == party(to) }
                #expect(alone == all, "\(ends)")
                compared += alone.count
            }
        }
        return compared
    }

    private func end(_ pod: Pod) -> ReachEnd {
        .named(namespace: pod.metadata.namespace, name: pod.metadata.name)
    }

    private func party(_ pod: Pod) -> ReachParty {
        .workload(WorkloadKey(namespace: pod.metadata.namespace, kind: "Pod", name: pod.metadata.name))
    }

    /// Pods with no policy, of two workloads of two pods and one of one pod: counts and examples are each pair's own.
    @Test func workloadsOfOneClass() throws {
        let names = ["a-1", "a-2", "b-1", "b-2", "c-1"]
        let pods = names.enumerated().map { Pod($1, ["app": "x"], ["10.0.0.\($0 + 1)"]) }
        var workloads: [EndpointName: WorkloadKey] = [:]
        for name in names {
            workloads[EndpointName(namespace: "shop", name: name)] = WorkloadKey(
                namespace: "shop", kind: "Deployment", name: String(name.prefix(1)))
        }
        var map = try ReachabilityMap(objects: pods.map { .pod($0) }, workloads: workloads)
        let all = ReachEnd.pods(namespace: nil, LabelSelector())
        let rows = try map.reach(from: all, to: all)
        let texts = rows.map { row in
            "\(row.from.text) \(row.fromPods?.pods ?? 0) \(row.to.text) \(row.toPods?.pods ?? 0) \(row.example.source) "
                + "\(row.example.destination)"
        }
        #expect(
            texts == [
                "shop/a 2 shop/a 2 10.0.0.1 10.0.0.2", "shop/a 2 shop/b 2 10.0.0.1 10.0.0.3",
                "shop/a 2 shop/c 1 10.0.0.1 10.0.0.5", "shop/b 2 shop/a 2 10.0.0.3 10.0.0.1",
                "shop/b 2 shop/b 2 10.0.0.3 10.0.0.4", "shop/b 2 shop/c 1 10.0.0.3 10.0.0.5",
                "shop/c 1 shop/a 2 10.0.0.5 10.0.0.1", "shop/c 1 shop/b 2 10.0.0.5 10.0.0.3",
            ], "a pod alone does not meet itself")
    }
}
