// SPDX-License-Identifier: Apache-2.0
import PolicyModel

/// A policy by kind, namespace and name.
public struct PolicyName: Codable, Sendable, Hashable {
    public var kind: String
    /// Empty for cluster-wide kinds.
    public var namespace: String
    public var name: String
    public init(_ reference: PolicyReference) {
        kind = reference.kind
        namespace = reference.namespace
        name = reference.name
    }
}

/// What decided a flow, counted a packet or dropped one.
public struct RuleAnswer: Codable, Sendable, Hashable {
    /// `rule`, `report`: `policy` and `index` say which. `isolation`: `by` says which policies. `failsafe`: `name` says what.
    public var kind: DecisionKind
    /// `ingress` or `egress`. Nil for a counter that counts both.
    public var direction: String?
    public var policy: PolicyName?
    /// Position in its policy and direction, counted from 0.
    public var index: Int?
    /// The rule's own name, if it has one.
    public var name: String?
    /// For `isolation`: ordered by name.
    public var by: [PolicyName]?

    public init(_ identity: RuleIdentity) {
        switch identity {
        case .rule(let policy, let direction, let index, let name):
            self.init(identity.kind, direction)
            self.policy = PolicyName(policy)
            self.index = index
            self.name = name
        case .report(let policy, let direction, let index):
            self.init(identity.kind, direction)
            self.policy = PolicyName(policy)
            self.index = index
        case .isolation(let direction, let by):
            self.init(identity.kind, direction)
            self.by = by.map(PolicyName.init)
        case .ownNode(let direction), .noPolicy(let direction), .overLimit(let direction):
            self.init(identity.kind, direction)
        case .failsafe(let what):
            self.init(identity.kind, .egress)
            name = what
        }
    }

    private init(_ kind: DecisionKind, _ direction: Direction) {
        self.kind = kind
        self.direction = direction.rawValue
    }
}

extension PolicyName: CustomStringConvertible {
    /// `namespace/name`, or `name` for a cluster-wide policy.
    public var description: String { namespace.isEmpty ? name : "\(namespace)/\(name)" }

    /// The same with the kind before it, if the name alone does not identify the kind.
    public var fullDescription: String {
        ["NetworkPolicy", "ResolvedPolicy"].contains(kind) ? description : "\(kind) \(description)"
    }
}

extension RuleAnswer: CustomStringConvertible {
    /// `shop/allow-api ingress rule 1` (for people, rules count from 1), `isolation by shop/default-deny`, …
    public var description: String {
        switch kind {
        case .rule, .report:
            "\(policy?.fullDescription ?? "?") \(direction ?? "?") rule \(name ?? index.map { "\($0 + 1)" } ?? "?")"
        case .isolation: "isolation by \((by ?? []).map(\.description).joined(separator: ", "))"
        case .ownNode: "own node"
        case .noPolicy: "no policy"
        case .failsafe: "always allowed: \(name ?? "?")"
        case .overLimit: "over limit"
        case .samePod, .hostNetwork, .noPod: kind.rawValue
        }
    }
}
