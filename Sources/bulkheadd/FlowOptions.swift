// SPDX-License-Identifier: Apache-2.0
import Agent
import ArgumentParser
import ControlProtocol

/// What the daemon records of flows.
struct FlowOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "What 'bulkheadctl flows' shows: all (allowed and denied), denied, or off.",
            discussion: """
                Of an allowed flow the first packet is recorded, at most 1000 a second and 2000 at once; the status \
                says how many were left out. With eBPF, all costs the first packet of a flow some 20 ns, and no other \
                packet anything; with nftables it is one more chain, of one comparison, for each packet.
                """))
    var flows: Mode = .all

    @Option(
        help: ArgumentHelp("How many flows, drops and denied requests to keep for later.", valueName: "count"))
    var flowRecords: Int = ControlDefaults.flowRecords

    enum Mode: String, ExpressibleByArgument, CaseIterable {
        case all
        case denied
        case off
    }

    func validate() throws {
        guard (1...ControlDefaults.flowRecordLimit).contains(flowRecords) else {
            throw ValidationError("--flow-records is from 1 to \(ControlDefaults.flowRecordLimit)")
        }
    }

    var settings: FlowSettings { FlowSettings(.init(rawValue: flows.rawValue) ?? .off, records: flowRecords) }
}
