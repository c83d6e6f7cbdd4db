// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import Explanations
import KubernetesObjects
import NetworkTypes
import PolicyModel
import PolicyOracle
import PolicyPipeline
import PolicyResolver
import WorldKit

/// What differs between the oracle and another evaluator; nil where they agree.
enum PropertyComparison {
    /// A flow as it is, as one that a Service led to its destination, and as a packet to a group that an endpoint gets.
    static func difference(_ oracle: Oracle, _ policy: CompiledPolicy, _ flow: Flow) -> String? {
        if let difference = difference(oracle.verdict(flow), policy.evaluate(flow)) { return difference }
        let service = difference(
            oracle.verdict(flow, throughService: true), policy.evaluate(flow, throughService: true),
            throughService: true)
        return service.map { "through a Service: \($0)" } ?? groupDifference(oracle, policy, flow)
    }

    /// The endpoint is one of all, by the flow's port.
    private static func groupDifference(_ oracle: Oracle, _ policy: CompiledPolicy, _ flow: Flow) -> String? {
        let endpoints = policy.endpoints.sorted { $0.key < $1.key }
        guard !endpoints.isEmpty else { return nil }
        let (id, endpoint) = endpoints[Int(flow.destinationPort ?? 0) % endpoints.count]
        let expected = oracle.ingress(flow, deliveredTo: endpoint.addresses[0])
        let found = policy.evaluate(flow, deliveredTo: id)
        let isSame =
            expected?.cause.allows == found.map { $0.verdict == .allow }
            && (expected?.cause == .itself || (expected?.wouldDeny != nil) == (found?.wouldDeny != nil))
        let (told, reason) = (expected?.description ?? "nothing", found?.reason ?? "nothing")
        return isSame ? nil : "delivered to \(endpoint.name): oracle says \(told); tables say \(reason)"
    }

    /// For a pod and itself only the verdict is compared, because no direction decides. Through a Service each
    /// direction does, but what a policy in audit would deny is not reported if NetworkPolicy would deny another pod's
    /// flow.
    static func difference(
        _ oracle: OracleVerdict, _ decision: Decision, throughService: Bool = false
    ) -> String? {
        if oracle.verdict.rawValue != decision.verdict.rawValue {
            return "oracle says \(oracle); tables say \(decision.verdict.rawValue): \(reasons(decision))"
        }
        if !throughService, oracle.egressCause == .itself || oracle.ingressCause == .itself || decision.isSelf {
            let bothKnow = oracle.egressCause == .itself && oracle.ingressCause == .itself && decision.isSelf
            return bothKnow ? nil : "oracle says \(oracle); tables say isSelf = \(decision.isSelf)"
        }
        for (name, expected, found) in [
            ("egress", oracle.egress, decision.egress), ("ingress", oracle.ingress, decision.ingress),
        ] where expected != found.map({ $0.verdict == .allow }) {
            return "\(name): oracle says \(oracle); tables say \(reasons(decision))"
        }
        for (name, answer, found) in [
            ("egress", oracle.egressAnswer, decision.egress), ("ingress", oracle.ingressAnswer, decision.ingress),
        ] where answer?.cause != .itself && (answer?.wouldDeny != nil) != (found?.wouldDeny != nil) {
            return "\(name) would deny: oracle says \(oracle); tables say \(reasons(decision))"
        }
        return nil
    }

    private static func reasons(_ decision: Decision) -> String {
        [("egress", decision.egress), ("ingress", decision.ingress)].map { name, direction in
            "\(name) \(direction.map { "\($0.verdict.rawValue) (\($0.reason))" } ?? "not decided")"
        }.joined(separator: ", ")
    }

    /// The compiled policy of a world, built from nothing.
    static func compiled(_ world: World) -> CompiledPolicy {
        pipeline(world).compiled
    }

    /// A pipeline that knows a world, and the node's own addresses and settings.
    static func pipeline(_ world: World, numbering: Numbering = Numbering()) -> PolicyPipeline {
        var pipeline = PolicyPipeline(
            nodeName: world.nodeName, numbering: numbering, settings: settings(world))
        pipeline.ingest(localAddresses: world.settings.localAddresses)
        _ = pipeline.apply(world.events)
        return pipeline
    }

    static func settings(_ world: World) -> PolicySettings {
        PolicySettings(
            enforcesNetworkPolicyOnOwnNode: world.settings.enforcesNetworkPolicyOnOwnNode,
            nodeDNS: world.settings.nodeDNS,
            mesh: MeshSettings(
                rootNamespace: world.settings.rootNamespace, trustDomains: world.settings.trustDomains))
    }

    /// Shrinks a failing world and says all that is needed to see the failure again.
    static func report(_ world: World, _ flow: Flow, difference: (World, Flow) -> String?) -> String {
        let small = world.shrunk(flow) { difference($0, $1) != nil }
        let what = difference(small, flow) ?? "the failure does not come again"
        return "\(what)\n\(small.report(of: flow))"
    }
}
