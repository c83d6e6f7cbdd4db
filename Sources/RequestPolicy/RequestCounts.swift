// SPDX-License-Identifier: Apache-2.0
import PolicyModel

/// What a decider tells the daemon of the requests it has answered: the body of `POST /v1/requests/counts`. All numbers
/// count since the body before it.
public struct RequestCounts: Codable, Sendable, Hashable {
    /// Requests with one answer for one reason.
    public struct Count: Codable, Sendable, Hashable {
        /// Absent: no rule matches.
        public var policy: Policy?
        /// Counted from 0 in its policy; absent: no rule of the policies allows.
        public var rule: Int?
        public var verdict: Verdict
        public var requests: UInt64
        public init(policy: Policy?, rule: Int?, verdict: Verdict, requests: UInt64) {
            self.policy = policy
            self.rule = rule
            self.verdict = verdict
            self.requests = requests
        }
    }

    /// An authorization policy.
    public struct Policy: Codable, Sendable, Hashable {
        public var namespace: String
        public var name: String
        public init(namespace: String, name: String) {
            self.namespace = namespace
            self.name = name
        }
    }

    public enum Verdict: String, Codable, Sendable, Hashable, CaseIterable {
        case allow
        case deny
        /// Allowed; a policy in audit would deny it.
        case wouldDeny
        /// Denied before any rule decides.
        case refuse
    }

    /// One request that was denied, or that policy in audit would deny.
    public struct Denied: Codable, Sendable, Hashable {
        /// RFC 3339, UTC, milliseconds.
        public var time: String
        public var source: String
        public var sourcePort: UInt16
        public var destination: String
        public var port: UInt16
        /// `namespace/name` of the destination; absent if it is not known.
        public var pod: String?
        public var method: String
        public var host: String
        /// Without the query.
        public var path: String
        public var verdict: Verdict
        public var policy: Policy?
        public var rule: Int?
        /// Why it was refused.
        public var reason: String?

        public init(
            time: String, source: String, sourcePort: UInt16, destination: String, port: UInt16, pod: String?,
            method: String, host: String, path: String, verdict: Verdict
        ) {
            self.time = time
            self.source = source
            self.sourcePort = sourcePort
            self.destination = destination
            self.port = port
            self.pod = pod
            self.method = method
            self.host = host
            self.path = path
            self.verdict = verdict
        }
    }

    /// The most recent denied requests that one body holds.
    public static let deniedLimit = 256

    /// ``RequestPolicy/generation``, as text.
    public var generation: String
    public var counts: [Count] = []
    /// Requests and connections that were refused before any rule decides, by reason.
    public var refused: [String: UInt64] = [:]
    /// The most recent ones, at most ``deniedLimit``.
    public var denied: [Denied] = []
    public init(generation: UInt64) { self.generation = "\(generation)" }
}

extension RuleIdentity {
    /// How bodies and metrics name what decided. Isolation by several policies counts for the first of them.
    public var requestOrigin: (policy: RequestCounts.Policy, rule: Int?)? {
        func named(_ policy: PolicyReference) -> RequestCounts.Policy {
            RequestCounts.Policy(namespace: policy.namespace, name: policy.name)
        }
        switch self {
        case .rule(let policy, _, let index, _), .report(let policy, _, let index): return (named(policy), index)
        case .isolation(_, let policies): return policies.first.map { (named($0), nil) }
        case .ownNode, .noPolicy, .failsafe, .overLimit: return nil
        }
    }
}
