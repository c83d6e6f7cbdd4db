// SPDX-License-Identifier: Apache-2.0
import CLibNFTNL
import Glibc
import KernelErrors
import Netfilter
import NetlinkAttributes

/// What connection tracking has counted since the network namespace began, on all processors.
package struct ConnectionStatistics: Hashable, Sendable {
    /// Packets dropped because they would have begun a connection and the table had no room.
    package var dropped: UInt64 = 0
    /// Packets dropped because another one had entered the same connection meanwhile.
    package var clashed: UInt64 = 0
    /// Connections that were forgotten to make room.
    package var evicted: UInt64 = 0

    package init(dropped: UInt64 = 0, clashed: UInt64 = 0, evicted: UInt64 = 0) {
        self.dropped = dropped
        self.clashed = clashed
        self.evicted = evicted
    }

    /// Of one processor's counters (`struct ip_conntrack_stat`).
    ///
    /// - Parameters:
    ///   - drops: packets dropped for want of room or because of a clash.
    ///   - failures: clashes, and packets for which a chain of the table was too long.
    package init(drops: UInt32, failures: UInt32, tooLong: UInt32, earlyDrops: UInt32) {
        let clashes = failures - min(failures, tooLong)
        self.init(
            dropped: UInt64(drops - min(drops, clashes)), clashed: UInt64(failures), evicted: UInt64(earlyDrops))
    }

    /// One processor's.
    init(_ attributes: Slice<UnsafeRawBufferPointer>) {
        var (drops, failures, tooLong, earlyDrops): (UInt32, UInt32, UInt32, UInt32) = (0, 0, 0, 0)
        for attribute in Attributes(attributes) {
            switch attribute.type {
            case Int(CTA_STATS_DROP.rawValue): drops = attribute.integer(UInt32.self)
            case Int(CTA_STATS_INSERT_FAILED.rawValue): failures = attribute.integer(UInt32.self)
            case Int(CTA_STATS_EARLY_DROP.rawValue): earlyDrops = attribute.integer(UInt32.self)
            case Int(CTA_STATS_CHAIN_TOOLONG.rawValue): tooLong = attribute.integer(UInt32.self)
            default: continue
            }
        }
        self.init(drops: drops, failures: failures, tooLong: tooLong, earlyDrops: earlyDrops)
    }

    /// Asks the kernel, for the calling thread's network namespace if the socket was opened there.
    package init(_ socket: NetfilterSocket) throws(KernelError) {
        let type = UInt16(NFNL_SUBSYS_CTNETLINK) << 8 | UInt16(IPCTNL_MSG_CT_GET_STATS_CPU.rawValue)
        let processors = try socket.ask(
            type, family: UInt8(AF_UNSPEC), isDump: true, "read what connection tracking counts",
            request: { _ in },
            parse: { _, body in ConnectionStatistics(body.dropFirst(MemoryLayout<nfgenmsg>.size)) })
        for processor in processors {
            dropped += processor.dropped
            clashed += processor.clashed
            evicted += processor.evicted
        }
    }
}
