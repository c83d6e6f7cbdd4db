// SPDX-License-Identifier: Apache-2.0
import Documents
import KubernetesObjects
import NetworkTypes
import PolicyModel
import Reachability
import Requests

/// A file of policy unit tests: the cluster that they are about, and the cases.
public struct PolicyTestFile: Sendable, Hashable {
    /// The most cases of a file.
    public static let caseLimit = 10_000
    /// The most ends on one side of a case.
    public static let endLimit = 100

    /// The name in messages.
    public var name: String
    /// Manifests and directories, relative to the file.
    public var manifests: [PlacedPath] = []
    /// Of the file itself, in written order.
    public var objects: [KubernetesObject] = []
    /// Services of the file itself.
    public var services: [Service] = []
    /// What analyses need of documents of the file itself.
    public var extracts: [DocumentExtract] = []
    /// Documents of the file itself without effect.
    public var notices: [ManifestNotice] = []
    public var cases: [PolicyTestCase] = []

    /// An empty file.
    public init(name: String) { self.name = name }

    /// A path with its place.
    public struct PlacedPath: Sendable, Hashable {
        public var path: String
        /// Counted from 1.
        public var line: Int
    }
}

/// One case: what must become of flows.
public struct PolicyTestCase: Sendable, Hashable {
    /// Given, or what it claims.
    public var name: String
    /// Counted from 1.
    public var line: Int
    /// Whether the flows must be allowed or denied.
    public var expected: ReachClaim.Kind
    /// Not empty: the case is about each of them to each of ``to``.
    public var from: [ReachEnd]
    public var to: [ReachEnd]
    /// Normalized; all if none are given.
    public var ports: [PortSpan]
    /// The request that the flows carry.
    public var request: HTTPRequest?
    /// What must decide.
    public var rule: ExpectedRule?

    /// What the case claims: `allow shop/web to shop/redis 6379/TCP`.
    public var claim: String {
        func text(_ ends: [ReachEnd]) -> String { ends.map(\.description).joined(separator: ", ") }
        let span = ports == PortSpan.all ? "" : " " + ports.map(\.description).joined(separator: ", ")
        let asked = request.map { " \($0.method) \($0.path)" } ?? ""
        return "\(expected.rawValue) \(text(from)) to \(text(to))\(span)\(asked)"
    }
}

/// The policy, and perhaps the rule of it, that must decide.
public struct ExpectedRule: Sendable, Hashable, CustomStringConvertible {
    /// Nil: of any kind.
    public var kind: String?
    /// Empty: of a cluster-wide kind.
    public var namespace: String
    public var name: String
    /// Nil: either one.
    public var direction: Direction?
    /// Position, counted from 1 as in answers for people, or the rule's own name. Nil: any, and isolation by the policy.
    public var rule: RuleNumber?

    /// Which rule of a policy.
    public enum RuleNumber: Sendable, Hashable {
        case position(Int)
        case name(String)
    }

    public var description: String {
        var words = [kind, namespace.isEmpty ? name : "\(namespace)/\(name)", direction?.rawValue].compactMap(\.self)
        switch rule {
        case .position(let number)?: words.append("rule \(number)")
        case .name(let name)?: words.append("rule \(name)")
        case nil: break
        }
        return words.joined(separator: " ")
    }

    /// Whether this decided.
    public func matches(_ identity: RuleIdentity) -> Bool {
        func isNamed(_ policy: PolicyReference) -> Bool {
            policy.name == name && policy.namespace == namespace && (kind.map { $0 == policy.kind } ?? true)
        }
        func isDirected(_ other: Direction) -> Bool { direction.map { $0 == other } ?? true }
        switch identity {
        case .rule(let policy, let direction, let index, let name):
            guard isNamed(policy), isDirected(direction) else { return false }
            switch rule {
            case .position(let number)?: return number == index + 1
            case .name(let wanted)?: return wanted == name
            case nil: return true
            }
        case .isolation(let direction, let policies):
            return rule == nil && isDirected(direction) && policies.contains(where: isNamed)
        case .report, .ownNode, .noPolicy, .failsafe, .overLimit: return false
        }
    }
}
