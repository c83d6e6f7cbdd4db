// SPDX-License-Identifier: Apache-2.0
import NetworkKit
import NetworkTypes
import Testing

extension LiveAlone {
    /// Flows under way when policy changes.
    @Suite struct CutTests {
        /// What policy stops allowing stops at once, established or not, and goes on when it is allowed again; other
        /// flows lose nothing.
        @Test(arguments: NetDatapath.allCases, [IPProtocol.tcp, .udp])
        func establishedFlowIsCut(datapath: NetDatapath, ipProtocol: IPProtocol) throws {
            try LiveCluster.with(datapath) { cluster in
                let port: UInt16 = ipProtocol == .tcp ? 6379 : 5353
                var cut: [NetHammer] = []
                for family in AddressFamily.allCases {
                    cut.append(try cluster.hammer("api", "db", ipProtocol, port, family, everyMicroseconds: 2000))
                }
                let kept = try cluster.hammer("web", "api", .udp, 5353, .ipv4, everyMicroseconds: 500)
                for hammer in cut + [kept] { try hammer.waitForAnswers(90) }
                try cluster.daemon.apply(LiveCluster.policiesWithoutTheWayToDB)
                let closed = NetClock.now
                for hammer in cut { try hammer.waitForPackets(100, since: closed) }
                try kept.waitForAnswers(20, since: NetClock.now)
                let reopened = NetClock.now
                try cluster.daemon.apply(LiveCluster.policies)
                for hammer in cut { try hammer.waitForAnswers(20, since: reopened) }
                for hammer in cut { checkCut(hammer.stop(), closed: closed, reopened: reopened) }
                #expect(kept.stop().filter { $0.answered == nil }.isEmpty)
            }
        }

        private func checkCut(_ packets: [NetHammer.Packet], closed: UInt64, reopened: UInt64) {
            let before = packets.filter { $0.sent < closed - 100_000_000 }
            #expect(before.count > 20 && before.allSatisfy { $0.answered != nil })
            // TCP sends again, once the way is open, what it had no answer to.
            let between = packets.filter { $0.sent > closed && $0.sent < reopened }
            #expect(between.count >= 100)
            #expect(!between.contains { ($0.answered ?? reopened) < reopened }, "answers after the cut")
        }
    }
}
