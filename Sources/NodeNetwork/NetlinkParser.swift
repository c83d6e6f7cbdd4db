// SPDX-License-Identifier: Apache-2.0
import CLinuxShim
import NetworkTypes

/// Reads rtnetlink datagrams (linux/netlink.h, linux/rtnetlink.h). Pure: bytes in, messages out.
public enum NetlinkParser {
    /// All messages of one datagram, in order.
    ///
    /// - Throws: ``NodeNetworkError/truncated(what:needed:available:)`` and
    ///   ``NodeNetworkError/invalid(what:value:)`` for bytes that are no netlink messages.
    public static func parse(_ datagram: UnsafeRawBufferPointer) throws(NodeNetworkError) -> [NetworkMessage] {
        let bytes = NetlinkBytes(bytes: datagram)
        let headerSize = MemoryLayout<nlmsghdr>.size
        var messages: [NetworkMessage] = []
        var position = 0
        while position < bytes.count {
            let header = try bytes.load(nlmsghdr.self, at: position, "message header")
            let length = Int(header.nlmsg_len)
            guard length >= headerSize else { throw .invalid(what: "message length", value: length) }
            let body = try bytes.slice(position + headerSize..<position + length, "message \(header.nlmsg_type)")
            messages.append(try message(header, body))
            position += NetlinkBytes.aligned(length)
        }
        return messages
    }

    private static func message(_ header: nlmsghdr, _ body: NetlinkBytes) throws(NodeNetworkError) -> NetworkMessage {
        switch Int(header.nlmsg_type) {
        case Int(NLMSG_DONE):
            return .dumpDone(sequence: header.nlmsg_seq, interrupted: isInterrupted(header))
        case Int(NLMSG_ERROR):
            let code = try body.load(Int32.self, "error code")
            return .refused(sequence: header.nlmsg_seq, code: -code)
        case Int(RTM_NEWLINK): return try link(body).map { .link($0) } ?? .other
        case Int(RTM_DELLINK): return try link(body).map { .linkRemoved(index: $0.index) } ?? .other
        case Int(RTM_NEWADDR):
            guard let (address, namespace) = try address(body) else { return .other }
            return namespace.map { .peerAddress(namespace: $0, address) } ?? .address(address)
        case Int(RTM_DELADDR): return try address(body).map { .addressRemoved($0.0) } ?? .other
        case Int(RTM_NEWNEIGH): return try NeighbourReader.message(body, isRemoval: false)
        case Int(RTM_DELNEIGH): return try NeighbourReader.message(body, isRemoval: true)
        case Int(RTM_NEWROUTE):
            let replaces = header.nlmsg_flags & UInt16(NLM_F_REPLACE) != 0
            return try route(body).map { .route($0, replaces: replaces) } ?? .other
        case Int(RTM_DELROUTE): return try route(body).map { .routeRemoved($0) } ?? .other
        default: return .other
        }
    }

    private static func isInterrupted(_ header: nlmsghdr) -> Bool {
        header.nlmsg_flags & UInt16(NLM_F_DUMP_INTR) != 0
    }

    private static func link(_ body: NetlinkBytes) throws(NodeNetworkError) -> Link? {
        let header = try body.load(ifinfomsg.self, "link header")
        // A bridge tells of its ports in messages of its own family, which say nothing about the device itself.
        guard header.ifi_family == UInt8(AddressFamilyNumber.unspecified) else { return nil }
        guard header.ifi_index > 0 else { throw .invalid(what: "link index", value: Int(header.ifi_index)) }
        var link = Link(
            index: UInt32(header.ifi_index), name: "", isUp: header.ifi_flags & LinkFlags.up != 0,
            isLoopback: header.ifi_flags & LinkFlags.loopback != 0)
        try body.forEachAttribute(from: MemoryLayout<ifinfomsg>.size) { type, payload throws(NodeNetworkError) in
            switch type {
            case Int(IFLA_IFNAME): link.name = payload.text
            case Int(IFLA_MASTER): link.master = try payload.load(UInt32.self, "master")
            case Int(IFLA_LINK): link.peerIndex = try payload.load(UInt32.self, "other end")
            case Int(IFLA_LINK_NETNSID):
                let number = try payload.load(Int32.self, "other end's namespace")
                link.peerNamespace = number < 0 ? nil : number
            case Int(IFLA_LINKINFO):
                try payload.forEachAttribute(from: 0) { type, payload throws(NodeNetworkError) in
                    if type == Int(IFLA_INFO_KIND) { link.kind = payload.text }
                }
            default: break
            }
        }
        return link
    }

    /// The address, and the namespace that it is in where that was asked for by its number.
    private static func address(_ body: NetlinkBytes) throws(NodeNetworkError) -> (LinkAddress, Int32?)? {
        let header = try body.load(ifaddrmsg.self, "address header")
        guard let family = AddressFamilyNumber.family(header.ifa_family) else { return nil }
        guard Int(header.ifa_prefixlen) <= family.bitWidth else {
            throw .invalid(what: "prefix length", value: Int(header.ifa_prefixlen))
        }
        var local: IPAddress?
        var peer: IPAddress?
        var namespace: Int32?
        try body.forEachAttribute(from: MemoryLayout<ifaddrmsg>.size) { type, payload throws(NodeNetworkError) in
            switch type {
            case Int(IFA_LOCAL): local = try payload.address(family)
            case Int(IFA_ADDRESS): peer = try payload.address(family)
            case Int(IFA_TARGET_NETNSID): namespace = try payload.load(Int32.self, "namespace")
            default: break
            }
        }
        // On a point-to-point link IFA_ADDRESS is the far end; where IFA_LOCAL is missing the two are one.
        guard let own = local ?? peer else { return nil }
        return (LinkAddress(link: header.ifa_index, address: own, prefixLength: header.ifa_prefixlen), namespace)
    }

    private static func route(_ body: NetlinkBytes) throws(NodeNetworkError) -> Route? {
        let header = try body.load(rtmsg.self, "route header")
        guard let family = AddressFamilyNumber.family(header.rtm_family) else { return nil }
        guard Int(header.rtm_dst_len) <= family.bitWidth else {
            throw .invalid(what: "prefix length", value: Int(header.rtm_dst_len))
        }
        // RTM_F_CLONED: an entry of the route cache, not a route.
        guard header.rtm_type == UInt8(RTN_UNICAST), header.rtm_flags & UInt32(RTM_F_CLONED) == 0,
            header.rtm_src_len == 0
        else { return nil }
        var table = UInt32(header.rtm_table)
        var destination: IPAddress?
        var route = Route(destination: CIDR(family.zero, prefixLength: 0), links: [])
        try body.forEachAttribute(from: MemoryLayout<rtmsg>.size) { type, payload throws(NodeNetworkError) in
            switch type {
            case Int(RTA_TABLE.rawValue): table = try payload.load(UInt32.self, "table")
            case Int(RTA_DST.rawValue): destination = try payload.address(family)
            case Int(RTA_OIF.rawValue): route.links.append(try payload.load(UInt32.self, "route device"))
            case Int(RTA_PRIORITY.rawValue): route.metric = try payload.load(UInt32.self, "metric")
            case Int(RTA_GATEWAY.rawValue), Int(RTA_VIA.rawValue): route.hasGateway = true
            case Int(RTA_MULTIPATH.rawValue): try nextHops(payload, into: &route)
            default: break
            }
        }
        guard table == UInt32(RT_TABLE_MAIN.rawValue), !route.links.isEmpty else { return nil }
        if destination == nil, header.rtm_dst_len != 0 {
            throw .invalid(what: "prefix length without a destination", value: Int(header.rtm_dst_len))
        }
        route.destination = CIDR(destination ?? family.zero, prefixLength: Int(header.rtm_dst_len))
        route.links.sort()
        return route
    }

    /// RTA_MULTIPATH: a row of `struct rtnexthop`, each with attributes of its own.
    private static func nextHops(_ payload: NetlinkBytes, into route: inout Route) throws(NodeNetworkError) {
        let headerSize = MemoryLayout<rtnexthop>.size
        var position = 0
        while position < payload.count {
            let hop = try payload.load(rtnexthop.self, at: position, "next hop")
            let length = Int(hop.rtnh_len)
            guard length >= headerSize else { throw .invalid(what: "next hop length", value: length) }
            let attributes = try payload.slice(position..<position + length, "next hop")
            if hop.rtnh_ifindex > 0 { route.links.append(UInt32(hop.rtnh_ifindex)) }
            var hasGateway = false
            try attributes.forEachAttribute(from: headerSize) { type, _ in
                if type == Int(RTA_GATEWAY.rawValue) || type == Int(RTA_VIA.rawValue) { hasGateway = true }
            }
            if hasGateway { route.hasGateway = true }
            position += NetlinkBytes.aligned(length)
        }
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

/// IFF_UP and IFF_LOOPBACK (linux/if.h, which cannot be included beside glibc's net/if.h).
private enum LinkFlags {
    static let up: UInt32 = 1
    static let loopback: UInt32 = 8
}

extension AddressFamily {
    fileprivate var zero: IPAddress { self == .ipv4 ? IPAddress(v4: 0) : IPAddress(v6High: 0, low: 0) }
}
