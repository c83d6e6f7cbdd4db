// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import Datapath
import PolicyModel

/// Why a packet was dropped, or would be, as the prefix of its nflog message says: `bulkhead rule ingress 17
/// shop/default-deny`.
package struct EventMark: Hashable, Sendable {
    package var cause: DropEvent.Cause
    package var direction: Direction
    package var rule: RuleID
    package var name: String

    package init(cause: DropEvent.Cause, direction: Direction, rule: RuleID = .noPolicy, name: String = "") {
        self.cause = cause
        self.direction = direction
        self.rule = rule
        self.name = name
    }

    private static let causes: [(DropEvent.Cause, String)] = [
        (.rule, "rule"), (.spoofed, "spoofed"), (.unparsable, "unparsable"), (.inconsistent, "inconsistent"),
        (.audit, "audit"), (.tunnel, "tunnel"), (.sourceRouted, "source-routed"),
        (.unrelatedError, "unrelated-error"), (.malformed, "malformed"), (.handOver, "hand-over"),
        (.new, "new"),
    ]

    /// NF_LOG_PREFIXLEN minus the terminating zero and the space that `nft` users expect at the end.
    private static let prefixLimit = 126

    package var prefix: String {
        let cause = Self.causes.first { $0.0 == self.cause }!.1
        let text = "bulkhead \(cause) \(direction.rawValue) \(rule.rawValue) \(name)"
        return String(decoding: text.utf8.prefix(Self.prefixLimit), as: UTF8.self)
    }

    package init?(prefix: some StringProtocol) {
        let words = prefix.split(separator: " ", maxSplits: 4)
        guard words.count >= 4, words[0] == "bulkhead", let direction = Direction(rawValue: String(words[2])),
            let rule = UInt32(words[3]), let cause = Self.causes.first(where: { $0.1 == words[1] })
        else { return nil }
        self.init(
            cause: cause.0, direction: direction, rule: RuleID(rawValue: rule),
            name: words.count > 4 ? String(words[4]) : "")
    }
}
