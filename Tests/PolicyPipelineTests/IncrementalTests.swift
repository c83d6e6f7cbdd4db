// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import Foundation
import KubernetesObjects
import NetworkTypes
import PolicyPipeline
import Testing
import WorldKit

/// Any order of events leads to the same tables as the objects that are left, and no step shows a packet a verdict
/// that is neither the old nor the new one.
///
/// BULKHEAD_SEED runs that one sequence; BULKHEAD_SEQUENCES sets how many are run otherwise.
@Suite struct IncrementalTests {
    private static var seeds: [UInt64] {
        let environment = ProcessInfo.processInfo.environment
        if let seed = environment["BULKHEAD_SEED"].flatMap(UInt64.init) { return [seed] }
        // 580: new prefixes around, and inside, one that was there already.
        return (0..<(environment["BULKHEAD_SEQUENCES"].flatMap(UInt64.init) ?? 200)) + [580]
    }

    @Test func everyOrderOfEventsEqualsFromScratch() {
        for seed in Self.seeds {
            let problem = Self.run(seed: seed)
            #expect(problem == nil, "BULKHEAD_SEED=\(seed): \(problem ?? "")")
            if problem != nil { return }
        }
    }

    /// The same while nodes come, go and change: addresses join and leave peer sets that live.
    @Test func nodesThatComeAndGoEqualFromScratch() {
        for seed in Self.seeds.prefix(120) {
            let problem = Self.run(seed: seed, nodePercent: 50)
            #expect(problem == nil, "BULKHEAD_SEED=\(seed): \(problem ?? "")")
            if problem != nil { return }
        }
    }

    private static func run(seed: UInt64, nodePercent: Int = 0) -> String? {
        var world = RandomWorld(seed: seed)
        var choices = SplitMix64(seed: seed)
        var pipeline = PolicyPipeline(nodeName: "n1")
        var replay = TableReplay()
        let flows = (0..<24).map { _ in world.flow() }
        var localAddresses: [CIDR] = []
        for number in 0..<40 {
            if let addresses = world.localAddresses(percent: nodePercent == 0 ? 8 : 30) {
                localAddresses = addresses
                replay.apply(pipeline.apply(localAddresses: addresses), of: pipeline.compiled) { _, _ in }
            }
            let size = number % 5 == 4 ? 4 : 1
            let objects = world.objects
            let events = (0..<size).map { _ in
                let isNode = nodePercent > 0 && Int.random(in: 0..<100, using: &choices) < nodePercent
                return isNode ? world.nodeEvent() : world.event()
            }
            let isOneStep = size == 1 && !movesPod(events[0], objects)
            let before = flows.map { replay.verdict($0) }
            let delta = pipeline.apply(events)
            let after = flows.map { text(pipeline.compiled.evaluate($0), pipeline.compiled) }
            var problem: String?
            var last = before
            replay.apply(delta, of: pipeline.compiled) { replay, isInvisible in
                for (index, flow) in flows.enumerated() {
                    let now = replay.verdict(flow)
                    if isInvisible, now != last[index], problem == nil {
                        problem = "\(flow): \(last[index]) became \(now) in a step that nobody should see"
                    }
                    if isOneStep, !isBetween(now, before[index], after[index]), problem == nil {
                        problem = "\(flow): \(now) is neither \(before[index]) nor \(after[index])"
                    }
                    last[index] = now
                }
            }
            if let problem = problem ?? replay.problems.first { return "step \(number) \(events): \(problem)" }
            if last != after { return "step \(number): replayed verdicts differ from evaluate" }

            var fresh = PolicyPipeline(nodeName: "n1")
            _ = fresh.apply(localAddresses: localAddresses)
            _ = fresh.apply(world.objects.sorted { $0.key < $1.key }.map { .set($0.value) })
            while fresh.needsSettling { _ = fresh.settle() }
            if number % 3 == 0 {
                let settled = pipeline.settle()
                replay.apply(settled, of: pipeline.compiled) { _, _ in }
                if let problem = replay.problems.first { return "step \(number) settling: \(problem)" }
            }
            var copy = pipeline
            while copy.needsSettling { _ = copy.settle() }
            let difference = copy.compiled.canonical.difference(from: fresh.compiled.canonical)
            if !difference.isEmpty {
                return "step \(number) \(events):\n" + difference.prefix(6).joined(separator: "\n")
            }
            for flow in flows where pipeline.compiled.evaluate(flow) != evaluate(flow, fresh, like: pipeline) {
                return "step \(number): \(flow) is decided otherwise from scratch"
            }
        }
        return nil
    }

    /// Whether a pod leaves an address for another: two addresses, so two stores, each of them whole.
    private static func movesPod(_ event: ObjectEvent, _ objects: [ObjectKey: KubernetesObject]) -> Bool {
        guard case .set(.pod(let new)) = event, case .pod(let old) = objects[KubernetesObject.pod(new).key] else {
            return false
        }
        return old.podIPs != new.podIPs
    }

    /// Whether each direction's verdict is the old or the new one. A change is atomic for one pod, not for two: with
    /// both ends local, one may have turned before the other.
    private static func isBetween(_ now: String, _ before: String, _ after: String) -> Bool {
        if now == before || now == after { return true }
        let parts = [now, before, after].map { $0.split(separator: " ") }
        guard parts.allSatisfy({ $0.count == 2 }) else { return false }
        return (0..<2).allSatisfy { parts[0][$0] == parts[1][$0] || parts[0][$0] == parts[2][$0] }
    }

    /// The decision from scratch with the numbers of the other pipeline's rules.
    private static func evaluate(_ flow: Flow, _ fresh: PolicyPipeline, like other: PolicyPipeline) -> Decision {
        var decision = fresh.compiled.evaluate(flow)
        let same = other.compiled.evaluate(flow)
        if let rule = same.egress?.rule { decision.egress?.rule = rule }
        if let rule = same.ingress?.rule { decision.ingress?.rule = rule }
        return decision
    }

    private static func text(_ decision: Decision, _ policy: CompiledPolicy) -> String {
        if decision.isSelf { return "self" }
        func word(_ direction: DirectionDecision?) -> String {
            guard let direction else { return "open" }
            if direction.wouldDeny != nil { return "audit" }
            if case .noPolicy = direction.identity { return "open" }
            return direction.verdict.rawValue
        }
        return "\(word(decision.egress)) \(word(decision.ingress))"
    }
}
