// SPDX-License-Identifier: Apache-2.0
import Glibc
import NetlinkAttributes
import NetworkTypes

/// A network device of the node, as rtnetlink reports it (`struct ifinfomsg`, IFLA_*).
public struct Link: Sendable, Hashable {
    public var index: UInt32
    public var name: String
    /// IFLA_INFO_KIND: `veth`, `bridge`, `tun`, …; empty for physical devices.
    public var kind: String
    /// Index of the bridge or bond to which this device belongs as a port; 0 for none.
    public var master: UInt32
    public var isUp: Bool
    public var isLoopback: Bool
    /// IFLA_LINK: for a veth pair, the other end's index in its own namespace; 0 for none.
    public var peerIndex: UInt32 = 0
    /// IFLA_LINK_NETNSID: this namespace's number for the other end's namespace; nil if it is this one, or unknown.
    public var peerNamespace: Int32?
    /// IFLA_ADDRESS: six bytes, the first one uppermost; 0 for none of that kind.
    public var hardware: UInt64 = 0
    /// What the device decapsulates, if it is the end of a tunnel.
    public var tunnel: TunnelEnd?

    public init(
        index: UInt32, name: String, kind: String = "", master: UInt32 = 0, isUp: Bool = true, isLoopback: Bool = false,
        peerIndex: UInt32 = 0, peerNamespace: Int32? = nil, hardware: UInt64 = 0, tunnel: TunnelEnd? = nil
    ) {
        self.index = index
        self.name = name
        self.kind = kind
        self.master = master
        self.isUp = isUp
        self.isLoopback = isLoopback
        self.peerIndex = peerIndex
        self.peerNamespace = peerNamespace
        self.hardware = hardware
        self.tunnel = tunnel
    }
}

/// Packets that a tunnel device receives and decapsulates.
public struct TunnelEnd: Sendable, Hashable {
    /// UDP destination ports.
    public var udpPorts: Set<UInt16>
    /// IP protocols.
    public var protocols: Set<UInt8>
    public init(udpPorts: Set<UInt16> = [], protocols: Set<UInt8> = []) {
        self.udpPorts = udpPorts
        self.protocols = protocols
    }
}

/// A route that makes addresses the node's own (RTN_LOCAL, RTN_ANYCAST): for a device's address, for the loopback
/// device, or for a whole prefix that an administrator made local.
public struct LocalRoute: Sendable, Hashable {
    public var destination: CIDR
    public var link: UInt32
    public init(destination: CIDR, link: UInt32) {
        self.destination = destination
        self.link = link
    }
}

/// An address of a device (`struct ifaddrmsg`, IFA_*).
public struct LinkAddress: Sendable, Hashable {
    public var link: UInt32
    public var address: IPAddress
    /// The prefix length of the address's subnet: 0...32 or 0...128.
    public var prefixLength: UInt8

    public init(link: UInt32, address: IPAddress, prefixLength: UInt8) {
        self.link = link
        self.address = address
        self.prefixLength = prefixLength
    }
}

/// A unicast route of the main table (`struct rtmsg`, RTA_*).
public struct Route: Sendable, Hashable {
    public var destination: CIDR
    /// RTA_PRIORITY: of two routes to one destination, the one with the lower metric is used.
    public var metric: UInt32
    /// Devices through which packets leave, several if there are several next hops; sorted, not empty.
    public var links: [UInt32]
    /// Whether a next hop is a router: the destination is not on the link itself.
    public var hasGateway: Bool

    public init(destination: CIDR, metric: UInt32 = 0, links: [UInt32], hasGateway: Bool = false) {
        self.destination = destination
        self.metric = metric
        self.links = links
        self.hasGateway = hasGateway
    }
}

/// The hardware address of an IP address on a link (`struct ndmsg`, NDA_*).
public struct Neighbor: Sendable, Hashable {
    public var link: UInt32
    public var address: IPAddress
    /// Six bytes, the first one uppermost; 0 if unknown, or no longer known.
    public var hardware: UInt64

    public init(link: UInt32, address: IPAddress, hardware: UInt64) {
        self.link = link
        self.address = address
        self.hardware = hardware
    }
}

/// The port through which a bridge reaches a hardware address, learned or configured (`struct ndmsg` of the bridges'
/// family).
/// bridges' family).
public struct ForwardingEntry: Sendable, Hashable {
    public var bridge: UInt32
    public var port: UInt32
    /// Six bytes, the first one uppermost.
    public var hardware: UInt64

    public init(bridge: UInt32, port: UInt32, hardware: UInt64) {
        self.bridge = bridge
        self.port = port
        self.hardware = hardware
    }
}

/// One rtnetlink message about the node's network.
public enum NetworkMessage: Sendable, Hashable {
    /// A device is new or differs.
    case link(Link)
    case linkRemoved(index: UInt32)
    case address(LinkAddress)
    case addressRemoved(LinkAddress)
    /// An address in another namespace, requested by this namespace's number for it; `link` is an index there.
    case peerAddress(namespace: Int32, LinkAddress)
    /// The hardware address of a device in another namespace, requested in the same way; `link` is an index there.
    case peerLink(namespace: Int32, link: UInt32, hardware: UInt64)
    /// A neighbor's hardware address is known.
    case neighbor(Neighbor)
    case neighborRemoved(Neighbor)
    /// A bridge knows the port that leads to a hardware address.
    case forwarding(ForwardingEntry)
    case forwardingRemoved(ForwardingEntry)
    /// A route is new. `replaces`: it replaces the first route to the same destination with the same metric.
    case route(Route, replaces: Bool)
    case routeRemoved(Route)
    case localRoute(LocalRoute)
    case localRouteRemoved(LocalRoute)
    /// The dump with this sequence number is complete. `interrupted`: its content is inconsistent.
    case dumpDone(sequence: UInt32, interrupted: Bool)
    /// The kernel refused a request with this errno.
    case refused(sequence: UInt32, code: Int32)
    /// Something else: other tables, multicast and blackhole routes, other families.
    case other
}

/// Why the node's network could not be read.
public enum NodeNetworkError: Error, Sendable, Hashable, CustomStringConvertible {
    /// `what` needs `needed` bytes where `available` are left, or claims to be longer than its container.
    case truncated(what: String, needed: Int, available: Int)
    /// A value that its field cannot have.
    case invalid(what: String, value: Int)
    /// A system call failed with the errno `code`.
    case system(operation: String, code: Int32)

    init(_ error: NetlinkFormatError) {
        switch error {
        case .truncated(let what, let needed, let available):
            self = .truncated(what: what, needed: needed, available: available)
        case .invalid(let what, let value): self = .invalid(what: what, value: value)
        }
    }

    public var description: String {
        switch self {
        case .truncated(let what, let needed, let available):
            "netlink message cut short: \(what) needs \(needed) bytes, \(available) are there"
        case .invalid(let what, let value): "netlink message with \(what) \(value)"
        case .system(let operation, let code): "\(operation): \(String(cString: strerror(code)))"
        }
    }
}
