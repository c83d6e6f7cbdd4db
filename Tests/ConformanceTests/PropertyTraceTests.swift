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

/// The steps to a verdict, in random worlds: they lead to the verdict, and each of them is true.
@Suite struct PropertyTraceTests {
    private let settings = WorldSettings(environment: ProcessInfo.processInfo.environment)

    /// The steps come from the rules, the verdict from the cells.
    @Test func theLastStepIsTheDecision() {
        var decided = 0
        for seed in settings.seeds {
            var generator = WorldGenerator(seed: seed, isAuthorized: seed % 2 == 0)
            let world = generator.world
            let pipeline = PropertyComparison.pipeline(world)
            for flow in generator.flows(settings.flows / 10) {
                let trace = pipeline.trace(flow)
                #expect(trace.decision == pipeline.compiled.evaluate(flow))
                for side in [trace.egress, trace.ingress].compactMap(\.self) where !side.tiers.isEmpty {
                    decided += 1
                    let identity = side.decidedBy ?? .noPolicy(side.direction)
                    let denies = side.audit.contains { $0.outcome.verdict == .deny }
                    let isRight =
                        side.verdict == side.decision.verdict && identity == side.decision.identity
                        && denies == (side.decision.wouldDeny != nil)
                    #expect(isRight, "\(side)\n\(world.report(of: flow))")
                }
            }
        }
        #expect(decided > 1000)
    }

    /// Each rule that is listed matches or not as its policy's text says, and what a pod lacks it does lack.
    @Test func everyStepIsTrue() {
        var counts = (matches: 0, misses: 0, lacks: 0)
        for seed in settings.seeds {
            var generator = WorldGenerator(seed: seed)
            let world = generator.world
            let pipeline = PropertyComparison.pipeline(world)
            let plain = PlainRules(world, owner: { pipeline.pod(owning: $0) })
            for flow in generator.flows(settings.flows / 20) {
                let trace = pipeline.trace(flow)
                for side in [trace.egress, trace.ingress].compactMap(\.self) {
                    for step in side.tiers.flatMap(\.rules) {
                        guard let expected = plain.matches(step.identity, flow) else { continue }
                        #expect(step.matches == expected, "\(step)\n\(world.report(of: flow))")
                        if step.matches { counts.matches += 1 } else { counts.misses += 1 }
                        for unmet in step.misses.flatMap(\.unmet) {
                            counts.lacks += 1
                            #expect(plain.isUnmet(unmet, side.peer), "\(unmet)\n\(world.report(of: flow))")
                        }
                    }
                }
            }
        }
        #expect(counts.matches > 100 && counts.misses > 100 && counts.lacks > 100, "\(counts)")
    }
}

/// Rules of NetworkPolicy read word by word, without anything that the tables are made of.
private struct PlainRules {
    let world: World
    let owner: (IPAddress) -> EndpointName?

    init(_ world: World, owner: @escaping (IPAddress) -> EndpointName?) {
        self.world = world
        self.owner = owner
    }

    /// Nil for rules that no NetworkPolicy has.
    func matches(_ identity: RuleIdentity, _ flow: Flow) -> Bool? {
        guard case .rule(let reference, let direction, let index, _) = identity, reference.kind == "NetworkPolicy",
            let policy = world.policies.first(where: {
                $0.metadata.namespace == reference.namespace && $0.metadata.name == reference.name
            })
        else { return nil }
        let rules = direction == .ingress ? policy.ingress : policy.egress
        guard rules.indices.contains(index) else { return nil }
        let peer = direction == .ingress ? flow.source : flow.destination
        let fits = rules[index].peers.isEmpty || rules[index].peers.contains { matches($0, peer, policy) }
        return fits && (rules[index].ports.isEmpty || rules[index].ports.contains { matches($0, flow) })
    }

    private func matches(_ peer: NetworkPolicyPeer, _ address: IPAddress, _ policy: NetworkPolicy) -> Bool {
        switch peer {
        case .ipBlock(let cidr, let except): cidr.contains(address) && !except.contains { $0.contains(address) }
        case .pods(let namespaces, let pods):
            if let pod = pod(at: address), !pod.hostNetwork {
                (namespaces.map { Oracle.selects($0, labels(of: pod.metadata.namespace)) }
                    ?? (pod.metadata.namespace == policy.metadata.namespace))
                    && pods.map { Oracle.selects($0, pod.metadata.labels) } ?? true
            } else {
                false
            }
        }
    }

    /// A named port is one of the pod that receives the flow.
    private func matches(_ port: NetworkPolicyPort, _ flow: Flow) -> Bool {
        guard let number = flow.destinationPort, port.ipProtocol == flow.ipProtocol else { return false }
        switch port.port {
        case .any: return true
        case .range(let range): return range.contains(number)
        case .named(let name):
            return pod(at: flow.destination)?.namedPorts.contains {
                $0.name == name && $0.number == number && $0.ipProtocol == flow.ipProtocol
            } ?? false
        }
    }

    /// Whether a pod at an address does not meet a condition, and has what is said that it has.
    func isUnmet(_ unmet: UnmetCondition, _ address: IPAddress) -> Bool {
        let pod = pod(at: address)
        let got: String?
        switch unmet.subject {
        case .label(let key): got = pod?.metadata.labels[key]
        case .namespaceLabel(let key): got = pod.map { labels(of: $0.metadata.namespace) }?[key]
        case .namespace: got = pod?.metadata.namespace
        case .serviceAccount: got = pod?.serviceAccountName
        case .address: got = address.description
        }
        guard got == unmet.got else { return false }
        switch unmet.need {
        case .anyOf(let values): return got.map { !values.contains($0) } ?? true
        case .noneOf(let values): return got.map { values.contains($0) } ?? false
        case .present: return got == nil
        case .absent: return got != nil
        case .pod: return pod.map { $0.hostNetwork } ?? true
        }
    }

    private func pod(at address: IPAddress) -> Pod? {
        owner(address).flatMap { name in
            world.pods.last { $0.metadata.namespace == name.namespace && $0.metadata.name == name.name }
        }
    }

    /// Every namespace has the label of its name, also without an object.
    private func labels(of namespace: String) -> [String: String] {
        var labels = world.namespaces.first { $0.metadata.name == namespace }?.metadata.labels ?? [:]
        labels[Namespace.nameLabel] = namespace
        return labels
    }
}
