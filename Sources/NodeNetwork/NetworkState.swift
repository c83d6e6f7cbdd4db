// SPDX-License-Identifier: Apache-2.0
import NetworkTypes

/// Where a pod's packets enter the node.
public struct PodInterface: Sendable, Hashable {
    public var index: UInt32
    public var name: String
    public init(index: UInt32, name: String) {
        self.index = index
        self.name = name
    }
}

/// Devices, addresses and main-table routes of one network namespace, and what they say about pods. A value without
/// I/O: messages go in through ``observe(_:)``.
public struct NetworkState: Sendable, Equatable {
    /// What a message did to the state.
    public enum Effect: Sendable, Hashable {
        case unchanged
        case changed
        /// The kernel removes more than it reports (an IPv4 address takes routes with it): dump again.
        case stale
    }

    public private(set) var links: [UInt32: Link] = [:]
    public private(set) var addresses: Set<LinkAddress> = []
    /// By destination, every route to it.
    public private(set) var routes: [CIDR: [Route]] = [:]
    /// How many routes to more than one address, or through a router, use each device: such a device leads to more than
    /// one pod.
    private var wideRoutes: [UInt32: Int] = [:]
    /// Routes that make addresses the node's own.
    public private(set) var localRoutes: Set<LocalRoute> = []
    /// By link: the last known state of the other end, if that is in another namespace.
    public internal(set) var peers: [UInt32: LinkPeer] = [:]
    /// UDP ports on which the kernel decapsulates tunnel packets, whichever device receives them then.
    public internal(set) var encapsulationPorts: Set<UInt16> = []
    /// What bridges have learned about the hosts behind their ports.
    public internal(set) var bridges = BridgeState()

    public init() {}

    /// Applies one message of a dump or a notification.
    public mutating func observe(_ message: NetworkMessage) -> Effect {
        switch message {
        case .link(let link): set(link)
        case .linkRemoved(let index): removeLink(index)
        case .address(let address): addresses.insert(address).inserted ? .changed : .unchanged
        case .addressRemoved(let address):
            addresses.remove(address) == nil ? .unchanged : address.address.family == .ipv4 ? .stale : .changed
        case .route(let route, let replaces): add(route, replaces: replaces)
        case .routeRemoved(let route):
            // If one of several next hops is removed, the kernel reports a route that is unknown here.
            remove(route) ? .changed : routes[route.destination] == nil ? .unchanged : .stale
        case .localRoute(let route): localRoutes.insert(route).inserted ? .changed : .unchanged
        case .localRouteRemoved(let route): localRoutes.remove(route) == nil ? .unchanged : .changed
        case .peerAddress, .peerLink: observePeers(message)
        case .neighbor, .neighborRemoved, .forwarding, .forwardingRemoved: observeBridges(message)
        case .dumpDone, .refused, .other: .unchanged
        }
    }

    /// The addresses that are this node's own: those of every device, without the loopback device's and IPv6 link-local
    /// ones (each link has its own of those, so they do not identify the sender).
    public var ownAddresses: Set<IPAddress> {
        Set(
            addresses.lazy
                .filter { self.links[$0.link]?.isLoopback != true && !Self.linkLocal.contains($0.address) }
                .map(\.address))
    }

    /// What the node delivers to itself: the addresses of all devices, link-local ones and the loopback device's
    /// included, and prefixes that an administrator made local. Link-local addresses of pairs into other namespaces are
    /// excluded, because they come and go with pods. A local default route makes no address the node's.
    public var ownPrefixes: Set<CIDR> {
        func isOwn(_ address: IPAddress, at link: UInt32) -> Bool {
            !address.isLinkLocal || links[link]?.peerNamespace == nil
        }
        var prefixes: Set<CIDR> = []
        for route in localRoutes where route.destination.prefixLength > 0 {
            if isOwn(route.destination.network, at: route.link) { prefixes.insert(route.destination) }
        }
        for address in addresses where isOwn(address.address, at: address.link) {
            prefixes.insert(CIDR(host: address.address))
        }
        let wide = prefixes.filter { !$0.isHost }
        return prefixes.filter { prefix in !wide.contains { $0 != prefix && $0.contains(prefix) } }
    }

    /// What the node's tunnel devices that are up decapsulate.
    public var tunnels: TunnelEnd {
        let ports = TunnelEnd(udpPorts: encapsulationPorts)
        return links.values.lazy.filter(\.isUp).compactMap(\.tunnel).reduce(into: ports) { all, end in
            all.udpPorts.formUnion(end.udpPorts)
            all.protocols.formUnion(end.protocols)
        }
    }

    /// Whether routes to more than one address, or to a router, use the device: it leads to more than one pod.
    func leadsFurther(_ link: UInt32) -> Bool { wideRoutes[link, default: 0] > 0 }

    /// The device that leads to the pod with this address and to nothing else: the most specific route of the main
    /// table is to this single address, directly through one virtual device that is not a bridge port and that no wider
    /// route, default route or router uses. Nil if the routes do not show this.
    public func interface(ofPod address: IPAddress) -> PodInterface? {
        guard let candidates = routes[CIDR(host: address)],
            let route = candidates.min(by: { $0.metric < $1.metric }),
            !route.hasGateway, route.links.count == 1, let link = links[route.links[0]], link.isUp, link.master == 0,
            Self.podKinds.contains(link.kind), !leadsFurther(link.index)
        else { return nil }
        return PodInterface(index: link.index, name: link.name)
    }

    /// Device kinds whose far end may be a pod: pairs into another namespace, and tunnels to a sandbox (gVisor, a
    /// virtual machine).
    static let podKinds: Set<String> = ["veth", "netkit", "tun"]

    /// fe80::/10 (RFC 4291, 2.5.6).
    static let linkLocal = CIDR(IPAddress(v6High: 0xfe80 << 48, low: 0), prefixLength: 10)

    /// 169.254.0.0/16 (RFC 3927).
    static let linkLocal4 = CIDR(IPAddress(v4: 0xa9fe_0000), prefixLength: 16)

    private mutating func set(_ link: Link) -> Effect {
        let before = links.updateValue(link, forKey: link.index)
        if before == link { return .unchanged }
        if before?.peerNamespace != link.peerNamespace || before?.peerIndex != link.peerIndex {
            peers[link.index] = nil
        }
        // Taking a device down removes its IPv4 routes without a message for each.
        if before?.isUp == true, !link.isUp { removeRoutes(by: link.index) { $0.destination.family == .ipv4 } }
        return .changed
    }

    private mutating func removeLink(_ index: UInt32) -> Effect {
        guard links.removeValue(forKey: index) != nil else { return .unchanged }
        bridges.forget(index)
        peers[index] = nil
        localRoutes = localRoutes.filter { $0.link != index }
        removeRoutes(by: index) { _ in true }
        addresses = addresses.filter { $0.link != index }
        return .changed
    }

    private mutating func add(_ route: Route, replaces: Bool) -> Effect {
        var known = routes[route.destination, default: []]
        if known.contains(route) { return .unchanged }
        if replaces, let old = known.firstIndex(where: { $0.metric == route.metric }) {
            count(known.remove(at: old), by: -1)
        }
        known.append(route)
        routes[route.destination] = known
        count(route, by: 1)
        return .changed
    }

    private mutating func remove(_ route: Route) -> Bool {
        guard var known = routes[route.destination], let index = known.firstIndex(of: route) else { return false }
        count(known.remove(at: index), by: -1)
        routes[route.destination] = known.isEmpty ? nil : known
        return true
    }

    private mutating func removeRoutes(by link: UInt32, where matches: (Route) -> Bool) {
        let gone = routes.values.joined().filter { $0.links.contains(link) && matches($0) }
        for route in gone { _ = remove(route) }
    }

    private mutating func count(_ route: Route, by step: Int) {
        // Each IPv6 device has routes to its own link-local and multicast prefixes.
        let isWide = route.hasGateway || !route.destination.isHost
        guard isWide, !Self.linkLocal.contains(route.destination) else { return }
        for link in route.links {
            let left = wideRoutes[link, default: 0] + step
            wideRoutes[link] = left == 0 ? nil : left
        }
    }
}
