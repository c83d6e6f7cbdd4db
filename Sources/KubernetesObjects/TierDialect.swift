// SPDX-License-Identifier: Apache-2.0
import Documents

/// The differences in syntax between the three kinds of tier policies. The limits are those of their CRDs.
struct TierDialect {
    let kind: TierPolicy.Kind

    var isV1Alpha2: Bool { kind == .clusterNetworkPolicy }

    /// Limit of rules per direction, peers per rule, and protocols (ports) per rule.
    var itemLimit: Int { isV1Alpha2 ? 25 : 100 }

    /// Limit of CIDRs per peer.
    static let networkLimit = 25

    /// Limit of Unicode scalars in a rule's name.
    static let nameLimit = 100

    var specFields: [String] {
        switch kind {
        case .clusterNetworkPolicy: ["tier", "priority", "subject", "ingress", "egress"]
        case .adminNetworkPolicy: ["priority", "subject", "ingress", "egress"]
        case .baselineAdminNetworkPolicy: ["subject", "ingress", "egress"]
        }
    }

    var portsField: String { isV1Alpha2 ? "protocols" : "ports" }

    /// The names of the actions, in the order in which messages list them.
    var actions: [(name: String, action: TierRule.Action)] {
        switch kind {
        case .clusterNetworkPolicy: [("Accept", .accept), ("Deny", .deny), ("Pass", .pass)]
        case .adminNetworkPolicy: [("Allow", .accept), ("Deny", .deny), ("Pass", .pass)]
        case .baselineAdminNetworkPolicy: [("Allow", .accept), ("Deny", .deny)]
        }
    }

    static func peersField(_ direction: PolicyType) -> String { direction == .ingress ? "from" : "to" }

    static func peerFields(_ direction: PolicyType) -> [String] {
        direction == .ingress ? ["namespaces", "pods"] : ["namespaces", "pods", "nodes", "networks"]
    }

    func action(_ node: DocumentNode, in context: inout DecodingContext) -> TierRule.Action? {
        guard let text = context.string(node) else { return nil }
        if let known = actions.first(where: { $0.name == text }) { return known.action }
        context.fail(
            node, "action '\(text.boundedForMessage)' is unknown: use \(actions.map(\.name).inWords)",
            hint: actionHint(text))
        return nil
    }

    private func actionHint(_ text: String) -> String? {
        switch text {
        case "Allow": "\(kind.rawValue) calls it Accept"
        case "Accept": "\(kind.rawValue) calls it Allow"
        case "Pass": "no tier follows Baseline, so there is nothing to pass to"
        default: NearestName.find(text, among: actions.map(\.name)).map { "did you mean \($0)?" }
        }
    }
}

extension [String] {
    /// `a`, `a or b`, `a, b or c`.
    var inWords: String {
        guard let last else { return "" }
        return count == 1 ? last : dropLast().joined(separator: ", ") + " or " + last
    }
}
