// SPDX-License-Identifier: Apache-2.0
import CLibNFTNL
import Glibc
import KernelErrors
import NetlinkAttributes
import PolledThread

/// Reports changes of Bulkhead's tables in one network namespace, its own and others' alike, on a dedicated thread.
///
/// The namespace is that of the thread that creates the follower.
public final class RulesetFollower: Sendable {
    private let thread: PolledThread

    /// Starts to follow.
    ///
    /// - Parameter receiver: called on the follower's thread after each transaction, or series of them, that changed
    ///   one of Bulkhead's tables, or may have.
    /// - Throws: ``KernelError/system(operation:code:detail:)`` if no socket or thread is available.
    public init(_ receiver: @escaping @Sendable () -> Void) throws(KernelError) {
        let socket = try NetfilterSocket()
        var group = Int32(NFNLGRP_NFTABLES.rawValue)
        let joined = setsockopt(
            socket.descriptor, SocketOption.level, SocketOption.addMembership, &group, socklen_t(4))
        guard joined == 0 else { throw .system(operation: "follow the ruleset", code: errno, detail: "") }
        let loop = RulesetLoop(socket: socket, receiver: receiver)
        do throws(PolledThreadError) {
            thread = try PolledThread { loop.run($0) }
        } catch {
            throw .system(operation: error.operation, code: error.code, detail: "")
        }
    }

    /// Ends the thread and waits for it. The receiver is not called afterward. Call this once, and not from the
    /// receiver.
    public func stop() { thread.stop() }

    /// SOL_NETLINK and NETLINK_ADD_MEMBERSHIP (linux/socket.h, linux/netlink.h).
    private enum SocketOption {
        static let level: Int32 = 270
        static let addMembership: Int32 = 1
    }
}

/// The thread's own state: no other code uses it once the thread runs.
private final class RulesetLoop {
    private let socket: NetfilterSocket
    private let receiver: @Sendable () -> Void

    init(socket: NetfilterSocket, receiver: @escaping @Sendable () -> Void) {
        self.socket = socket
        self.receiver = receiver
    }

    func run(_ waiter: PolledThread.Waiter) {
        while waiter.wait(for: socket.descriptor) {
            if drain() { receiver() }
        }
    }

    /// Reads everything that waits; returns whether any of it is about Bulkhead's tables.
    private func drain() -> Bool {
        var isOurs = false
        while true {
            let failure = socket.poll { header, body in if Self.isOurs(header, body) { isOurs = true } }
            switch failure {
            case nil: continue
            // It is unknown what was lost.
            case ENOBUFS: isOurs = true
            default: return isOurs
            }
        }
    }

    private static func isOurs(_ header: nlmsghdr, _ body: UnsafeRawBufferPointer) -> Bool {
        guard header.nlmsg_type >> 8 == UInt16(NFNL_SUBSYS_NFTABLES),
            header.nlmsg_type & 0xff != UInt16(NFT_MSG_NEWGEN), body.count >= MemoryLayout<nfgenmsg>.size
        else { return false }
        // In messages of all kinds, the first attribute is the table's name.
        return Attributes(body.dropFirst(MemoryLayout<nfgenmsg>.size))
            .contains { $0.type == 1 && $0.text.hasPrefix(TableIdentity.prefix) }
    }
}
