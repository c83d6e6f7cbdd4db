// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import PolicyModel

/// A rule's identity for names and comments.
enum RuleText {
    /// For a comment: what decides.
    static func comment(_ identity: RuleIdentity) -> String {
        let text =
            switch identity {
            case .rule(let policy, let direction, let index, let name):
                "\(policy.kind) \(policy) \(direction.rawValue) rule \(index)" + (name.map { " (\($0))" } ?? "")
            case .report(let policy, let direction, let index):
                "\(policy.kind) \(policy) \(direction.rawValue) rule \(index) reports"
            case .isolation(let direction, let policies):
                "\(direction.rawValue) isolated by " + policies.map(\.description).joined(separator: ", ")
            case .ownNode(let direction): "\(direction.rawValue): the pod's own node"
            case .noPolicy(let direction): "\(direction.rawValue): no policy decides"
            case .failsafe(let what): "egress to the own node, always allowed: \(what)"
            case .overLimit(let direction): "\(direction.rawValue): policy over its limits, everything denied"
            }
        return TableName.comment(text)
    }

    /// For names.
    static func name(_ identity: RuleIdentity) -> String {
        let text =
            switch identity {
            case .rule(let policy, let direction, let index, let name):
                "\(policy)/\(direction.rawValue)/\(index)" + (name.map { "/\($0)" } ?? "")
            case .report(let policy, let direction, let index): "\(policy)/\(direction.rawValue)/\(index)/report"
            case .isolation(let direction, let policies):
                "\(policies.first.map(\.description) ?? "none")/\(direction.rawValue)/isolation"
            case .ownNode(let direction): "own-node/\(direction.rawValue)"
            case .noPolicy(let direction): "no-policy/\(direction.rawValue)"
            case .failsafe(let what): "failsafe/\(what)"
            case .overLimit(let direction): "over-limit/\(direction.rawValue)"
            }
        return TableName.slug(text, limit: 120)
    }

    /// The policies of a program, in order of their rules.
    static func policies(_ identities: [RuleIdentity]) -> [PolicyReference] {
        var seen: Set<PolicyReference> = []
        return identities.flatMap(\.policies).filter { seen.insert($0).inserted }
    }
}
