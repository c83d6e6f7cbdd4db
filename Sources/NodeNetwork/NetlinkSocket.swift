// SPDX-License-Identifier: Apache-2.0
import CLinuxShim
import Glibc
import NetworkTypes

/// A NETLINK_ROUTE socket of the network namespace in which the opening thread was.
struct NetlinkSocket: ~Copyable {
    let descriptor: Int32
    private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: Self.bufferBytes, alignment: 8)

    /// The kernel fills datagrams of a dump up to 32 KiB; a device with many virtual functions needs more.
    private static let bufferBytes = 256 << 10
    /// Room for notifications that arrive while a dump is read.
    private static let receiveBytes: Int32 = 4 << 20

    /// Devices, addresses and routes of both families. Not neighbors: a pod could create a million of them.
    static let changes = UInt32(
        RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE)

    /// - Parameter groups: the RTMGRP_ bits to subscribe to; 0 for a socket that only sends requests.
    init(groups: UInt32) throws(NodeNetworkError) {
        let opened = bh_route_open(groups, Self.receiveBytes)
        descriptor = opened
        guard opened >= 0 else { throw .system(operation: "open a netlink socket", code: -opened) }
    }

    deinit {
        if descriptor >= 0 { close(descriptor) }
        buffer.deallocate()
    }

    /// The messages of the next datagram; nil if none is waiting.
    ///
    /// - Throws: ``NodeNetworkError``; the code ENOBUFS means that notifications were lost.
    func receive() throws(NodeNetworkError) -> [NetworkMessage]? { try receive(NetlinkParser.parse) }

    private func receive<Answer>(
        _ parse: (UnsafeRawBufferPointer) throws(NodeNetworkError) -> [Answer]
    ) throws(NodeNetworkError) -> [Answer]? {
        let length = bh_netlink_receive(descriptor, buffer.baseAddress, buffer.count, 0)
        switch length {
        case Int(-EAGAIN): return nil
        case ..<0: throw .system(operation: "receive from a netlink socket", code: Int32(-length))
        case (buffer.count + 1)...:
            throw .truncated(what: "netlink datagram", needed: length, available: buffer.count)
        default: return try parse(UnsafeRawBufferPointer(rebasing: buffer[..<length]))
        }
    }

    /// Everything that the kernel knows now, from a new dump.
    static func dump() throws(NodeNetworkError) -> NetworkState {
        for _ in 0..<Self.dumpAttempts {
            let socket = try NetlinkSocket(groups: 0)
            var state = NetworkState()
            var isConsistent = true
            let parts = [RTM_GETLINK, RTM_GETADDR, RTM_GETROUTE]
            for (sequence, type) in parts.enumerated() {
                let whole = try socket.dump(UInt16(type), 0, sequence: UInt32(sequence + 1), into: &state)
                isConsistent = isConsistent && whole
            }
            guard isConsistent else { continue }
            try PeerInquiry.ask(&state)
            try PeerInquiry.askBridges(&state)
            state.encapsulationPorts = (try? EncapsulationPorts.read()) ?? []
            return state
        }
        throw .system(operation: "dump the network state, which never stood still", code: EINTR)
    }

    private static let dumpAttempts = 20

    /// Returns whether no change meanwhile makes the dump inconsistent.
    private func dump(
        _ type: UInt16, _ family: UInt8, sequence: UInt32, into state: inout NetworkState
    ) throws(NodeNetworkError) -> Bool {
        let sent = bh_route_dump(descriptor, type, family, sequence)
        guard sent == 0 else { throw .system(operation: "ask for a netlink dump", code: -sent) }
        return try collect(sequence, into: &state)
    }

    /// Applies the answers to a request, up to `limit` messages; further ones stay in the socket.
    ///
    /// - Returns: whether these were all answers, and consistent.
    @discardableResult
    func collect(
        _ sequence: UInt32, into state: inout NetworkState, atMost limit: Int = .max
    ) throws(NodeNetworkError) -> Bool {
        var count = 0
        while true {
            for message in try wait("wait for a netlink dump", NetlinkParser.parse) {
                switch message {
                case .dumpDone(sequence, let interrupted): return !interrupted
                // An acknowledgment.
                case .refused(sequence, code: 0): return true
                case .refused(sequence, let code): throw .system(operation: "ask for the network state", code: code)
                default: _ = state.observe(message)
                }
                count += 1
                if count > limit { return false }
            }
        }
    }

    /// The messages of the next datagram of an answer.
    func wait<Answer>(
        _ operation: String, _ parse: (UnsafeRawBufferPointer) throws(NodeNetworkError) -> [Answer]
    ) throws(NodeNetworkError) -> [Answer] {
        var waiting = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        while true {
            let ready = poll(&waiting, 1, Self.answerMilliseconds)
            if ready < 0, errno == EINTR { continue }
            guard ready > 0 else {
                throw .system(operation: operation, code: ready == 0 ? ETIMEDOUT : errno)
            }
            if let messages = try receive(parse) { return messages }
        }
    }

    /// The kernel answers within the call; this limits a wait that should not happen.
    private static let answerMilliseconds: Int32 = 5000
}
