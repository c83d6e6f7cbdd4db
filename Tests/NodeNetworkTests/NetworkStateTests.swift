// SPDX-License-Identifier: Apache-2.0
import NetworkTypes
import NodeNetwork
import Testing

@Suite struct NetworkStateTests {
    private let pod = try! IPAddress("10.0.0.7")

    private func state(_ messages: [NetworkMessage]) -> NetworkState {
        var state = NetworkState()
        for message in messages { _ = state.observe(message) }
        return state
    }

    private func route(
        _ destination: String, by links: [UInt32], metric: UInt32 = 0, hasGateway: Bool = false
    ) -> Route {
        Route(destination: try! CIDR(destination), metric: metric, links: links, hasGateway: hasGateway)
    }

    private let veth = Link(index: 6, name: "veth6", kind: "veth")

    @Test func hostRouteByAVethIsThePodsInterface() {
        let state = state([.link(veth), .route(route("10.0.0.7/32", by: [6]), replaces: false)])
        #expect(state.interface(ofPod: pod) == PodInterface(index: 6, name: "veth6"))
        #expect(state.interface(ofPod: try! IPAddress("10.0.0.8")) == nil)
    }

    /// An interface that leads to more than this one pod, or whose target is unknown, belongs to no pod.
    @Test func whatIsNoPodsInterface() {
        let toPod = NetworkMessage.route(route("10.0.0.7/32", by: [6]), replaces: false)
        var bridge = veth
        bridge.kind = "bridge"
        var port = veth
        port.master = 3
        var physical = veth
        physical.kind = ""
        var down = veth
        down.isUp = false
        for link in [bridge, port, physical, down] {
            #expect(state([.link(link), toPod]).interface(ofPod: pod) == nil)
        }
        #expect(state([toPod]).interface(ofPod: pod) == nil)
        let beside = [
            route("0.0.0.0/0", by: [6], hasGateway: true), route("192.0.2.0/24", by: [6]),
            route("10.9.9.9/32", by: [6, 7], hasGateway: true), route("::/0", by: [6], hasGateway: true),
        ]
        for other in beside {
            #expect(state([.link(veth), toPod, .route(other, replaces: false)]).interface(ofPod: pod) == nil)
        }
        let subnet = NetworkMessage.route(route("10.0.0.0/24", by: [6]), replaces: false)
        #expect(state([.link(veth), subnet]).interface(ofPod: pod) == nil)
        let several = NetworkMessage.route(route("10.0.0.7/32", by: [6, 7]), replaces: false)
        #expect(state([.link(veth), several]).interface(ofPod: pod) == nil)
    }

    @Test func linkLocalPrefixesMeanNothing() {
        let state = state([
            .link(veth), .route(route("10.0.0.7/32", by: [6]), replaces: false),
            .route(route("fe80::/64", by: [6], metric: 256), replaces: false),
        ])
        #expect(state.interface(ofPod: pod)?.index == 6)
    }

    @Test func lowestMetricWins() {
        let other = Link(index: 7, name: "veth7", kind: "veth")
        var state = state([
            .link(veth), .link(other), .route(route("10.0.0.7/32", by: [6], metric: 10), replaces: false),
            .route(route("10.0.0.7/32", by: [7], metric: 5), replaces: false),
        ])
        #expect(state.interface(ofPod: pod)?.index == 7)
        #expect(state.observe(.routeRemoved(route("10.0.0.7/32", by: [7], metric: 5))) == .changed)
        #expect(state.interface(ofPod: pod)?.index == 6)
    }

    @Test func replacedRoute() {
        let other = Link(index: 7, name: "veth7", kind: "veth")
        let state = state([
            .link(veth), .link(other), .route(route("10.0.0.7/32", by: [6]), replaces: false),
            .route(route("10.0.0.7/32", by: [7]), replaces: true),
        ])
        #expect(state.interface(ofPod: pod)?.index == 7)
        #expect(state.routes.values.joined().count == 1)
    }

    /// The kernel removes these without a message for each.
    @Test func routesGoWithTheirLink() {
        var state = state([
            .link(veth), .route(route("10.0.0.7/32", by: [6]), replaces: false),
            .route(route("fd00::7/128", by: [6]), replaces: false),
        ])
        var down = veth
        down.isUp = false
        #expect(state.observe(.link(down)) == .changed)
        #expect(state.routes.keys.map(\.description) == ["fd00::7/128"])
        #expect(state.observe(.linkRemoved(index: 6)) == .changed)
        #expect(state == NetworkState())
    }

    @Test func staleAfterWhatTheKernelDoesNotTell() {
        let address = LinkAddress(link: 6, address: try! IPAddress("10.0.0.1"), prefixLength: 32)
        let address6 = LinkAddress(link: 6, address: try! IPAddress("fd00::1"), prefixLength: 128)
        var state = state([
            .link(veth), .address(address), .address(address6),
            .route(route("10.0.0.0/24", by: [6, 7], hasGateway: true), replaces: false),
        ])
        #expect(state.observe(.addressRemoved(address6)) == .changed)
        #expect(state.observe(.addressRemoved(address)) == .stale)
        #expect(state.observe(.addressRemoved(address)) == .unchanged)
        #expect(state.observe(.routeRemoved(route("10.0.0.0/24", by: [7], hasGateway: true))) == .stale)
    }

    /// A pair whose other end is in another namespace leads to a pod; a tunnel, and a pair within the node, may lead
    /// anywhere.
    @Test func podAddresses() {
        let toPod = NetworkMessage.route(route("10.0.0.7/32", by: [6]), replaces: false)
        var away = veth
        away.peerNamespace = 3
        var tunnel = away
        tunnel.kind = "tun"
        tunnel.peerNamespace = nil
        let found = state([.link(away), toPod]).podAddresses
        #expect(found == [PodInterface(index: 6, name: away.name): [pod]])
        #expect(state([.link(veth), toPod]).podAddresses.isEmpty)
        #expect(state([.link(tunnel), toPod]).podAddresses.isEmpty)
        let own = NetworkMessage.address(LinkAddress(link: 9, address: pod, prefixLength: 32))
        #expect(state([.link(away), .link(Link(index: 9, name: "eth0")), own, toPod]).podAddresses.isEmpty)
    }

    @Test func ownAddresses() throws {
        let loopback = Link(index: 1, name: "lo", isLoopback: true)
        let state = state([
            .link(loopback), .link(veth),
            .address(LinkAddress(link: 1, address: try IPAddress("127.0.0.1"), prefixLength: 8)),
            .address(LinkAddress(link: 6, address: try IPAddress("192.0.2.10"), prefixLength: 24)),
            .address(LinkAddress(link: 6, address: try IPAddress("fe80::1"), prefixLength: 64)),
            .address(LinkAddress(link: 6, address: try IPAddress("2001:db8::10"), prefixLength: 64)),
        ])
        #expect(state.ownAddresses == [try IPAddress("192.0.2.10"), try IPAddress("2001:db8::10")])
    }

    @Test func ownPrefixes() throws {
        var away = veth
        away.peerNamespace = 3
        let state = state([
            .link(Link(index: 1, name: "lo", isLoopback: true)), .link(Link(index: 9, name: "eth0")), .link(away),
            .address(LinkAddress(link: 1, address: try IPAddress("127.0.0.1"), prefixLength: 8)),
            .address(LinkAddress(link: 9, address: try IPAddress("192.0.2.10"), prefixLength: 24)),
            .address(LinkAddress(link: 9, address: try IPAddress("fe80::9"), prefixLength: 64)),
            .address(LinkAddress(link: 6, address: try IPAddress("fe80::1"), prefixLength: 64)),
            .localRoute(LocalRoute(destination: try CIDR("127.0.0.0/8"), link: 1)),
            .localRoute(LocalRoute(destination: try CIDR("198.51.100.0/24"), link: 1)),
            .localRoute(LocalRoute(destination: try CIDR("0.0.0.0/0"), link: 1)),
            .localRoute(LocalRoute(destination: try CIDR("fe80::1/128"), link: 6)),
        ])
        let wanted = try ["127.0.0.0/8", "192.0.2.10/32", "198.51.100.0/24", "fe80::9/128"].map { try CIDR($0) }
        #expect(state.ownPrefixes == Set(wanted))
    }
}
