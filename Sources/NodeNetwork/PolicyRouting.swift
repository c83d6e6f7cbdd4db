// SPDX-License-Identifier: Apache-2.0
import CLinuxShim
import Glibc
import NetlinkAttributes
import NetworkTypes

/// Reads and writes rules for marked packets and the routes of single tables, in the network namespace of the thread
/// that creates the value. What is written stays when the value is gone.
public struct PolicyRouting: ~Copyable {
    private let socket: NetlinkSocket
    private var sequence: UInt32 = 0

    /// - Throws: ``NodeNetworkError/system(operation:code:)`` if no socket is available.
    public init() throws(NodeNetworkError) {
        let opened = try NetlinkSocket(groups: 0)
        // Without strict checking the kernel does not look at the table that a request names.
        var on: Int32 = 1
        let set = setsockopt(
            opened.descriptor, SocketOption.level, SocketOption.strictChecks, &on, socklen_t(MemoryLayout<Int32>.size))
        guard set == 0 else { throw .system(operation: "ask rtnetlink for strict checks", code: errno) }
        socket = opened
    }

    /// The family's rules that match by the mark, or by the mark and the input device, alone.
    ///
    /// - Parameter isOwn: only those that Bulkhead has added.
    public mutating func rules(_ family: AddressFamily, isOwn: Bool = false) throws(NodeNetworkError) -> [MarkRule] {
        var header = fib_rule_hdr()
        header.family = family.number
        return try read(RTM_GETRULE, header, "read the routing rules") { answer in
            if case .rule(let rule, let own) = answer, own || !isOwn { rule } else { nil }
        }
    }

    /// The routes of a table, for one family. Routes of kinds that ``TableRoute`` does not have are left out.
    ///
    /// - Parameters:
    ///   - table: nil for all tables.
    ///   - isOwn: only those that Bulkhead has added.
    public mutating func routes(
        of table: UInt32?, _ family: AddressFamily, isOwn: Bool = false
    ) throws(NodeNetworkError) -> [TableRoute] {
        var header = rtmsg()
        header.rtm_family = family.number
        return try read(RTM_GETROUTE, header, "read the routing tables", table: table) { answer in
            guard case .route(let route, let own) = answer, own || !isOwn, table ?? route.table == route.table else {
                return nil
            }
            return route
        }
    }

    /// Adds a rule, unless it is there.
    ///
    /// - Returns: whether it was not there.
    @discardableResult
    public mutating func add(_ rule: MarkRule) throws(NodeNetworkError) -> Bool {
        sequence += 1
        let message = RouteMessage(RTM_NEWRULE, flags: NLM_F_CREATE | NLM_F_EXCL, sequence: sequence, rule)
        return try change(message, "add the routing rule '\(rule)'", unless: [EEXIST])
    }

    /// Removes a rule, if it is there.
    public mutating func remove(_ rule: MarkRule) throws(NodeNetworkError) {
        sequence += 1
        let message = RouteMessage(RTM_DELRULE, sequence: sequence, rule)
        try change(message, "remove the routing rule '\(rule)'", unless: [ENOENT])
    }

    /// Adds a route, or replaces the table's route to the same destination with the same metric.
    public mutating func set(_ route: TableRoute) throws(NodeNetworkError) {
        sequence += 1
        let message = RouteMessage(RTM_NEWROUTE, flags: NLM_F_CREATE | NLM_F_REPLACE, sequence: sequence, route)
        try change(message, "add the route '\(route)'", unless: [])
    }

    /// Removes a route, if it is there.
    public mutating func remove(_ route: TableRoute) throws(NodeNetworkError) {
        sequence += 1
        let message = RouteMessage(RTM_DELROUTE, sequence: sequence, route)
        try change(message, "remove the route '\(route)'", unless: [ENOENT, ESRCH, ENODEV])
    }

    /// How the kernel checks the IPv4 sources of what a device receives (`rp_filter`).
    public enum SourceCheck: UInt32, Sendable {
        case off = 0
        /// Answers would leave by the same device.
        case strict = 1
        /// There is a way back to the source.
        case loose = 2
    }

    /// Sets the device's own mode; the kernel applies the higher one of this and that of all devices. A container may do
    /// this with NET_ADMIN, although it cannot write to /proc/sys.
    public mutating func set(_ check: SourceCheck, of link: UInt32) throws(NodeNetworkError) {
        sequence += 1
        let message = RouteMessage(sequence: sequence, link: link, setting: Self.sourceCheck, value: check.rawValue)
        try change(message, "set rp_filter of the device \(link) to \(check.rawValue)", unless: [])
    }

    /// IPV4_DEVCONF_RP_FILTER (linux/ip.h).
    private static let sourceCheck = 8

    /// Returns false if the kernel answers with an accepted error.
    @discardableResult
    private func change(
        _ message: RouteMessage, _ operation: String, unless accepted: [Int32]
    ) throws(NodeNetworkError) -> Bool {
        let sent = bh_netlink_send(socket.descriptor, message.bytes, message.bytes.count)
        guard sent == 0 else { throw .system(operation: operation, code: -sent) }
        while true {
            for answer in try socket.wait(operation, RouteAnswer.parse) {
                guard case .ended(sequence, let code) = answer else { continue }
                guard code == 0 || accepted.contains(code) else { throw .system(operation: operation, code: code) }
                return code == 0
            }
        }
    }

    /// Dumps, again if a change meanwhile made the dump inconsistent.
    private mutating func read<Body: BitwiseCopyable, Value>(
        _ type: Int, _ header: Body, _ operation: String, table: UInt32? = nil, _ pick: (RouteAnswer) -> Value?
    ) throws(NodeNetworkError) -> [Value] {
        for _ in 0..<Self.attempts {
            sequence += 1
            var message = RouteMessage(dump: UInt16(type), sequence: sequence, header)
            if let table { message.append(Int(RTA_TABLE.rawValue), table) }
            let sent = bh_netlink_send(socket.descriptor, message.bytes, message.bytes.count)
            guard sent == 0 else { throw .system(operation: operation, code: -sent) }
            if let values = try collect(operation, pick) { return values }
        }
        throw .system(operation: "\(operation), which never stood still", code: EINTR)
    }

    /// Nil if the answers are inconsistent.
    private func collect<Value>(
        _ operation: String, _ pick: (RouteAnswer) -> Value?
    ) throws(NodeNetworkError) -> [Value]? {
        var values: [Value] = []
        while true {
            for answer in try socket.wait(operation, RouteAnswer.parse) {
                switch answer {
                case .ended(sequence, code: 0): return values
                // There is no such table.
                case .ended(sequence, code: ENOENT): return []
                case .ended(sequence, code: EINTR): return nil
                case .ended(sequence, let code): throw .system(operation: operation, code: code)
                default: if let value = pick(answer) { values.append(value) }
                }
            }
        }
    }

    private static let attempts = 20

    /// SOL_NETLINK and NETLINK_GET_STRICT_CHK (linux/socket.h, linux/netlink.h).
    private enum SocketOption {
        static let level: Int32 = 270
        static let strictChecks: Int32 = 12
    }
}
