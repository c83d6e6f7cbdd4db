// SPDX-License-Identifier: Apache-2.0
import CLinuxShim
import NetlinkAttributes
import NetworkTypes

/// Reads `struct rtmsg`.
enum RouteReader {
    enum Read {
        /// A route of the main table.
        case unicast(Route)
        /// A route of the tables in which every packet is looked up; routes of other tables, which transparent proxies
        /// use, apply only to marked packets.
        case local(LocalRoute)
    }

    /// Nil for other kinds of routes and for tables that do not count.
    static func route(_ body: NetlinkBytes) throws(NetlinkFormatError) -> Read? {
        let header = try body.load(rtmsg.self, "route header")
        guard let family = AddressFamilyNumber.family(header.rtm_family) else { return nil }
        guard Int(header.rtm_dst_len) <= family.bitWidth else {
            throw .invalid(what: "prefix length", value: Int(header.rtm_dst_len))
        }
        // RTM_F_CLONED: an entry of the route cache, not a route.
        let isLocal = [UInt8(RTN_LOCAL), UInt8(RTN_ANYCAST)].contains(header.rtm_type)
        guard isLocal || header.rtm_type == UInt8(RTN_UNICAST), header.rtm_flags & UInt32(RTM_F_CLONED) == 0,
            header.rtm_src_len == 0
        else { return nil }
        var table = UInt32(header.rtm_table)
        var destination: IPAddress?
        var route = Route(destination: CIDR(family.zero, prefixLength: 0), links: [])
        try body.forEachAttribute(from: MemoryLayout<rtmsg>.size) { type, payload throws(NetlinkFormatError) in
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
        guard !route.links.isEmpty,
            table == UInt32(RT_TABLE_MAIN.rawValue) || isLocal && table == UInt32(RT_TABLE_LOCAL.rawValue)
        else { return nil }
        if destination == nil, header.rtm_dst_len != 0 {
            throw .invalid(what: "prefix length without a destination", value: Int(header.rtm_dst_len))
        }
        route.destination = CIDR(destination ?? family.zero, prefixLength: Int(header.rtm_dst_len))
        route.links.sort()
        return isLocal
            ? .local(LocalRoute(destination: route.destination, link: route.links[0])) : .unicast(route)
    }

    /// RTA_MULTIPATH: a row of `struct rtnexthop`, each with attributes of its own.
    private static func nextHops(_ payload: NetlinkBytes, into route: inout Route) throws(NetlinkFormatError) {
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

extension AddressFamily {
    fileprivate var zero: IPAddress { self == .ipv4 ? IPAddress(v4: 0) : IPAddress(v6High: 0, low: 0) }
}
