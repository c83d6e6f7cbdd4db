// SPDX-License-Identifier: Apache-2.0

/// A condition of the node as a whole that users of policy must know.
public struct StatusCondition: Codable, Sendable, Hashable {
    public enum Kind: String, Codable, Sendable, CaseIterable {
        /// The daemon has no source of pods or policies.
        case noSource
        /// Node objects are known, none of them has this daemon's node name, and no pod names that node.
        case unknownNode
        /// No pod of this node is known, although interfaces of the node lead to pods.
        case noEndpoints
        /// No interface of the node leads to some of its pods: policy may not hold for them.
        case podsWithoutInterface
        /// Interfaces of the node lead to unknown pods: no policy applies to them, except guardrails.
        case interfacesWithoutPod
        /// No policy is in force.
        case noPolicy
        /// Authorization reads the requests of some flows, and the node's proxy is missing or cannot
        /// be reached: these flows are refused.
        case requests
        /// The kernel's connection table is nearly full: it will drop new flows.
        case connectionsFull
        /// A file with state that outlives the daemon was broken at the start: it was renamed, and its content is not
        /// in force.
        case brokenFile
        /// The journal cannot be written.
        case journalOff
        /// Whether the kernel decides as policy says is not verified, because it cannot be asked.
        case notProven
    }

    public var kind: Kind
    /// Whether it makes the status unhealthy. A condition that is normal for a moment while a pod starts becomes a
    /// problem only if it lasts.
    public var isProblem: Bool
    /// What the condition is and what to do, for a person.
    public var message: String

    public init(_ kind: Kind, isProblem: Bool, _ message: String) {
        self.kind = kind
        self.isProblem = isProblem
        self.message = message
    }

    enum CodingKeys: String, CodingKey {
        case kind
        case isProblem = "problem"
        case message
    }
}
