// SPDX-License-Identifier: Apache-2.0

/// Something that holds for the node as a whole, and that whoever relies on policy must know.
public struct StatusCondition: Codable, Sendable, Hashable {
    public enum Kind: String, Codable, Sendable, CaseIterable {
        /// The daemon was given nothing that names pods or policies.
        case noSource
        /// Node objects are known, none has this daemon's node name, and no pod names that node.
        case unknownNode
        /// No pod of this node is known, although interfaces of it lead to pods.
        case noEndpoints
        /// No interface of the node leads to some of its pods: policy may not hold for them.
        case podsWithoutInterface
        /// Interfaces of the node lead to pods that are not known: no policy holds for them, save guardrails.
        case interfacesWithoutPod
        /// No policy is in force.
        case noPolicy
        /// The kernel's table of connections is nearly full: new flows are about to be dropped.
        case connectionsFull
        /// A file in which something outlives the daemon was broken at the start: it was set aside, and what it held is
        /// not in force.
        case brokenFile
    }

    public var kind: Kind
    /// Whether the status is unhealthy because of it. A condition that is usual for a moment, while a pod starts, is a
    /// problem only once it has lasted.
    public var isProblem: Bool
    /// What is the matter, and what to do, for a person.
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
