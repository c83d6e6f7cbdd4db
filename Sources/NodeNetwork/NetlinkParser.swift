// SPDX-License-Identifier: Apache-2.0
import CLinuxShim
import NetlinkAttributes
import NetworkTypes

/// Reads rtnetlink datagrams (linux/netlink.h, linux/rtnetlink.h). Pure: bytes in, messages out.
public enum NetlinkParser {
    /// All messages of one datagram, in order.
    ///
    /// - Throws: ``NodeNetworkError/truncated(what:needed:available:)`` and
    ///   ``NodeNetworkError/invalid(what:value:)`` for bytes that are not netlink messages.
    public static func parse(_ datagram: UnsafeRawBufferPointer) throws(NodeNetworkError) -> [NetworkMessage] {
        do throws(NetlinkFormatError) {
            return try messages(datagram)
        } catch {
            throw NodeNetworkError(error)
        }
    }

    private static func messages(_ datagram: UnsafeRawBufferPointer) throws(NetlinkFormatError) -> [NetworkMessage] {
        let bytes = NetlinkBytes(bytes: datagram)
        var messages: [NetworkMessage] = []
        var position = 0
        while let (header, body) = try bytes.message(at: &position) { messages.append(try message(header, body)) }
        return messages
    }

    private static func message(_ header: nlmsghdr, _ body: NetlinkBytes) throws(NetlinkFormatError) -> NetworkMessage {
        switch Int(header.nlmsg_type) {
        case Int(NLMSG_DONE):
            return .dumpDone(sequence: header.nlmsg_seq, interrupted: isInterrupted(header))
        case Int(NLMSG_ERROR):
            let code = try body.load(Int32.self, "error code")
            // Without a trap for the least number, which no errno is.
            return .refused(sequence: header.nlmsg_seq, code: 0 &- code)
        case Int(RTM_NEWLINK):
            guard let (link, namespace) = try link(body) else { return .other }
            return namespace.map { .peerLink(namespace: $0, link: link.index, hardware: link.hardware) } ?? .link(link)
        case Int(RTM_DELLINK): return try link(body).map { .linkRemoved(index: $0.0.index) } ?? .other
        case Int(RTM_NEWADDR):
            guard let (address, namespace) = try address(body) else { return .other }
            return namespace.map { .peerAddress(namespace: $0, address) } ?? .address(address)
        case Int(RTM_DELADDR): return try address(body).map { .addressRemoved($0.0) } ?? .other
        case Int(RTM_NEWNEIGH): return try NeighborReader.message(body, isRemoval: false)
        case Int(RTM_DELNEIGH): return try NeighborReader.message(body, isRemoval: true)
        case Int(RTM_NEWROUTE):
            let replaces = header.nlmsg_flags & UInt16(NLM_F_REPLACE) != 0
            switch try RouteReader.route(body) {
            case .unicast(let route): return .route(route, replaces: replaces)
            case .local(let route): return .localRoute(route)
            case nil: return .other
            }
        case Int(RTM_DELROUTE):
            switch try RouteReader.route(body) {
            case .unicast(let route): return .routeRemoved(route)
            case .local(let route): return .localRouteRemoved(route)
            case nil: return .other
            }
        default: return .other
        }
    }

    private static func isInterrupted(_ header: nlmsghdr) -> Bool {
        header.nlmsg_flags & UInt16(NLM_F_DUMP_INTR) != 0
    }

    /// The device, and its namespace if the request named one.
    private static func link(_ body: NetlinkBytes) throws(NetlinkFormatError) -> (Link, Int32?)? {
        let header = try body.load(ifinfomsg.self, "link header")
        // A bridge reports its ports in messages of its own family, which say nothing about the device itself.
        guard header.ifi_family == UInt8(AddressFamilyNumber.unspecified) else { return nil }
        guard header.ifi_index > 0 else { throw .invalid(what: "link index", value: Int(header.ifi_index)) }
        var link = Link(
            index: UInt32(header.ifi_index), name: "", isUp: header.ifi_flags & LinkFlags.up != 0,
            isLoopback: header.ifi_flags & LinkFlags.loopback != 0)
        var namespace: Int32?
        try body.forEachAttribute(from: MemoryLayout<ifinfomsg>.size) { type, payload throws(NetlinkFormatError) in
            switch type {
            case Int(IFLA_ADDRESS): link.hardware = payload.hardwareAddress ?? 0
            case Int(IFLA_TARGET_NETNSID): namespace = try payload.load(Int32.self, "namespace")
            case Int(IFLA_IFNAME): link.name = payload.text
            case Int(IFLA_MASTER): link.master = try payload.load(UInt32.self, "master")
            case Int(IFLA_LINK): link.peerIndex = try payload.load(UInt32.self, "other end")
            case Int(IFLA_LINK_NETNSID):
                let number = try payload.load(Int32.self, "other end's namespace")
                link.peerNamespace = number < 0 ? nil : number
            case Int(IFLA_LINKINFO):
                (link.kind, link.tunnel) = try TunnelReader.information(payload)
            default: break
            }
        }
        return (link, namespace)
    }

    /// The address, and its namespace if the request named one by its number.
    private static func address(_ body: NetlinkBytes) throws(NetlinkFormatError) -> (LinkAddress, Int32?)? {
        let header = try body.load(ifaddrmsg.self, "address header")
        guard let family = AddressFamilyNumber.family(header.ifa_family) else { return nil }
        guard Int(header.ifa_prefixlen) <= family.bitWidth else {
            throw .invalid(what: "prefix length", value: Int(header.ifa_prefixlen))
        }
        var local: IPAddress?
        var peer: IPAddress?
        var namespace: Int32?
        try body.forEachAttribute(from: MemoryLayout<ifaddrmsg>.size) { type, payload throws(NetlinkFormatError) in
            switch type {
            case Int(IFA_LOCAL): local = try payload.address(family)
            case Int(IFA_ADDRESS): peer = try payload.address(family)
            case Int(IFA_TARGET_NETNSID): namespace = try payload.load(Int32.self, "namespace")
            default: break
            }
        }
        // On a point-to-point link IFA_ADDRESS is the far end; without IFA_LOCAL both are the same address.
        guard let own = local ?? peer else { return nil }
        return (LinkAddress(link: header.ifa_index, address: own, prefixLength: header.ifa_prefixlen), namespace)
    }
}

extension NetlinkBytes {
    /// The header and the body of the message at `position`, which moves on to the next one; nil at the end.
    func message(at position: inout Int) throws(NetlinkFormatError) -> (header: nlmsghdr, body: NetlinkBytes)? {
        guard position < count else { return nil }
        let header = try load(nlmsghdr.self, at: position, "message header")
        let (size, length) = (MemoryLayout<nlmsghdr>.size, Int(header.nlmsg_len))
        guard length >= size else { throw .invalid(what: "message length", value: length) }
        let body = try slice(position + size..<position + length, "message \(header.nlmsg_type)")
        position += Self.aligned(length)
        return (header, body)
    }
}

/// AF_UNSPEC, AF_BRIDGE, AF_INET and AF_INET6 of Linux (bits/socket.h).
enum AddressFamilyNumber {
    static let unspecified = 0
    static let bridge: UInt8 = 7

    static func family(_ number: UInt8) -> AddressFamily? {
        switch number {
        case 2: .ipv4
        case 10: .ipv6
        default: nil
        }
    }
}

/// IFF_UP and IFF_LOOPBACK (linux/if.h, which cannot be included together with glibc's net/if.h).
private enum LinkFlags {
    static let up: UInt32 = 1
    static let loopback: UInt32 = 8
}
