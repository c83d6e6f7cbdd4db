// SPDX-License-Identifier: Apache-2.0

/// Answer of `PUT` and `DELETE /v1/objects`, once the change is in force.
public struct ObjectsAnswer: Codable, Sendable, Hashable {
    /// Objects that are new or replaced, as `Kind namespace/name`, in order.
    public var applied: [String]
    /// Objects that are gone.
    public var deleted: [String]
    /// Objects that were the same before.
    public var unchanged: [String]
    /// Documents without effect, with the reason.
    public var notices: [String]
    /// The notices about policies of kinds that are not enforced.
    public var warnings: [String]
    public init(
        applied: [String] = [], deleted: [String] = [], unchanged: [String] = [], notices: [String] = [],
        warnings: [String] = []
    ) {
        self.applied = applied
        self.deleted = deleted
        self.unchanged = unchanged
        self.notices = notices
        self.warnings = warnings
    }
}

/// Answer of `PUT` and `DELETE /v1/resolved`, once the change is in force.
public struct ResolvedAnswer: Codable, Sendable, Hashable {
    /// Endpoints of the resolved policy now.
    public var endpoints: Int
    public init(endpoints: Int) { self.endpoints = endpoints }
}

/// Answer of `POST /v1/resync`: the differences in the kernel that were written.
public struct ResyncAnswer: Codable, Sendable, Hashable {
    /// 32-bit words stored; 0 if nothing differed.
    public var words: Int
    /// Number of grace periods.
    public var gracePeriods: Int
    /// Whether the tables were rebuilt beside the old ones.
    public var rebuilt: Bool
    /// Objects that others had removed and that were restored, in words.
    public var restored: [String]
    /// Things in the tables that others had changed and that were repaired.
    public var changes: Int
    public init(words: Int, gracePeriods: Int, rebuilt: Bool, restored: [String] = [], changes: Int = 0) {
        self.restored = restored
        self.changes = changes
        self.words = words
        self.gracePeriods = gracePeriods
        self.rebuilt = rebuilt
    }
}
