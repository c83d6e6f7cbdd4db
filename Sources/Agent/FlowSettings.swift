// SPDX-License-Identifier: Apache-2.0
import ControlProtocol
import Datapath

/// What the daemon records of flows.
public struct FlowSettings: Sendable, Hashable {
    public enum Mode: String, Sendable, CaseIterable {
        /// The first packet of each allowed flow, drops, audits and requests.
        case all
        /// Drops, audits and requests.
        case denied
        /// Nothing. Clients of events still get what happens while they follow.
        case off
    }
    public var mode: Mode
    /// Records that are kept.
    public var records: Int
    /// New flows that are reported at most.
    public var limit: FlowLimit

    public init(
        _ mode: Mode = .off, records: Int = ControlDefaults.flowRecords, limit: FlowLimit = FlowLimit()
    ) {
        self.mode = mode
        self.records = records
        self.limit = limit
    }
}
