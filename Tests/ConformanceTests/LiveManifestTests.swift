// SPDX-License-Identifier: Apache-2.0
import Foundation
import NetworkKit
import NetworkTypes
import Testing

extension LiveAlone {
    /// Files in the watched directory, as they are edited.
    @Suite struct ManifestTests {
        private func write(_ text: String, _ name: String, in cluster: LiveCluster) throws {
            let path = "\(cluster.world.manifests)/\(name)"
            try text.write(toFile: path, atomically: true, encoding: .utf8)
        }

        /// From the moment at which the file is there to the first packet with the new verdict.
        @Test(arguments: NetDatapath.allCases) func aChangedFileIsInForceAtOnce(datapath: NetDatapath) throws {
            try LiveCluster.with(datapath) { cluster in
                let hammer = try cluster.hammer("api", "idle", .udp, 5353, .ipv4, everyMicroseconds: 500)
                var milliseconds: [Double] = []
                for round in 0..<10 {
                    let isOpen = round % 2 == 1
                    try write(LiveCluster.gate(open: isOpen), "gate.yaml", in: cluster)
                    let written = NetClock.now
                    NetClock.sleep(milliseconds: 400)
                    let packets = hammer.packets.filter { $0.sent > written }
                    let first = try #require(packets.first { ($0.answered != nil) == isOpen })
                    milliseconds.append(Double(first.sent - written) / 1e6)
                    // Once new, the verdict stays new; the last packets may still be under way.
                    let after = packets.filter { $0.sent > first.sent && $0.sent < written + 350_000_000 }
                    #expect(after.allSatisfy { ($0.answered != nil) == isOpen })
                }
                _ = hammer.stop()
                #expect(milliseconds.sorted()[milliseconds.count / 2] < 100, "\(milliseconds)")
            }
        }

        /// A document that cannot be understood changes nothing, and what was in force stays.
        @Test(arguments: NetDatapath.allCases) func aRefusedFileLeavesWhatWasInForce(datapath: NetDatapath) throws {
            try LiveCluster.with(datapath) { cluster in
                let probe = NetProbe(.udp, to: cluster.world.pod("idle").v4, port: 5353)
                func outcome() throws -> NetOutcome { try cluster.ask(probe, from: "api") }
                try write(LiveCluster.gate(open: false), "gate.yaml", in: cluster)
                try NetClock.wait("the gate to close", seconds: 2) { try outcome() == .timeout }
                try write(
                    LiveCluster.gate(open: true).replacing(
                        "podSelector: {matchLabels: {app: idle}}", with: "podSelector: idle"),
                    "gate.yaml", in: cluster)
                try NetClock.wait("the refusal", seconds: 2) {
                    try cluster.daemon.get("/v1/status").contains("gate.yaml")
                }
                #expect(try outcome() == .timeout)
                try write(LiveCluster.gate(open: true), "gate.yaml", in: cluster)
                try NetClock.wait("the gate to open", seconds: 2) { try outcome() == .answered }
            }
        }
    }
}
