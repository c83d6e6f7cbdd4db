// SPDX-License-Identifier: Apache-2.0

/// Answer of `PUT /v1/objects?dryRun=1`: what the same call without `dryRun` would do now. Nothing has changed.
public struct DryRunAnswer: Codable, Sendable, Hashable {
    /// Objects that would be new, as `Kind namespace/name`, in order.
    public var added: [String]
    /// Objects that would replace another version.
    public var changed: [String]
    /// Objects that are the same now.
    public var unchanged: [String]
    /// Objects that would be refused, and why. If there is one, the call would change nothing.
    public var refused: [Problem]
    /// For each policy of the body that would not be refused, the pods of this node that it would select.
    public var selections: [PolicySelection]
    /// Policies of the body that would select no pod of the cluster; nil if there are none.
    public var selectNothing: [EmptySubject]?
    /// Peers and named ports of the body's policies that would select nothing; nil if there are none.
    public var peers: [EmptyPeer]?
    /// How many entries ``selectNothing`` and ``peers`` leave out, by name; nil if there are none.
    public var leftOut: [String: Int]?
    /// What would exceed the limits of the tables, including what does now.
    public var limits: LimitStatus
    /// What the objects that would not be refused would change for flows of this node's pods.
    public var preview: NodePreviewAnswer?
    /// Documents without effect, with the reason.
    public var notices: [String]
    /// The notices about policies of kinds that are not enforced.
    public var warnings: [String]

    public init(
        added: [String] = [], changed: [String] = [], unchanged: [String] = [], refused: [Problem] = [],
        selections: [PolicySelection] = [], limits: LimitStatus = LimitStatus(unprotected: [], deniedPrograms: 0),
        notices: [String] = [], warnings: [String] = []
    ) {
        self.added = added
        self.changed = changed
        self.unchanged = unchanged
        self.refused = refused
        self.selections = selections
        self.limits = limits
        self.notices = notices
        self.warnings = warnings
    }

    /// The pods that one policy selects.
    public struct PolicySelection: Codable, Sendable, Hashable {
        /// `Kind namespace/name`.
        public var policy: String
        /// Pods of this node, as `namespace/name`, in order.
        public var endpoints: [String]
        public init(policy: String, endpoints: [String]) {
            self.policy = policy
            self.endpoints = endpoints
        }
    }
}
