// SPDX-License-Identifier: Apache-2.0
import ControlProtocol
import ControlViews

/// Records that are alike, counted: who reached whom, on which port, how often, and by which rule.
struct FlowSummary {
    struct Row: Codable, Hashable {
        /// Pods by name, other ends by address.
        var from: String
        var to: String
        /// `6379/TCP`; the protocol alone if it has no ports.
        var port: String
        /// `FORWARDED`, `DROPPED` or `AUDIT`.
        var verdict: FlowVerdict
        /// What decided, or why the packet was dropped.
        var by: String
        var count: Int
    }

    private var counts: [FlowParties: Int] = [:]

    /// The most frequent first.
    var rows: [Row] {
        let rows = counts.map { parties, count in
            Row(
                from: parties.source, to: parties.destination, port: parties.port, verdict: parties.verdict,
                by: parties.decider, count: count)
        }
        return rows.sorted { ($1.count, $0.from, $0.to, $0.port, $0.by) < ($0.count, $1.from, $1.to, $1.port, $1.by) }
    }

    mutating func add(_ flow: ObservedFlow) {
        let own = flow.bulkhead
        var deciders = own.rule.map { [$0.description] } ?? []
        for side in [own.egress, own.ingress].compactMap({ $0?.description }) where !deciders.contains(side) {
            deciders.append(side)
        }
        let parties = FlowParties(
            flow.sourceEnd, flow.destinationEnd, protocol: flow.protocolName ?? "?", flow.verdict,
            by: deciders.isEmpty ? own.cause : deciders.joined(separator: ", "))
        counts[parties, default: 0] += 1
    }

    mutating func add(_ record: FlowRecord) {
        if let parties = FlowParties(record) { counts[parties, default: 0] += 1 }
    }

    func print(asJSON: Bool) throws {
        if asJSON {
            for row in rows { Terminal.writeJSON(try JSON.line(row) + [UInt8(ascii: "\n")]) }
            return
        }
        var table = Table("RECORDS", "VERDICT", "FROM", "TO", "PORT", "BY")
        for row in rows {
            let color: Terminal.Color? =
                switch row.verdict {
                case .forwarded: nil
                case .dropped: .red
                case .audit: .yellow
                }
            table.add(
                "\(row.count)", .init(row.verdict.rawValue, color), .init(row.from), .init(row.to), .init(row.port),
                .init(row.by))
        }
        Terminal.write(table.text)
    }
}
