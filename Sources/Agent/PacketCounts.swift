// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import Datapath
import PolicyModel

/// What the rules have counted since the daemon started: separately for answers, and added up for metrics.
struct PacketCounts {
    private(set) var rules = RuleCounts()
    private(set) var denied = PacketLedger()
    private(set) var wouldDeny = PacketLedger()
    private(set) var deniedByPolicy = PolicyLedger()
    /// The series of each rule that denies, when the rule was last compiled.
    private var denials: [RuleIdentity: Denial] = [:]

    private struct Denial {
        var series: PacketLedger.Series
        var isAudit: Bool
    }

    /// Applies a reading of all counters. Rules that have denied nothing yet count zero, so that their first packet is
    /// an increase.
    mutating func take(_ reading: [RuleID: RuleCounter]) {
        let added = rules.take(reading)
        denials = denials.filter { rules.isPresent($0.key) }
        func packets(isAudit: Bool) -> [PacketLedger.Count] {
            denials.filter { $0.value.isAudit == isAudit }.map {
                PacketLedger.Count(series: $0.value.series, packets: added[$0.key] ?? 0)
            }
        }
        denied.add(packets(isAudit: false))
        wouldDeny.add(packets(isAudit: true))
        deniedByPolicy.add(
            denials.filter { !$0.value.isAudit }.map { ($0.key, $0.value.series.direction, added[$0.key] ?? 0) })
    }

    /// Brings the sums by policy up to date, for a scrape.
    ///
    /// - Parameter enforced: what the kernel holds; nil while it holds older policy.
    mutating func publishPolicies(_ enforced: CompiledPolicy?) {
        deniedByPolicy.publish(inForce: enforced.map { policiesInForce($0) })
    }

    /// By the programs of endpoints. A program that the last step left without endpoints decides about nothing.
    private func policiesInForce(_ policy: CompiledPolicy) -> Set<PolicyLedger.Series> {
        var result: Set<PolicyLedger.Series> = []
        for id in Set(policy.endpoints.values.flatMap { [$0.ingress, $0.egress] }) {
            guard let program = policy.programs[id] else { continue }
            for rule in program.rules.map(\.rule) + program.tierEnds.values {
                guard let identity = policy.rules[rule]?.identity, let denial = denials[identity], !denial.isAudit
                else { continue }
                for policy in identity.policies {
                    result.insert(PolicyLedger.Series(direction: denial.series.direction, policy: policy))
                }
            }
        }
        return result
    }

    /// Edited rules count from zero. The sums for metrics stay.
    mutating func restart(_ edited: Set<RuleIdentity>) { rules.restart(edited) }

    /// Records the rules of a step, while their policies are known.
    mutating func note(
        _ delta: CompiledDelta, of policy: borrowing CompiledPolicy, isAudit: (RuleIdentity) -> Bool
    ) {
        rules.note(delta, of: policy)
        for id in delta.addedPrograms { note(id, of: policy, isAudit) }
    }

    /// The same for a policy as a whole.
    mutating func note(all policy: borrowing CompiledPolicy, isAudit: (RuleIdentity) -> Bool) {
        rules.note(all: policy)
        denials = [:]
        for id in policy.programs.keys { note(id, of: policy, isAudit) }
        // Not in any program unless one is too large.
        for rule in policy.rules.values {
            if case .overLimit = rule.identity { note(rule.identity, nil, isAudit) }
        }
    }

    private mutating func note(
        _ id: ProgramID, of policy: borrowing CompiledPolicy, _ isAudit: (RuleIdentity) -> Bool
    ) {
        guard let program = policy.programs[id] else { return }
        for rule in program.rules + program.auditRules {
            guard let identity = policy.rules[rule.rule]?.identity else { continue }
            note(identity, (rule.tier, rule.action == .deny), isAudit)
        }
        for rule in [program.tierEnds, program.auditTierEnds ?? [:]].flatMap(\.values) {
            guard let identity = policy.rules[rule]?.identity else { continue }
            note(identity, nil, isAudit)
        }
    }

    private mutating func note(
        _ identity: RuleIdentity, _ known: (tier: Tier, denies: Bool)?, _ isAudit: (RuleIdentity) -> Bool
    ) {
        denials[identity] = PacketLedger.Series(identity, known).map { Denial(series: $0, isAudit: isAudit(identity)) }
    }
}

extension PacketLedger.Series {
    /// Nil for a rule that denies nothing.
    fileprivate init?(_ identity: RuleIdentity, _ known: (tier: Tier, denies: Bool)?) {
        switch identity {
        case .rule(let policy, let direction, _, _):
            guard let known, known.denies else { return nil }
            self.init(direction: direction, tier: known.tier.name, namespace: policy.namespace)
        case .isolation(let direction, let by):
            let tier: Tier = by.first?.isOfAuthorization ?? false ? .authorization : .networkPolicy
            self.init(direction: direction, tier: tier.name, namespace: by.first?.namespace ?? "")
        case .overLimit(let direction): self.init(direction: direction, tier: "none", namespace: "")
        case .report, .ownNode, .noPolicy, .failsafe: return nil
        }
    }
}
