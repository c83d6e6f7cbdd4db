// SPDX-License-Identifier: Apache-2.0
import ClusterState
import ControlProtocol
import PolicyDescriptions
import PolicyModel
import PolicyPipeline

extension Agent where Plane: ~Copyable {
    /// What has no effect: rules and policies of this node's tables that have matched nothing, and what selects nothing.
    ///
    /// - Parameter namespace: only policies of this namespace; nil: all.
    public func unused(namespace: String?) async throws(ErrorAnswer) -> UnusedAnswer {
        do {
            try takeHits()
        } catch {
            throw ErrorAnswer(.datapathFailed, "\(error)")
        }
        var answer = UnusedAnswer(started: startedAt)
        addUnmatched(to: &answer, namespace: namespace)
        let selections = pipeline.policySelections.filter { namespace == nil || $0.key.namespace == namespace }
        answer.notHere = selections.values.count { $0.isEmpty }
        return await Self.withEmpty(answer, of: pipeline.cluster, namespace)
    }

    /// Outside of this actor: what selects nothing takes half a second to find among 150,000 pods and 5,000 policies, and
    /// a question must not delay a change.
    private nonisolated static func withEmpty(
        _ answer: UnusedAnswer, of cluster: ClusterState, _ namespace: String?
    ) async -> UnusedAnswer {
        var answer = answer
        var describer = PolicyDescriber(cluster)
        describer.addEmpty(to: &answer) { namespace == nil || $0.namespace == namespace }
        let empty = answer.selectNothing.count + (answer.leftOut["selectNothing"] ?? 0)
        answer.notHere = max(0, answer.notHere - empty)
        return answer
    }

    private func addUnmatched(to answer: inout UnusedAnswer, namespace: String?) {
        var byPolicy: [PolicyReference: [(RuleIdentity, HitsAnswer)]] = [:]
        for rule in Set(pipeline.compiled.rules.values.map(\.identity)) {
            guard let hits = hits(of: rule) else { continue }
            for policy in rule.policies
            where policy != .unknownPod && (namespace == nil || policy.namespace == namespace) {
                byPolicy[policy, default: []].append((rule, hits))
            }
        }
        var left = (policies: 0, rules: 0)
        for (policy, rules) in byPolicy.sorted(by: { $0.key < $1.key }) {
            if rules.allSatisfy({ $0.1.isZero }) {
                if answer.policies.count < PolicyDescriber.unusedLimit {
                    answer.policies.append(unused(policy, rules.map(\.1)))
                } else {
                    left.policies += 1
                }
                continue
            }
            for (rule, hits) in rules.sorted(by: { $0.0.position < $1.0.position })
            where hits.isZero && rule.isWritten {
                if answer.rules.count < PolicyDescriber.unusedLimit {
                    answer.rules.append(unused(rule, of: policy, hits))
                } else {
                    left.rules += 1
                }
            }
        }
        if left.policies > 0 { answer.leftOut["policies"] = left.policies }
        if left.rules > 0 { answer.leftOut["rules"] = left.rules }
    }

    private func unused(_ policy: PolicyReference, _ hits: [HitsAnswer]) -> UnusedPolicy {
        let key = policy.objectKey
        let object = key.flatMap { inputs.store.policy($0) }
        return UnusedPolicy(
            policy: PolicyName(policy), enforcement: (object?.enforcement ?? .enforce).rawValue,
            createdAt: object.flatMap { PolicyTime.text($0.metadata.createdAt) },
            changedAt: key.flatMap { history.times[$0] },
            since: hits.map(\.since).max() ?? startedAt,
            earlier: hits.allSatisfy { $0.earlier == true } ? true : nil)
    }

    private func unused(_ rule: RuleIdentity, of policy: PolicyReference, _ hits: HitsAnswer) -> UnusedRule {
        let key = policy.objectKey
        let object = key.flatMap { inputs.store.policy($0) }
        return UnusedRule(
            rule: RuleAnswer(rule), createdAt: object.flatMap { PolicyTime.text($0.metadata.createdAt) },
            changedAt: key.flatMap { history.times[$0] }, since: hits.since, earlier: hits.earlier)
    }
}

extension RuleIdentity {
    /// Whether a policy writes it as a rule.
    fileprivate var isWritten: Bool {
        switch self {
        case .rule, .report: true
        case .isolation, .ownNode, .noPolicy, .failsafe, .overLimit: false
        }
    }

    /// Where it stands in its policy.
    fileprivate var position: (String, Int) {
        switch self {
        case .rule(_, let direction, let index, _), .report(_, let direction, let index):
            // "ingress" before "egress", as they are written.
            (direction == .ingress ? "0" : "1", index)
        case .isolation, .ownNode, .noPolicy, .failsafe, .overLimit: ("2", 0)
        }
    }
}
