// SPDX-License-Identifier: Apache-2.0

/// What the daemon records of flows.
public struct FlowStatus: Codable, Sendable, Hashable {
    /// `all`, `denied` or `off`: the option `--flows`.
    public var mode: String
    /// Why allowed flows are not reported although they should be; nil if nothing is wrong.
    public var problem: String?
    /// Records that are kept now, and at most.
    public var records: Int
    public var limit: Int
    /// Records that newer ones have replaced since the start.
    public var overwritten: UInt64
    /// Allowed flows that were not reported, because they were over the rate limit.
    public var leftOut: UInt64
    /// Allowed flows whose report was lost, because it was not fetched in time.
    public var lost: UInt64

    public init(
        mode: String, problem: String?, records: Int, limit: Int, overwritten: UInt64, leftOut: UInt64, lost: UInt64
    ) {
        self.mode = mode
        self.problem = problem
        self.records = records
        self.limit = limit
        self.overwritten = overwritten
        self.leftOut = leftOut
        self.lost = lost
    }
}
