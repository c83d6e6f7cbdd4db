// SPDX-License-Identifier: Apache-2.0
import Datapath
import DatapathEBPF
import NetworkKit
import NetworkTypes
import PacketKit
import PolicyModel

/// What recording of flows adds to the first packet of a flow, and to no other: target 40 ns. Runs with and without it
/// take turns.
func benchReports(_ baseline: borrowing BaselineProgram) throws {
    let reporting = try ReportingProgram()
    for family in AddressFamily.allCases {
        let flow = Flow(
            source: HotPathSize.pod(2, family), destination: HotPathSize.pod(1, family), ipProtocol: .tcp,
            destinationPort: 443)
        let packet = Packet(flow: flow).bytes
        var (base, off, on): ([Double], [Double], [Double]) = ([], [], [])
        for _ in 0..<300 {
            base.append(
                try baseline.testRun(packet: packet, family: family, repeats: UInt32(ReportingProgram.packets))
                    .nanoseconds)
            off.append(try reporting.testRun(packet: packet, family: family, isReporting: false).nanoseconds)
            let run = try reporting.testRun(packet: packet, family: family, isReporting: true)
            guard run.events.count == ReportingProgram.packets else { throw NetError.missing("an event of a new flow") }
            on.append(run.nanoseconds)
        }
        print(
            "\(family) report of a new flow: +\(Int((on.median - off.median).rounded())) ns "
                + "(off \(Int(off.median)), on \(Int(on.median)); a program that reads the headers \(Int(base.median)))"
        )
    }
}
