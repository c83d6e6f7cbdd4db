// SPDX-License-Identifier: Apache-2.0
import CLibNFTNL
import Glibc
import KernelErrors
import Netfilter
import NetlinkAttributes
import NetworkTypes

/// One connection that the kernel tracks.
package struct Connection: Sendable {
    /// Original direction after destination NAT, before source NAT: the flow that policy judges.
    package var flow: Flow
    /// The value of `ct id` for a rule: the bytes that the kernel compares. Two connections may have the same.
    package var identifier: [UInt8]
    /// The connection's mark (`ct mark`).
    package var mark: UInt32 = 0
    /// The kernel's name of the connection: attributes as listed.
    var name: [(type: UInt16, value: [UInt8])]

    /// Distinguishes connections.
    package struct Key: Hashable, Sendable {
        package var source: IPAddress
        package var identifier: [UInt8]
        package init(source: IPAddress, identifier: [UInt8]) {
            self.source = source
            self.identifier = identifier
        }
    }
    package var key: Key { Key(source: flow.source, identifier: identifier) }
}

/// The kernel's connection tracking, through ctnetlink.
package enum ConnectionTable {
    private static func type(_ message: cntl_msg_types) -> UInt16 {
        UInt16(NFNL_SUBSYS_CTNETLINK) << 8 | UInt16(message.rawValue)
    }

    /// How often the table is walked if its size changes meanwhile.
    private static let walks = 10

    /// The connections whose flow is wanted.
    package static func connections(
        _ socket: NetfilterSocket, where isWanted: (Flow) -> Bool
    ) throws(KernelError) -> [Connection] {
        var size = bucketCount()
        for _ in 0..<walks {
            let found = try walk(socket, where: isWanted)
            let after = bucketCount()
            if after == size { return found }
            size = after
        }
        throw .system(operation: "list the tracked connections", code: EAGAIN, detail: "their table changes its size")
    }

    /// The table's size, which an administrator can change; nil if it cannot be read.
    private static func bucketCount() -> [UInt8]? {
        let file = open("/proc/sys/net/netfilter/nf_conntrack_buckets", O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return nil }
        defer { close(file) }
        var text = [UInt8](repeating: 0, count: 32)
        let count = read(file, &text, text.count)
        return count > 0 ? Array(text.prefix(count)) : nil
    }

    private static func walk(
        _ socket: NetfilterSocket, where isWanted: (Flow) -> Bool
    ) throws(KernelError) -> [Connection] {
        try socket.ask(
            type(IPCTNL_MSG_CT_GET), family: UInt8(AF_UNSPEC), isDump: true, "list the tracked connections",
            request: { _ in },
            parse: { _, body in Connection(body.dropFirst(MemoryLayout<nfgenmsg>.size), where: isWanted) })
    }

    /// Forgets one connection. If it is already gone, that is a success.
    package static func remove(_ connection: Connection, _ socket: NetfilterSocket) throws(KernelError) {
        let family = UInt8(connection.flow.source.family == .ipv4 ? AF_INET : AF_INET6)
        do {
            _ = try socket.ask(
                type(IPCTNL_MSG_CT_DELETE), family: family, isDump: false, "forget a connection",
                request: { header in
                    for (type, value) in connection.name { mnl_attr_put(header, type, value.count, value) }
                }, parse: { _, _ in () })
        } catch .system(_, ENOENT, _) {
            return
        }
    }
}

extension Connection {
    /// Nil for an entry without addresses or protocol, and for one that is not wanted. Most are not: the name of the
    /// connection is copied only for wanted ones.
    init?(_ attributes: Slice<UnsafeRawBufferPointer>, where isWanted: (Flow) -> Bool) {
        var original: ConnectionTuple?
        var reply: ConnectionTuple?
        for attribute in Attributes(attributes) {
            switch attribute.type {
            case Int(CTA_TUPLE_ORIG.rawValue): original = ConnectionTuple(attribute.nested)
            case Int(CTA_TUPLE_REPLY.rawValue): reply = ConnectionTuple(attribute.nested)
            default: continue
            }
        }
        guard let original, let reply else { return nil }
        flow = Flow(
            source: original.source, destination: reply.source, ipProtocol: original.ipProtocol,
            destinationPort: reply.sourcePort)
        name = []
        identifier = []
        guard isWanted(flow) else { return nil }
        for attribute in Attributes(attributes) {
            switch attribute.type {
            case Int(CTA_TUPLE_ORIG.rawValue):
                // The type of a nested attribute has a flag.
                name.append((UInt16(attribute.type) | UInt16(NLA_F_NESTED), Array(attribute.value.bytes)))
            case Int(CTA_ZONE.rawValue): name.append((UInt16(attribute.type), Array(attribute.value.bytes)))
            case Int(CTA_MARK.rawValue): mark = attribute.integer()
            case Int(CTA_ID.rawValue):
                identifier = Array(attribute.value.bytes)
                name.append((UInt16(attribute.type), identifier))
            default: continue
            }
        }
    }
}

/// The parts of a tuple that policy needs: addresses, protocol, and the source's port.
private struct ConnectionTuple {
    var source: IPAddress
    var ipProtocol: IPProtocol
    var sourcePort: UInt16 = 0

    init?(_ attributes: Attributes) {
        var source: IPAddress?
        var number: IPProtocol?
        for part in attributes {
            for attribute in part.nested {
                switch (part.type, attribute.type) {
                case (Int(CTA_TUPLE_IP.rawValue), Int(CTA_IP_V4_SRC.rawValue)),
                    (Int(CTA_TUPLE_IP.rawValue), Int(CTA_IP_V6_SRC.rawValue)):
                    source = attribute.value.address
                case (Int(CTA_TUPLE_PROTO.rawValue), Int(CTA_PROTO_NUM.rawValue)):
                    number = attribute.value.bytes.first.map { IPProtocol(rawValue: $0) }
                case (Int(CTA_TUPLE_PROTO.rawValue), Int(CTA_PROTO_SRC_PORT.rawValue)):
                    sourcePort = attribute.integer()
                default: continue
                }
            }
        }
        guard let source, let number else { return nil }
        self.source = source
        ipProtocol = number
    }
}
