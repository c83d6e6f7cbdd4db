// SPDX-License-Identifier: Apache-2.0
import NetworkTypes
import NodeNetwork
import Testing

@Suite struct BridgeStateTests {
    private let pod = try! IPAddress("10.0.0.7")
    private let hardware: UInt64 = 0x0200_0000_0007

    /// A bridge 4 with three ports, 5 and 6 whose other ends can be asked, 7 whose can't.
    private func state(_ messages: [NetworkMessage]) -> NetworkState {
        var state = NetworkState()
        let links = [
            Link(index: 4, name: "cni0", kind: "bridge"),
            Link(index: 5, name: "veth5", kind: "veth", master: 4, peerIndex: 2, peerNamespace: 1),
            Link(index: 6, name: "veth6", kind: "veth", master: 4, peerIndex: 2, peerNamespace: 2),
            Link(index: 7, name: "tap7", kind: "tun", master: 4),
            Link(index: 8, name: "eth0", master: 4),
        ]
        for message in links.map({ .link($0) }) + messages { _ = state.apply(message) }
        return state
    }

    private func at(_ namespace: Int32, link: UInt32 = 2) -> NetworkMessage {
        .peerAddress(namespace: namespace, LinkAddress(link: link, address: pod, prefixLength: 24))
    }

    private var neighbour: NetworkMessage { .neighbour(Neighbour(link: 4, address: pod, hardware: hardware)) }
    private func learned(_ port: UInt32) -> NetworkMessage {
        .forwarding(ForwardingEntry(bridge: 4, port: port, hardware: hardware))
    }

    @Test func addressAtTheOtherEnd() {
        let found = state([at(1)]).bridgePort(ofPod: pod)
        #expect(found?.port == PodInterface(index: 5, name: "veth5"))
        #expect(found?.bridge == PodInterface(index: 4, name: "cni0"))
        #expect(state([at(1)]).bridgePort(ofPod: IPAddress(v4: 1)) == nil)
        // Another device of that namespace, and a namespace that nothing leads to.
        #expect(state([at(1, link: 3), at(9)]).bridgePort(ofPod: pod) == nil)
    }

    @Test func twoThatHaveOneAddress() { #expect(state([at(1), at(2)]).bridgePort(ofPod: pod) == nil) }

    @Test func learnedAddress() {
        #expect(state([neighbour, learned(7)]).bridgePort(ofPod: pod)?.port.name == "tap7")
        #expect(state([neighbour]).bridgePort(ofPod: pod) == nil)
        #expect(state([learned(7)]).bridgePort(ofPod: pod) == nil)
        // A physical port leads to more than one pod.
        #expect(state([neighbour, learned(8)]).bridgePort(ofPod: pod) == nil)
    }

    /// What a pod makes the node believe of its hardware address counts for nothing where its address is known.
    @Test func learnedAddressMisleadsNobody() {
        #expect(state([at(1), neighbour, learned(7)]).bridgePort(ofPod: pod)?.port.index == 5)
        let other = LinkAddress(link: 2, address: IPAddress(v4: 0x0a00_0008), prefixLength: 24)
        let known = NetworkMessage.peerAddress(namespace: 2, other)
        #expect(state([known, neighbour, learned(6)]).bridgePort(ofPod: pod) == nil)
    }

    @Test func movesAndGoes() {
        var state = state([neighbour, learned(8), learned(7)])
        let gone = ForwardingEntry(bridge: 4, port: 8, hardware: hardware)
        #expect(state.apply(.forwardingRemoved(gone)) == .unchanged)
        #expect(state.bridgePort(ofPod: pod)?.port.index == 7)
        #expect(state.apply(neighbour) == .unchanged)
        #expect(state.apply(.neighbourRemoved(Neighbour(link: 4, address: pod, hardware: 0))) == .changed)
        #expect(state.bridgePort(ofPod: pod) == nil)
        _ = state.apply(neighbour)
        #expect(state.apply(.linkRemoved(index: 7)) == .changed)
        #expect(state.bridgePort(ofPod: pod) == nil)
    }

    @Test func portThatIsNoneAnyMore() {
        var state = state([at(1)])
        _ = state.apply(.link(Link(index: 5, name: "veth5", kind: "veth", peerIndex: 2, peerNamespace: 1)))
        #expect(state.bridgePort(ofPod: pod) == nil)
        #expect(state.apply(.neighbour(Neighbour(link: 8, address: pod, hardware: 1))) == .unchanged)
    }
}
