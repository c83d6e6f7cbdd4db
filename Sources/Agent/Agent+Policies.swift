// SPDX-License-Identifier: Apache-2.0
import ControlProtocol
import KubernetesObjects
import PolicyDescriptions
import PolicyModel
import PolicyPipeline
import PolicyTranslation

extension Agent where Plane: ~Copyable {
    public func policies() -> PoliciesAnswer {
        let answers = pipeline.policySelections.sorted { $0.key < $1.key }.map { reference, endpoints in
            let policy = reference.objectKey.flatMap { inputs.store.policy($0) }
            return PolicyAnswer(
                kind: reference.kind, namespace: reference.namespace, name: reference.name,
                origin: reference.objectKey.map { source(of: $0) } ?? "socket", tier: policy?.tier,
                priority: policy?.priority,
                enforcement: (policy?.enforcement ?? .enforce).rawValue,
                subject: policy?.subject(mesh: settings.policy.mesh),
                partial: policy.flatMap { $0.unknownParts.isEmpty ? nil : $0.unknownParts },
                endpoints: endpoints.map(\.description), problems: problems(of: reference),
                requests: requests.counts.byVerdict(of: reference),
                createdAt: policy.flatMap { PolicyTime.text($0.metadata.createdAt) },
                changedAt: reference.objectKey.flatMap { history.times[$0] })
        }
        return PoliciesAnswer(policies: answers, problems: problems)
    }

    func problems(of policy: PolicyReference) -> [Problem] {
        guard let object = policy.objectKey?.description else { return [] }
        return problems.filter { $0.stillInForce?.contains(object) ?? false }
    }

    func policyStatus() -> PolicyStatus {
        let policies = inputs.store.countPolicies()
        return PolicyStatus(
            count: policies.all, audited: policies.audited,
            wouldDeny: (try? datapath.counters().audited) ?? 0,
            partial: policies.partial,
            judgesOwnNode: pipeline.compiled.judgesOwnNode, ownNodeReason: ownNodeReason,
            unknownEndpoints: pipeline.unknownEndpointCount)
    }

    private var ownNodeReason: String {
        let isEnforced = settings.policy.enforcesNetworkPolicyOnOwnNode
        guard pipeline.compiled.judgesOwnNode else {
            return "no Admin or Baseline egress rule selects a pod here"
                + (isEnforced ? ", and no NetworkPolicy isolates one" : "")
        }
        return isEnforced
            ? "NetworkPolicy is enforced on it (--enforce-own-node), and tiers"
            : "Admin or Baseline egress rules select pods here"
    }

    /// Whether the rule exists only because of policies in audit.
    func isAudit(_ identity: RuleIdentity) -> Bool {
        identity.policies.contains { $0.objectKey.flatMap { inputs.store.policy($0) }?.enforcement == .audit }
    }
}

extension KubernetesObject {
    /// The tier of a policy in answers.
    var tier: String? { Policy(self)?.layer.name }

    /// For policies that have one.
    var priority: Int? {
        guard case .tierPolicy(let policy) = self, policy.kind != .baselineAdminNetworkPolicy else { return nil }
        return Int(policy.priority)
    }
}
