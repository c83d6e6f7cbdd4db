// SPDX-License-Identifier: Apache-2.0
import Documents
import Findings
import KubernetesObjects
import PolicyModel
import PolicyResolver
import PolicyTranslation

/// Checks of what all policies together decide.
///
/// Whether a rule is pointless is decided by the compiled tables over ``Witnesses``: it is, if it changes no cell. So
/// the answer holds for all addresses, ports and protocols, and for every cluster with these namespaces.
struct MeaningChecks {
    private let objects: [PolicyReference: LintObject]
    /// In written order.
    private let policies: [Policy]
    private let byReference: [PolicyReference: Policy]
    private let cells: RuleCells?
    let world: LintWorld

    init(_ all: [LintObject], _ world: LintWorld, _ settings: PolicySettings) {
        self.world = world
        var objects: [PolicyReference: LintObject] = [:]
        var policies: [Policy] = []
        var enforced: [KubernetesObject] = []
        for item in all {
            guard let object = item.object, let policy = Policy(object, mesh: settings.mesh), !policy.isReport,
                objects[policy.reference] == nil
            else { continue }
            objects[policy.reference] = item
            policies.append(policy)
            enforced.append(object.enforced)
        }
        self.objects = objects
        self.policies = policies
        byReference = Dictionary(policies.map { ($0.reference, $0) }, uniquingKeysWith: { first, _ in first })
        let witnesses = Witnesses(policies, world)
        let cells = witnesses.isExact ? RuleCells(enforced, witnesses, settings) : nil
        self.cells = cells.map { $0.isOverLimit } == false ? cells : nil
    }

    /// Whether the policies could be compared with each other; not if they have too many selectors.
    var isComplete: Bool { cells != nil }

    var findings: [Finding] {
        let twins = samePolicies
        let twinPolicies = Set(twins.map(\.0))
        var found = twins.map { duplicate($0, of: $1) }
        if let cells { found += ruleFindings(RuleMeetings(cells), without: twinPolicies) }
        found += NameChecks(policies, world).findings(of: objects)
        return found
    }

    // MARK: Whole policies

    /// Policies with the content of an earlier one, and that one.
    private var samePolicies: [(PolicyReference, PolicyReference)] {
        var first: [Policy: PolicyReference] = [:]
        var found: [(PolicyReference, PolicyReference)] = []
        // What is not understood is left out of a policy's rules.
        for policy in policies where policy.unknown.isEmpty {
            var content = policy
            content.reference = PolicyReference(kind: policy.reference.kind, namespace: "", name: "")
            content.priority = 0
            if let earlier = first[content] {
                found.append((policy.reference, earlier))
            } else {
                first[content] = policy.reference
            }
        }
        return found
    }

    private func duplicate(_ policy: PolicyReference, of earlier: PolicyReference) -> Finding {
        finding(
            .duplicate, policy, "The policy says exactly what \(earlier) says\(place(of: earlier)).",
            fix: "Remove one of the two.")
    }

    // MARK: Rules

    /// Rules that could be removed, in the order in which they were judged. Each judgment holds without the rules that
    /// were covered before it.
    private func judgments(
        _ meetings: RuleMeetings, without twins: Set<PolicyReference>
    ) -> [(rule: RuleCells.Rule, judgment: RuleMeetings.Judgment)] {
        for policy in policies where twins.contains(policy.reference) { rules(of: policy).forEach(meetings.remove) }
        var found: [(RuleCells.Rule, RuleMeetings.Judgment)] = []
        // The last of several equal rules is the pointless one.
        for policy in policies.reversed() where !twins.contains(policy.reference) {
            for rule in rules(of: policy).reversed() where !dependsOnAddressesOfPods(rule) {
                let judgment = meetings.judge(rule)
                if case .needed = judgment { continue }
                if case .covered = judgment { meetings.remove(rule) }
                found.append((rule, judgment))
            }
        }
        return found
    }

    /// Whether the rule matches pods by their address: a block with a port name means the pods in the block that have
    /// the port, and witnesses are in no block.
    private func dependsOnAddressesOfPods(_ rule: RuleCells.Rule) -> Bool {
        rule.direction == .egress
            && content(rule).contains { part in
                let hasBlock = part.allPeers.contains { if case .block = $0 { true } else { false } }
                return hasBlock && (part.ports ?? []).contains { if case .named = $0 { true } else { false } }
            }
    }

    /// Every rule without which each verdict would be the same.
    var pointlessRules: [RuleCells.Rule] {
        guard let cells else { return [] }
        return judgments(RuleMeetings(cells), without: Set(samePolicies.map(\.0))).map(\.rule)
    }

    private func ruleFindings(_ meetings: RuleMeetings, without twins: Set<PolicyReference>) -> [Finding] {
        var found: [Finding] = []
        var pointless: [RuleCells.Rule: [RuleCells.Rule]] = [:]
        for (rule, judgment) in judgments(meetings, without: twins) {
            switch judgment {
            case .needed: break
            case .covered(let by): pointless[rule] = by
            case .unreachable(let by):
                found.append(
                    finding(
                        .unreachableTierRule, rule,
                        "The rule is never reached: before it, \(words(by)) \(by.count == 1 ? "decides" : "decide") "
                            + "about everything that it matches.",
                        fix: "Move it before them, make them narrower, or remove it."))
            case .contradicted(let by):
                found.append(
                    finding(
                        .contradiction, rule,
                        "The rule never takes effect: \(words(by)) \(by.count == 1 ? "denies" : "deny") everything "
                            + "that it allows.",
                        fix: "Remove the rule, or let the other policy except this traffic."))
            }
        }
        found += self.pointless(pointless)
        found += conflicts(meetings)
        return found
    }

    private func conflicts(_ meetings: RuleMeetings) -> [Finding] {
        meetings.conflicts(priority: { byReference[$0]?.priority ?? 0 }).map { winner, loser in
            finding(
                .contradiction, loser,
                "\(word(winner)) has the same priority and the opposite action for some of the same traffic; only the "
                    + "order of the policies' names decides.",
                fix: "Give the two policies different priorities.")
        }
    }

    private func pointless(_ rules: [RuleCells.Rule: [RuleCells.Rule]]) -> [Finding] {
        var found: [Finding] = []
        var byAllowAll: [RuleCells.Rule: [RuleCells.Rule]] = [:]
        for (rule, by) in rules {
            if let equal = by.first(where: { isEqual($0, rule) }) {
                found.append(
                    finding(
                        .duplicate, rule, "The rule says exactly what \(word(equal)) says\(place(of: equal.policy)).",
                        fix: "Remove one of the two."))
            } else if let all = by.first(where: allowsAll) {
                byAllowAll[all, default: []].append(rule)
            } else {
                found.append(
                    finding(
                        .shadowed, rule,
                        "The rule changes no verdict, for no address, port or protocol: \(words(by)) already "
                            + "\(action(rule, isMany: by.count > 1)) everything that it matches.",
                        fix: "Remove the rule, or make the others narrower."))
            }
        }
        for (rule, others) in byAllowAll {
            let sorted = others.sorted { word($0) < word($1) }
            found.append(
                finding(
                    .allowAllBeside, rule,
                    "The rule allows everything, so \(words(sorted)) \(sorted.count == 1 ? "restricts" : "restrict") "
                        + "nothing.",
                    fix: "Remove this rule, or the rules that it makes pointless."))
        }
        return found
    }

    private func rules(of policy: Policy) -> [RuleCells.Rule] {
        Direction.allCases.flatMap { direction in
            let rules = direction == .ingress ? policy.ingress : policy.egress
            let written = Set(rules.enumerated().map { $1.writtenIndex ?? $0 }).sorted()
            return written.map { RuleCells.Rule(policy: policy.reference, direction: direction, index: $0) }
        }
    }

    private func content(_ rule: RuleCells.Rule) -> [PolicyRule] {
        guard let policy = byReference[rule.policy] else { return [] }
        let rules = rule.direction == .ingress ? policy.ingress : policy.egress
        return rules.enumerated().filter { ($1.writtenIndex ?? $0) == rule.index }.map(\.element)
    }

    private func action(_ rule: RuleCells.Rule, isMany: Bool) -> String {
        content(rule).first?.action == .deny ? (isMany ? "deny" : "denies") : (isMany ? "allow" : "allows")
    }

    private func isEqual(_ a: RuleCells.Rule, _ b: RuleCells.Rule) -> Bool {
        func core(_ rule: RuleCells.Rule) -> [PolicyRule] {
            content(rule).map { part in
                var part = part
                part.name = nil
                part.writtenIndex = nil
                return part
            }
        }
        return byReference[a.policy]?.subject == byReference[b.policy]?.subject && core(a) == core(b)
    }

    private func allowsAll(_ rule: RuleCells.Rule) -> Bool {
        content(rule).contains { part in
            part.action == .allow && part.peers == nil && part.ports == nil && part.conditions.isEmpty
                && part.destinations.isEmpty && part.request == nil
        }
    }

    // MARK: Words

    private func word(_ rule: RuleCells.Rule) -> String {
        let direction = rule.policy.isOfAuthorization ? "" : "\(rule.direction.rawValue) "
        return "\(direction)rule \(rule.index + 1) of \(rule.policy)"
    }

    private func words(_ rules: [RuleCells.Rule]) -> String {
        let named = rules.prefix(3).map(word).joined(separator: ", ")
        return rules.count > 3 ? "\(named) and \(rules.count - 3) more" : named
    }

    private func place(of policy: PolicyReference) -> String {
        objects[policy].map { " (\($0.place().text))" } ?? ""
    }

    private func finding(_ code: LintCode, _ rule: RuleCells.Rule, _ message: String, fix: String) -> Finding {
        let field: [FieldPath.Component] =
            rule.policy.isOfAuthorization ? [.field("rules")] : [.field(rule.direction.rawValue)]
        return finding(
            code, rule.policy, message, at: FieldPath([.field("spec")] + field + [.index(rule.index)]), fix: fix)
    }

    private func finding(
        _ code: LintCode, _ policy: PolicyReference, _ message: String, at path: FieldPath = FieldPath(), fix: String
    ) -> Finding {
        guard let object = objects[policy] else {
            return Finding(code.kind, message: message, object: policy.description, fix: fix)
        }
        return object.finding(code, message, at: path, fix: fix)
    }
}

extension KubernetesObject {
    /// The policy as if it were not in audit: what it will do is what lint is about.
    fileprivate var enforced: KubernetesObject {
        switch self {
        case .networkPolicy(var policy):
            policy.enforcement = .enforce
            return .networkPolicy(policy)
        case .tierPolicy(var policy):
            policy.enforcement = .enforce
            return .tierPolicy(policy)
        case .authorizationPolicy(var policy):
            policy.enforcement = .enforce
            return .authorizationPolicy(policy)
        case .pod, .namespace, .node: return self
        }
    }
}
