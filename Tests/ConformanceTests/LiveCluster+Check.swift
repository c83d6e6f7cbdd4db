// SPDX-License-Identifier: Apache-2.0
import NetworkKit
import NetworkTypes
import Testing

extension LiveCluster {
    /// Sends what the rows say, and expects what they say.
    func check(_ table: [LiveCase]) throws {
        let asked = table.rows.map { row, family in
            (namespace: row.source.namespace(in: world), probe: row.probe(family, in: world))
        }
        // All at once: the time goes by with waiting for what is denied.
        let outcomes = try NetProbe.runTogether(asked.map { ($0.namespace, $0.probe) })
        for (((row, family), (namespace, probe)), first) in zip(zip(table.rows, asked), outcomes) {
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

extension [LiveCase] {
    /// Each row with each of its families.
    var rows: [(LiveCase, AddressFamily)] { flatMap { row in row.families.map { (row, $0) } } }
}
