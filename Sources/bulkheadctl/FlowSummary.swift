// SPDX-License-Identifier: Apache-2.0
import ControlProtocol

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
        var count = 0
    }

    private var counts: [Row: Int] = [:]

    /// The most frequent first.
    var rows: [Row] {
        let rows = counts.map { row, count in
            var row = row
            row.count = count
            return row
        }
        return rows.sorted { ($1.count, $0.from, $0.to, $0.port, $0.by) < ($0.count, $1.from, $1.to, $1.port, $1.by) }
    }

    mutating func add(_ flow: ObservedFlow) {
        let own = flow.bulkhead
        var deciders = own.rule.map { [$0.description] } ?? []
        for side in [own.egress, own.ingress].compactMap({ $0?.description }) where !deciders.contains(side) {
            deciders.append(side)
        }
        add(
            flow.sourceEnd, flow.destinationEnd, flow.protocolName ?? "?", flow.verdict,
            by: deciders.isEmpty ? own.cause : deciders.joined(separator: ", "))
    }

    mutating func add(_ record: FlowRecord) {
        if let packet = record.drop ?? record.audit {
            add(
                packet.source, packet.destination, packet.protocol, record.kind == .audit ? .audit : .dropped,
                by: packet.rule?.description ?? packet.cause.rawValue)
        } else if let request = record.request {
            add(
                request.source, request.destination, "HTTP", request.verdict == "wouldDeny" ? .audit : .dropped,
                by: request.rule?.description ?? request.reason)
        }
    }

    private mutating func add(
        _ from: EventEnd, _ to: EventEnd, _ name: String, _ verdict: FlowVerdict, by decider: String
    ) {
        let row = Row(
            from: from.pod ?? from.address, to: to.pod ?? to.address, port: to.port.map { "\($0)/\(name)" } ?? name,
            verdict: verdict, by: decider)
        counts[row, default: 0] += 1
    }

    /// - Parameter isWide: whether each row is one line.
    func print(asJSON: Bool, isWide: Bool) throws {
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
        Terminal.write(isWide ? table.text(width: nil) : table.text)
    }
}
