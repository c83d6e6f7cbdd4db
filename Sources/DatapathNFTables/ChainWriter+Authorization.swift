// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import Netfilter
import PolicyModel

/// Authorization: what the tiers allow it must allow as well. The first of its rules that matches decides; one that reads
/// the request leaves the flow to the proxy.
///
/// A packet counts for one rule: for the tiers' that allowed it, and only if these had none, for authorization's. So
/// authorization is written twice if needed: without counters, for the chains of the tiers' rules to ask; and with them,
/// at the end of the tiers.
extension ChainWriter {
    func allowingChain(_ rule: RuleID, _ entry: String) -> String {
        part.isAudit ? authorizationChain(entry) : "\(entry)/allowed/\(rule.rawValue)"
    }

    private func authorizationChain(_ entry: String) -> String { "\(entry)/authorization" }

    /// The chains to which the rules of the tiers that allow lead, after all others.
    mutating func writeAllowingChains(_ entry: String) {
        guard !part.allowing.isEmpty else { return }
        let ask = authorizationChain(entry)
        // Audit counts nothing that is allowed.
        for rule in part.isAudit ? [] : part.allowing {
            let allowed = decide(.allow, by: rule)
            chains.append(
                TableChain(
                    allowingChain(rule, entry), comment: allowed.comment,
                    rules: [TableRule([.verdict(.jump(ask))]), allowed]))
        }
        chains.append(TableChain(ask, comment: "Authorization returns what it allows"))
        writeAuthorization(isCounting: false)
    }

    /// Writes the rules of authorization into the last chain.
    ///
    /// - Parameter isCounting: what is allowed counts and ends here; otherwise it returns.
    mutating func writeAuthorization(isCounting: Bool) {
        writeToItself(isCounting ? part.allowed : .leave)
        for rule in part.rules where rule.tier == .authorization {
            write(rule, authorize(rule, isCounting: isCounting))
        }
        if let end = part.ends[.authorization] { append(decide(.deny, by: end)) }
    }

    private func authorize(_ rule: ProgramRule, isCounting: Bool) -> TableRule {
        let identity = identity(rule.rule)
        let comment = RuleText.comment(identity)
        if rule.request != nil {
            // Policies in audit do not see requests here: the proxy tells what they would deny.
            return part.isAudit
                ? TableRule([.verdict(.leave)], comment: comment)
                : TableRule([.verdict(.go(RuleName.handOver(rule.rule, identity)))], comment: comment)
        }
        if rule.action == .deny { return decide(.deny, by: rule.rule) }
        return isCounting ? decide(.allow, by: rule.rule) : TableRule([.verdict(.leave)], comment: comment)
    }
}
