// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import Foundation
import KubernetesObjects
import NetworkTypes
import PolicyLint
import PolicyModel
import PolicyPipeline
import PolicyResolver
import Testing
import WorldKit

/// What lint calls pointless can be removed: in random worlds, with pods that lint never saw, no verdict changes.
@Suite struct PointlessRuleTests {
    private let settings = WorldSettings(environment: ProcessInfo.processInfo.environment)

    @Test(arguments: [false, true])
    func removingThemChangesNoVerdict(isAuthorized: Bool) {
        var counts = (pointless: 0, kept: 0, changedByOthers: 0)
        for seed in settings.seeds.prefix(150) {
            var generator = WorldGenerator(seed: seed, isAuthorized: isAuthorized)
            let world = Self.onOneNode(generator.world)
            let lint = PolicyLint(Self.documents(of: world))
            let pointless = Set(lint.pointlessRules)
            let flows = generator.flows(400)
            let before = Self.compile(world)
            let after = Self.compile(Self.removing(pointless, from: world))
            for flow in flows {
                let (old, new) = (before.evaluate(flow).verdict, after.evaluate(flow).verdict)
                #expect(
                    old == new, "seed \(seed) \(flow): \(old), without \(pointless.map { "\($0)" }.sorted()): \(new)")
            }
            counts.pointless += pointless.count
            // The other rules are not all without effect, or this test would show nothing.
            let others = Set(Self.rules(of: world)).subtracting(pointless)
            counts.kept += others.count
            let without = Self.compile(Self.removing(others, from: world))
            counts.changedByOthers += flows.count { before.evaluate($0).verdict != without.evaluate($0).verdict }
        }
        #expect(counts.pointless > 100 && counts.kept > 200 && counts.changedByOthers > 500, "\(counts)")
    }

    /// Without audit, which decides nothing, and without parts that no manifest can say.
    private static func onOneNode(_ world: World) -> World {
        var world = world.writable
        for index in world.pods.indices where !world.pods[index].hostNetwork {
            world.pods[index].nodeName = world.nodeName
        }
        for index in world.policies.indices { world.policies[index].enforcement = .enforce }
        for index in world.tierPolicies.indices { world.tierPolicies[index].enforcement = .enforce }
        for index in world.authorizationPolicies.indices { world.authorizationPolicies[index].enforcement = .enforce }
        world.authorizationPolicies.removeAll { $0.action == .audit }
        return world
    }

    /// The policies and namespaces, not the pods: lint must be right about every pod that there may be.
    private static func documents(of world: World) -> [LintDocument] {
        world.objects.filter { object in
            switch object {
            case .pod, .node: false
            default: true
            }
        }.enumerated().map { LintDocument(file: "world.yaml", index: $0 + 1, line: 1, root: $1.document) }
    }

    private static func compile(_ world: World) -> CompiledPolicy {
        var pipeline = PolicyPipeline(nodeName: world.nodeName)
        _ = pipeline.apply(world.events)
        return pipeline.compiled
    }

    private static func rules(of world: World) -> [PolicyLint.PointlessRule] {
        func rules(_ count: Int, _ kind: String, _ meta: ObjectMeta, _ direction: Direction) -> [PolicyLint
            .PointlessRule]
        {
            let policy = PolicyReference(kind: kind, namespace: meta.namespace, name: meta.name)
            return (0..<count).map { PolicyLint.PointlessRule(policy: policy, direction: direction, index: $0) }
        }
        return world.policies.flatMap {
            rules($0.ingress.count, "NetworkPolicy", $0.metadata, .ingress)
                + rules($0.egress.count, "NetworkPolicy", $0.metadata, .egress)
        }
            + world.tierPolicies.flatMap {
                rules($0.ingress.count, $0.kind.rawValue, $0.metadata, .ingress)
                    + rules($0.egress.count, $0.kind.rawValue, $0.metadata, .egress)
            }
            + world.authorizationPolicies.flatMap {
                rules($0.rules.count, "AuthorizationPolicy", $0.metadata, .ingress)
            }
    }

    private static func removing(_ pointless: Set<PolicyLint.PointlessRule>, from world: World) -> World {
        var world = world
        func kept<T>(_ rules: [T], _ kind: String, _ meta: ObjectMeta, _ direction: Direction) -> [T] {
            let policy = PolicyReference(kind: kind, namespace: meta.namespace, name: meta.name)
            return rules.enumerated().filter {
                !pointless.contains(PolicyLint.PointlessRule(policy: policy, direction: direction, index: $0.offset))
            }.map(\.element)
        }
        for (index, policy) in world.policies.enumerated() {
            let meta = policy.metadata
            world.policies[index].ingress = kept(policy.ingress, "NetworkPolicy", meta, .ingress)
            world.policies[index].egress = kept(policy.egress, "NetworkPolicy", meta, .egress)
        }
        for (index, policy) in world.tierPolicies.enumerated() {
            let (kind, meta) = (policy.kind.rawValue, policy.metadata)
            world.tierPolicies[index].ingress = kept(policy.ingress, kind, meta, .ingress)
            world.tierPolicies[index].egress = kept(policy.egress, kind, meta, .egress)
        }
        for (index, policy) in world.authorizationPolicies.enumerated() {
            world.authorizationPolicies[index].rules = kept(
                policy.rules, "AuthorizationPolicy", policy.metadata, .ingress)
        }
        return world
    }
}
