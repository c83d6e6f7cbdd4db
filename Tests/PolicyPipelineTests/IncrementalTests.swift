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
        return Array(0..<(environment["BULKHEAD_SEQUENCES"].flatMap(UInt64.init) ?? 12))
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
        for seed in Self.seeds.prefix(8) {
            let problem = Self.run(seed: seed, nodePercent: 50)
            #expect(problem == nil, "BULKHEAD_SEED=\(seed): \(problem ?? "")")
            if problem != nil { return }
        }
    }

    /// - Parameter nodePercent: how many of the changes are nodes' beside the usual ones.
    private static func run(seed: UInt64, nodePercent: Int = 0) -> String? {
        var generator = WorldGenerator(seed: seed)
        let nodeName = generator.world.nodeName
        var pipeline = PolicyPipeline(nodeName: nodeName)
        var replay = TableReplay()
        let flows = generator.flows(24)
        replay.apply(pipeline.apply(generator.world.events), of: pipeline.compiled) { _, _ in }
        var localAddresses: [CIDR] = []
        for number in 0..<40 {
            if generator.random.chance(percent: nodePercent == 0 ? 8 : 30) {
                localAddresses = generator.changeLocalAddresses()
                replay.apply(pipeline.apply(localAddresses: localAddresses), of: pipeline.compiled) { _, _ in }
            }
            let before = generator.world
            let isNode = nodePercent > 0 && generator.random.chance(percent: nodePercent)
            let events = isNode ? generator.changeNode() : generator.change()
            let isOneStep = events.count == 1 && isOneStore(events[0], before)
            let verdicts = flows.map { replay.verdict($0) }
            let delta = pipeline.apply(events)
            let after = flows.map { text(pipeline.compiled.evaluate($0), pipeline.compiled) }
            var problem: String?
            var last = verdicts
            replay.apply(delta, of: pipeline.compiled) { replay, isInvisible in
                for (index, flow) in flows.enumerated() {
                    let now = replay.verdict(flow)
                    if isInvisible, now != last[index], problem == nil {
                        problem = "\(flow): \(last[index]) became \(now) in a step that nobody should see"
                    }
                    if isOneStep, !isBetween(now, verdicts[index], after[index]), problem == nil {
                        problem = "\(flow): \(now) is neither \(verdicts[index]) nor \(after[index])"
                    }
                    last[index] = now
                }
            }
            if let problem = problem ?? replay.problems.first { return "step \(number) \(events): \(problem)" }
            if last != after { return "step \(number): replayed verdicts differ from evaluate" }

            var fresh = PolicyPipeline(nodeName: nodeName)
            _ = fresh.apply(localAddresses: localAddresses)
            _ = fresh.apply(generator.world.events)
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

    /// Whether packets see all of an event at once. A pod that leaves an address for another takes two stores, each of
    /// them whole, and the pods of a namespace that gets other labels take one each.
    private static func isOneStore(_ event: ObjectEvent, _ world: World) -> Bool {
        switch event {
        case .set(.pod(let new)):
            let old = world.pods.first { KubernetesObject.pod($0).key == event.key }
            return old.map { $0.podIPs == new.podIPs } ?? true
        default: return event.key.kind != .namespace
        }
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
