// SPDX-License-Identifier: Apache-2.0
import CLibNFTNL
import Datapath
import Glibc
import Netfilter

/// Listens to the kernel's nflog messages of one group.
final class DropListener {
    private let socket: NetfilterSocket
    private var pending: [LoggedPacket] = []
    private var nextNumber: UInt32?
    /// Lost messages.
    private(set) var lost: UInt64 = 0

    /// - Parameter isBatched: several packets come together, at the latest after a moment: they take less of the socket's
    ///   room.
    init(group: UInt16, isBatched: Bool = false) throws(DatapathError) {
        socket = try NetfilterSocket()
        let type = UInt16(NFNL_SUBSYS_ULOG) << 8 | UInt16(NFULNL_MSG_CONFIG.rawValue)
        do {
            _ = try socket.ask(
                type, family: UInt8(AF_UNSPEC), resource: group, isDump: false, "listen to nflog group \(group)",
                request: { Self.configure($0, isBatched) }, parse: { _, _ in () })
        } catch .system(_, EPERM, _) {
            // The kernel's answer if another process has the group; without the right to listen, there would be no
            // socket.
            throw .unsupported(
                what: "nflog group \(group) has another listener",
                remedy: "stop that one; if it is bulkheadd, only one can run in a network namespace")
        } catch .system(_, EINVAL, _) {
            // No netfilter subsystem has this number.
            throw .unsupported(
                what: "nflog, by which drops are reported", remedy: "a kernel with NETFILTER_NETLINK_LOG")
        }
    }

    /// Packets in one message at most, and hundredths of a second that the first of them waits.
    private static let batch: (packets: UInt32, timeout: UInt32) = (16, 10)

    private static func configure(_ header: UnsafeMutablePointer<nlmsghdr>, _ isBatched: Bool) {
        var bind = nfulnl_msg_config_cmd(command: UInt8(NFULNL_CFG_CMD_BIND.rawValue))
        mnl_attr_put(header, UInt16(NFULA_CFG_CMD.rawValue), MemoryLayout.size(ofValue: bind), &bind)
        var mode = nfulnl_msg_config_mode(
            copy_range: UInt32(LoggedPacket.byteLimit).bigEndian, copy_mode: UInt8(NFULNL_COPY_PACKET), _pad: 0)
        mnl_attr_put(header, UInt16(NFULA_CFG_MODE.rawValue), MemoryLayout.size(ofValue: mode), &mode)
        // Without batches, the kernel reports each packet at once: the rule's limit keeps them few.
        let threshold = isBatched ? batch.packets : 1
        mnl_attr_put_u32(header, UInt16(NFULA_CFG_QTHRESH.rawValue), threshold.bigEndian)
        if isBatched { mnl_attr_put_u32(header, UInt16(NFULA_CFG_TIMEOUT.rawValue), batch.timeout.bigEndian) }
        mnl_attr_put_u16(header, UInt16(NFULA_CFG_FLAGS.rawValue), UInt16(NFULNL_CFG_F_SEQ).bigEndian)
    }

    /// At most `limit` packets that arrived since the last call.
    func take(_ limit: Int) -> [LoggedPacket] {
        while pending.count < limit {
            var found: [LoggedPacket] = []
            let failure = socket.poll { header, body in
                guard header.nlmsg_type >> 8 == UInt16(NFNL_SUBSYS_ULOG), let packet = LoggedPacket(body) else {
                    return
                }
                found.append(packet)
            }
            if failure == ENOBUFS { continue }
            guard failure == nil else { break }
            for packet in found {
                if let number = packet.number {
                    if let nextNumber, number != nextNumber { lost += UInt64(number &- nextNumber) }
                    nextNumber = number &+ 1
                }
                pending.append(packet)
            }
        }
        let taken = Array(pending.prefix(limit))
        pending.removeFirst(taken.count)
        return taken
    }
}
