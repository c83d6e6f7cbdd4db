// SPDX-License-Identifier: Apache-2.0
import NetworkKit
import NetworkTypes
import Testing

extension LiveCluster {
    /// Sends what the rows say, and expects what they say.
    func check(_ table: [LiveCase]) throws {
        for (source, rows) in Dictionary(grouping: table.rows, by: { $0.0.source }) {
            let probes = rows.map { row, family in row.probe(family, in: world) }
            let namespace = source.namespace(in: world)
            let outcomes = try namespace.run { try NetProbe.runTogether(probes) }
            for (((row, family), probe), first) in zip(zip(rows, probes), outcomes) {
                var outcome = first
                if row.allowed != nil, outcome == .timeout {
                    // A busy machine is late; what is denied never comes.
                    var patient = probe
                    patient.milliseconds = 3000
                    outcome = try namespace.run { [patient] in try patient.run() }
                }
                #expect(outcome == row.allowed ?? .timeout, "\(row), \(family): real packets")
            }
        }
    }
}

extension [LiveCase] {
    /// Each row with each of its families.
    var rows: [(LiveCase, AddressFamily)] { flatMap { row in row.families.map { (row, $0) } } }
}
