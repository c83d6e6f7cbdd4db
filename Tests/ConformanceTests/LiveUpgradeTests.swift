// SPDX-License-Identifier: Apache-2.0
import Glibc
import NetworkKit
import NetworkTypes
import Testing

extension LiveAlone {
    /// What another release has left enforces until this one has written everything next to it: an upgrade finds the
    /// tables of an older release, a downgrade those of a newer one.
    @Suite struct UpgradeTests {
        /// As in ``SwitchTests``: what nftables itself may lose.
        private static let kernelsOwn = 2

        @Test(arguments: NetDatapath.allCases) func bothWaysAreWithoutAGap(datapath: NetDatapath) throws {
            try LiveCluster.with(datapath) { cluster in
                func hammers(_ pods: [(String, String)]) throws -> [NetHammer] {
                    try AddressFamily.allCases.flatMap { family in
                        try pods.map { try cluster.hammer($0, $1, .udp, 5353, family, everyMicroseconds: 2000) }
                    }
                }
                let allowed = try hammers([("api", "db"), ("web", "api")])
                let denied = try hammers([("idle", "db"), ("locked", "api")])
                for release in ["v1", "v1000000"] {
                    try cluster.daemon.stop(release == "v1" ? SIGTERM : SIGKILL)
                    try leaveAsOf(release, cluster)
                    // In force without a daemon.
                    let stopped = NetClock.now
                    for hammer in denied { try hammer.waitForPackets(20, since: stopped) }
                    for hammer in allowed { try hammer.waitForAnswers(20, since: stopped) }
                    try cluster.daemon.start()
                    try waitUntilGone(release, cluster)
                    let replaced = NetClock.now
                    for hammer in denied { try hammer.waitForPackets(20, since: replaced) }
                    for hammer in allowed { try hammer.waitForAnswers(20, since: replaced) }
                }
                let packets = allowed.flatMap { $0.stop() }
                let lost = packets.count { $0.answered == nil }
                #expect(packets.count > 500 && lost <= Self.kernelsOwn, "\(lost) lost; \(cluster.daemon.log)")
                for hammer in denied { #expect(hammer.stop().allSatisfy { $0.answered == nil }) }
                let intruders = Set(["idle", "locked"].map(cluster.world.pod).flatMap { [$0.v4, $0.v6] })
                for target in ["db", "api"] {
                    #expect(!cluster.server(target).arrivals.contains { intruders.contains($0.source) })
                }
            }
        }

        /// Makes what is in the kernel the work of another release, without a change of its verdicts.
        private func leaveAsOf(_ release: String, _ cluster: LiveCluster) throws {
            guard cluster.daemon.datapath == .ebpf else {
                // A chain under another name, and what this release does not have.
                let own = "inet bulkhead"
                let changes = [
                    "rename chain \(own) transport-ingress \(release)-ingress",
                    "add set \(own) \(release)-set { type ipv4_addr; }", "add chain \(own) \(release)-chain",
                ]
                try cluster.world.node.command("nft", changes.joined(separator: "\n"))
                return
            }
            let root = "\(cluster.world.bpffs)/bulkhead"
            let layouts = try NetProcess.run(["ls", root]).split(separator: "\n").filter { $0.hasPrefix("v") }
            try #require(layouts.count == 1)
            #expect(rename("\(root)/\(layouts[0])", "\(root)/\(release)") == 0)
        }

        private func waitUntilGone(_ release: String, _ cluster: LiveCluster) throws {
            try NetClock.wait("the end of \(release); the log:\n\(cluster.daemon.log)", seconds: 20) {
                guard cluster.daemon.datapath == .ebpf else {
                    return try !cluster.world.node.command("nft", "list table inet bulkhead").contains(release)
                }
                let layouts = try NetProcess.run(["ls", "\(cluster.world.bpffs)/bulkhead"]).split(separator: "\n")
                return layouts.count == 1 && layouts[0] != release
            }
        }
    }
}
