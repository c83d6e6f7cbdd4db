// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import KubernetesObjects
import NetworkTypes
import PolicyModel
import PolicyOracle
import PolicyPipeline
import PolicyResolver
import TestKit

/// What differs between the oracle and another evaluator; nil where they agree.
enum PropertyComparison {
    /// A pod to itself is compared by the verdict alone: no direction is asked.
    static func difference(_ oracle: OracleVerdict, _ decision: Decision) -> String? {
        if oracle.verdict.rawValue != decision.verdict.rawValue {
            return "oracle says \(oracle); tables say \(decision.verdict.rawValue): \(reasons(decision))"
        }
        if oracle.egressCause == .itself || oracle.ingressCause == .itself || decision.isSelf {
            let bothKnow = oracle.egressCause == .itself && oracle.ingressCause == .itself && decision.isSelf
            return bothKnow ? nil : "oracle says \(oracle); tables say isSelf = \(decision.isSelf)"
        }
        for (name, expected, found) in [
            ("egress", oracle.egress, decision.egress), ("ingress", oracle.ingress, decision.ingress),
        ] where expected != found.map({ $0.verdict == .allow }) {
            return "\(name): oracle says \(oracle); tables say \(reasons(decision))"
        }
        for (name, expected, found) in [
            ("egress", oracle.egressWouldDeny, decision.egress), ("ingress", oracle.ingressWouldDeny, decision.ingress),
        ] where expected != (found?.wouldDeny != nil) {
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
            nodeDNS: world.settings.nodeDNS)
    }

    /// Shrinks a failing world and says all that is needed to see the failure again.
    static func report(_ world: World, _ flow: Flow, difference: (World, Flow) -> String?) -> String {
        let small = world.shrunk(flow) { difference($0, $1) != nil }
        let what = difference(small, flow) ?? "the failure does not come again"
        return "\(what)\n\(small.report(of: flow))"
    }
}
