// SPDX-License-Identifier: Apache-2.0
import ControlProtocol
import KubernetesObjects
import PolicyModel
import PolicyTranslation

/// The rules of an edited policy that are no longer what they were. A rule is known by its place in its policy, so
/// without this a new rule would show what the old one at its place has counted.
enum EditedRules {
    /// Rules of `new` that stand where `old` had other ones or none, or had the same ones for other pods.
    static func between(
        _ old: KubernetesObject, _ new: KubernetesObject, mesh: MeshSettings
    ) -> Set<RuleIdentity> {
        guard let old = Policy(old, mesh: mesh), let new = Policy(new, mesh: mesh) else { return [] }
        let isMeantForTheSame =
            old.subject == new.subject && old.enforcement == new.enforcement && old.isReport == new.isReport
        var edited: Set<RuleIdentity> = []
        for direction in Direction.allCases {
            let before = written(old, direction)
            for (index, rules) in written(new, direction) where !isMeantForTheSame || before[index] != rules {
                edited.formUnion(
                    rules.map { rule in
                        new.isReport
                            ? .report(new.reference, direction, index: index)
                            : .rule(new.reference, direction, index: index, name: rule.name)
                    })
            }
        }
        return edited
    }

    /// The same for resolved policy. An endpoint that is new, or comes back, may have had rules before: they are all
    /// others.
    static func between(_ old: ResolvedBody, _ new: ResolvedBody) -> Set<RuleIdentity> {
        func key(_ endpoint: ResolvedEndpointBody) -> [String] { [endpoint.namespace ?? "", endpoint.name] }
        let before = Dictionary(old.endpoints.map { (key($0), $0) }, uniquingKeysWith: { first, _ in first })
        var edited: Set<RuleIdentity> = []
        for endpoint in new.endpoints {
            let reference = PolicyReference(
                kind: "ResolvedPolicy", namespace: endpoint.namespace ?? "", name: endpoint.name)
            let old = before[key(endpoint)]
            for (direction, rules, known) in [
                (Direction.ingress, endpoint.ingress?.rules, old?.ingress?.rules),
                (.egress, endpoint.egress?.rules, old?.egress?.rules),
            ] {
                for (index, rule) in (rules ?? []).enumerated() {
                    if let known, index < known.count, known[index] == rule { continue }
                    edited.insert(.rule(reference, direction, index: index, name: rule.name))
                }
            }
        }
        return edited
    }

    /// The rules by the number of the written rule that they are a part of.
    private static func written(_ policy: Policy, _ direction: Direction) -> [Int: [PolicyRule]] {
        let rules = direction == .ingress ? policy.ingress : policy.egress
        return Dictionary(grouping: rules.enumerated()) { $0.element.writtenIndex ?? $0.offset }.mapValues {
            $0.map(\.element)
        }
    }
}

extension Agent where Plane: ~Copyable {
    /// Lets edited rules count from zero.
    func noteEdits(_ edits: [PolicyTimes.Edit]) {
        for edit in edits {
            ruleAges.edited.formUnion(EditedRules.between(edit.before, edit.after, mesh: settings.policy.mesh))
        }
        restartEditedRules()
    }

    /// Lets the edited rules count from zero, once the kernel has them: what is counted before is the old rule's. The
    /// kernel's own counters start again, so that the next daemon, which takes them over, does not show it either.
    func restartEditedRules() {
        guard !ruleAges.edited.isEmpty, phase.writesKernel, phase.error == nil else { return }
        let edited = ruleAges.edited
        let numbers = pipeline.compiled.rules.filter { edited.contains($0.value.identity) }.map(\.key)
        do {
            if !numbers.isEmpty {
                // The sums for metrics go on from here.
                try takeHits()
                try datapath.restartCounters(of: numbers.sorted())
            }
        } catch {
            // With the next step, or the next reading.
            logger.warning("edited rules still show what they counted before", metadata: ["error": "\(error)"])
            return
        }
        counts.restart(edited)
        ruleAges.restart(edited) { requests.counts.requests(decidedBy: $0) }
    }
}
