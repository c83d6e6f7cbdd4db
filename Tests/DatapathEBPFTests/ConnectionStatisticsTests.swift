// SPDX-License-Identifier: Apache-2.0
import ConnectionTracking
import Testing

/// The kernel counts a clash twice, and a chain that is too long not among the drops.
@Suite struct ConnectionStatisticsTests {
    @Test(
        arguments: [
            (10, 10, 0, 0), (10, 0, 0, 10), (12, 5, 2, 9), (0, 3, 3, 0), (1, 5, 0, 0),
        ] as [(UInt32, UInt32, UInt32, UInt64)])
    func aClashIsNoWantOfRoom(_ drops: UInt32, _ failures: UInt32, _ tooLong: UInt32, _ dropped: UInt64) {
        let statistics = ConnectionStatistics(drops: drops, failures: failures, tooLong: tooLong, earlyDrops: 7)
        #expect(statistics == ConnectionStatistics(dropped: dropped, clashed: UInt64(failures), evicted: 7))
    }
}
