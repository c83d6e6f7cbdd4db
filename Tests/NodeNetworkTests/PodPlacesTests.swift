// SPDX-License-Identifier: Apache-2.0
import NetworkTypes
import NodeNetwork
import Testing

/// Which link is whose, whatever pods do to theirs.
@Suite struct PodPlacesTests {
    private let a = try! IPAddress("10.0.0.7")
    private let a6 = try! IPAddress("fd00::7")
    private let b = try! IPAddress("10.0.0.8")
    private let hardware: UInt64 = 0x0200_0000_0007

    /// A bridge 4 with three ports, 5 and 6 whose other ends can be asked, 7 whose can't, and a physical port 8; routed
    /// pairs 10 and 11 into namespaces 3 and 4.
    private func state(_ messages: [NetworkMessage]) -> NetworkState {
        var state = NetworkState()
        let links = [
            Link(index: 4, name: "cni0", kind: "bridge", hardware: 0x0200_0000_0004),
            Link(index: 5, name: "veth5", kind: "veth", master: 4, peerIndex: 2, peerNamespace: 1),
            Link(index: 6, name: "veth6", kind: "veth", master: 4, peerIndex: 2, peerNamespace: 2),
            Link(index: 7, name: "tap7", kind: "tun", master: 4),
            Link(index: 8, name: "eth0", master: 4),
            Link(index: 10, name: "veth10", kind: "veth", peerIndex: 2, peerNamespace: 3),
            Link(index: 11, name: "veth11", kind: "veth", peerIndex: 2, peerNamespace: 4),
        ]
        for message in links.map({ .link($0) }) + messages { _ = state.observe(message) }
        return state
    }

    private func at(_ namespace: Int32, _ address: IPAddress, link: UInt32 = 2) -> NetworkMessage {
        .peerAddress(namespace: namespace, LinkAddress(link: link, address: address, prefixLength: 24))
    }
    private func hardware(_ namespace: Int32, _ hardware: UInt64) -> NetworkMessage {
        .peerLink(namespace: namespace, link: 2, hardware: hardware)
    }
    private func route(_ address: IPAddress, by link: UInt32) -> NetworkMessage {
        .route(Route(destination: CIDR(host: address), links: [link]), replaces: false)
    }
    private var neighbor: NetworkMessage { .neighbor(Neighbor(link: 4, address: a, hardware: hardware)) }
    private func learned(_ port: UInt32) -> NetworkMessage {
        .forwarding(ForwardingEntry(bridge: 4, port: port, hardware: hardware))
    }

    private var claims: [Int: PodPlaces.Claim] { [1: .init(addresses: [a, a6]), 2: .init(addresses: [b])] }

    /// Port or first interface of each pod.
    private func links(_ places: inout PodPlaces, _ messages: [NetworkMessage]) -> [Int: UInt32] {
        places.update(claims, in: state(messages)).compactMapValues {
            $0.port?.port.index ?? $0.interfaces.first?.index
        }
    }

    @Test func addressAtTheOtherEnd() {
        var places = PodPlaces()
        #expect(links(&places, [at(1, a), at(2, b)]) == [1: 5, 2: 6])
        // Another device of that namespace, and a namespace that nothing leads to.
        var others = PodPlaces()
        #expect(links(&others, [at(1, a, link: 3), at(9, b)]) == [:])
        let place = places.update(claims, in: state([at(1, a)]))[1]
        #expect(place?.port?.bridge == PodInterface(index: 4, name: "cni0"))
    }

    /// A pod may drop its address, add or take over another's, with or without the other keeping it, or hide in a
    /// namespace of its own.
    @Test func podsChangeNothing() {
        var places = PodPlaces()
        _ = links(&places, [at(1, a), at(2, b)])
        let hidden = Link(index: 5, name: "veth5", kind: "veth", master: 4, peerIndex: 2, peerNamespace: 8)
        for messages in [
            [at(2, b)], [], [at(1, b), at(2, b)], [at(1, a), at(1, b), at(2, b)], [at(1, b), at(2, a)],
            [.link(hidden), at(2, b)], [.link(hidden), at(8, b)], [at(2, b), neighbor, learned(7)],
        ] as [[NetworkMessage]] { #expect(links(&places, messages) == [1: 5, 2: 6]) }
    }

    /// What is there already when another claims it stays; of two at once neither is believed.
    @Test func firstComeFirstServed() {
        var places = PodPlaces()
        _ = places.update([Int: PodPlaces.Claim](), in: state([at(2, b)]))
        #expect(links(&places, [at(1, a), at(1, b), at(2, b)]) == [1: 5, 2: 6])
        var others = PodPlaces()
        #expect(others.update([2: claims[2]!], in: state([at(1, b), at(2, b)])) == [:])
        // Another pod's port claims nothing.
        #expect(links(&others, [at(1, a), at(1, b), at(2, b)]) == [1: 5, 2: 6])
    }

    @Test func runtimeOverrides() {
        var places = PodPlaces()
        _ = links(&places, [at(1, a), at(2, b)])
        let told = [1: PodPlaces.Claim(addresses: [a, a6], runtimeLinks: ["veth6"]), 2: claims[2]!]
        let found = places.update(told, in: state([at(1, a), at(2, b)]))
        #expect(found[1]?.port?.port.index == 6)
        #expect(found[2]?.port == nil)
    }

    @Test func linksComeAndGo() {
        var places = PodPlaces()
        _ = links(&places, [at(1, a), at(2, b)])
        // The pod is gone, and its index taken by another's interface.
        let other = Link(index: 5, name: "other", kind: "veth", master: 4, peerIndex: 2, peerNamespace: 1)
        #expect(links(&places, [.link(other), at(2, b)]) == [2: 6])
        #expect(links(&places, [.linkRemoved(index: 5), at(2, b), at(3, a)]) == [1: 10, 2: 6])
        // No pod has its addresses any more: another pod may.
        #expect(places.update([2: claims[2]!], in: state([at(3, a)]))[2]?.port?.port.index == 6)
        #expect(!places.isBound(10) && places.isBound(6))
    }

    @Test func routes() {
        var places = PodPlaces()
        #expect(links(&places, [route(a, by: 10), route(b, by: 11)]) == [1: 10, 2: 11])
        // A pod's route leads elsewhere.
        #expect(links(&places, [route(a, by: 11), route(b, by: 11)]) == [1: 10, 2: 11])
        // The other end knows better.
        var others = PodPlaces()
        #expect(links(&others, [route(a, by: 11), at(3, a), at(4, b)]) == [1: 10, 2: 11])
    }

    /// A further interface in the same namespace is the pod's, unless it leads further.
    @Test func secondInterface() throws {
        let second = Link(index: 12, name: "veth12", kind: "veth", peerIndex: 3, peerNamespace: 3)
        var places = PodPlaces()
        let found = places.update(claims, in: state([.link(second), route(a, by: 10), route(b, by: 11)]))
        #expect(found[1]?.interfaces.map(\.index) == [10, 12])
        #expect(found[2]?.interfaces.map(\.index) == [11])
        // It stays when the pod hides it.
        var hidden = second
        hidden.peerNamespace = 9
        let later = places.update(claims, in: state([.link(hidden), route(a, by: 10), route(b, by: 11)]))
        #expect(later[1]?.interfaces.map(\.index) == [10, 12])
        var router = PodPlaces()
        let wide = Route(destination: try CIDR("10.9.0.0/16"), links: [12])
        let routed = router.update(claims, in: state([.link(second), .route(wide, replaces: false), route(a, by: 10)]))
        #expect(routed[1]?.interfaces.map(\.index) == [10])
    }

    /// Bridges are asked where nothing else is known, and forgotten when something is.
    @Test func learnedPort() {
        var places = PodPlaces()
        #expect(links(&places, [neighbor, learned(8)]) == [:])
        #expect(links(&places, [neighbor]) == [:])
        #expect(links(&places, [neighbor, learned(7)]) == [1: 7])
        #expect(places.update(claims, in: state([neighbor, learned(7)]))[1]?.hardware == hardware)
        #expect(links(&places, [neighbor, learned(6)]) == [1: 7])
        #expect(links(&places, [at(1, a)]) == [1: 5])
        // What a pod makes the node believe counts for nothing where its own address is known.
        var others = PodPlaces()
        #expect(links(&others, [at(2, b), neighbor, learned(6)]) == [2: 6])
    }

    @Test func hardwareIsNobodyElses() throws {
        var places = PodPlaces()
        func hardware(_ a: UInt64, _ b: UInt64) -> [Int: UInt64] {
            places.update(claims, in: state([at(1, self.a), at(2, self.b), self.hardware(1, a), self.hardware(2, b)]))
                .mapValues(\.hardware)
        }
        #expect(hardware(1, 2) == [1: 1, 2: 2])
        #expect(hardware(2, 2) == [1: 1, 2: 2])
        #expect(hardware(0x0200_0000_0004, 2) == [1: 1, 2: 2])
        #expect(hardware(3, 2) == [1: 3, 2: 2])
        #expect(hardware(3, 1) == [1: 3, 2: 1])
    }

    @Test func linkLocalIsNobodyElses() throws {
        let (mine, node) = (try IPAddress("fe80::7"), try IPAddress("fe80::4"))
        let own = NetworkMessage.address(LinkAddress(link: 4, address: node, prefixLength: 64))
        var places = PodPlaces()
        let first = places.update(
            claims, in: state([own, at(1, a), at(1, mine), at(1, node), at(2, b), hardware(2, 8)]))
        #expect(first[1]?.linkLocal == [mine])
        let made = try IPAddress("fe80::200:ff:fe00:8")
        #expect(first[2]?.linkLocal == [made])
        let then = places.update(
            claims, in: state([own, at(1, a), at(1, made), at(2, b), at(2, mine), hardware(2, 8)]))
        #expect(then[1]?.linkLocal == [])
        #expect(then[2]?.linkLocal == [made, mine])
    }

    /// A restarted daemon believes what the last one knew, not what pods have made of it meanwhile.
    @Test func adoption() {
        var places = PodPlaces()
        places.adopt(port: 5, addresses: [a], hardware: 1)
        places.adopt(port: 6, addresses: [b], hardware: 2)
        let swapped = [at(1, b), at(2, a), hardware(1, 1), hardware(2, 2)]
        #expect(links(&places, swapped) == [1: 5, 2: 6])
        // Another pod's interface has the index now.
        var others = PodPlaces()
        others.adopt(port: 5, addresses: [a], hardware: 1)
        #expect(links(&others, [at(1, b), hardware(1, 9)]) == [2: 5])
    }

    @Test func unknownPorts() {
        var places = PodPlaces()
        let messages = [at(1, a)]
        _ = links(&places, messages)
        #expect(places.unknownPorts(state(messages)) == [6, 7])
        #expect(state(messages).allBridgePorts == [5, 6, 7, 8])
        #expect(PodPlaces().unknownPorts(state(messages)) == [])
    }
}
