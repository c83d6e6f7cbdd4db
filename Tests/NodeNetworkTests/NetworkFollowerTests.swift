// SPDX-License-Identifier: Apache-2.0
import NetworkKit
import NetworkTypes
import NodeNetwork
import Synchronization
import Testing

/// The follower against the kernel, in namespaces.
/// One test at a time: what real packets prove depends on when they arrive, which a busy machine delays.
@Suite(.serialized) struct NetworkFollowerTests {
    /// Keeps the latest state that the follower told.
    private final class Inbox: Sendable {
        let latest = Mutex<NetworkState?>(nil)
        let failures = Mutex<[NodeNetworkError]>([])

        var receiver: NetworkFollower.Receiver {
            { result in
                switch result {
                case .success(let state): self.latest.withLock { $0 = state }
                case .failure(let error): self.failures.withLock { $0.append(error) }
                }
            }
        }

        /// Milliseconds until the latest state fulfills `condition`.
        func milliseconds(until condition: (NetworkState) -> Bool) throws -> Double {
            let start = NetClock.now
            try NetClock.wait("the state that is expected", seconds: 5) {
                latest.withLock { $0.map(condition) ?? false }
            }
            return Double(NetClock.now - start) / 1e6
        }
    }

    @Test func snapshotOfANode() throws {
        try NetWorld.with(pods: ["a", "b"], remotePods: ["far"]) { world in
            let state = try world.node.run { try NetworkFollower.snapshot() }
            for pod in world.pods where pod.node == 0 {
                #expect(state.interface(ofPod: pod.v4)?.name == pod.hostInterface)
                #expect(state.interface(ofPod: pod.v6)?.name == pod.hostInterface)
            }
            let far = world.pod("far")
            #expect(state.interface(ofPod: far.v4) == nil)
            #expect(state.interface(ofPod: far.v6) == nil)
            #expect(state.interface(ofPod: NetAddressing.router) == nil)
            #expect(
                state.ownAddresses == [
                    NetAddressing.nodes[0], NetAddressing.nodes6[0], NetAddressing.gateways[0],
                    NetAddressing.gateways6[0],
                ])
        }
    }

    /// Pods are seen before any object names them, with all their addresses and no others.
    @Test(arguments: [NetPodLinks.routed, .bridged]) func podsThatNobodyTellsOf(links: NetPodLinks) throws {
        try NetWorld.with(pods: ["a", "b"], remotePods: ["far"], links: links) { world in
            let inbox = Inbox()
            let follower = try world.node.run { try NetworkFollower(inbox.receiver) }
            defer { follower.stop() }
            func expected() -> [String: Set<IPAddress>] {
                let local = world.pods.filter { $0.node == 0 }
                return Dictionary(uniqueKeysWithValues: local.map { ($0.hostInterface, [$0.v4, $0.v6]) })
            }
            func found(_ state: NetworkState) -> [String: Set<IPAddress>] {
                Dictionary(uniqueKeysWithValues: state.podAddresses.map { ($0.key.name, $0.value) })
            }
            #expect(found(try world.node.run { try NetworkFollower.snapshot() }) == expected())
            _ = try world.addPod("c")
            #expect(try inbox.milliseconds { found($0) == expected() } < 1000)
            try world.removePod("a")
            _ = try inbox.milliseconds { found($0) == expected() }
        }
    }

    /// The node's own addresses are followed as they come and go.
    @Test func ownAddressesComeAndGo() throws {
        try NetWorld.with(pods: []) { world in
            let inbox = Inbox()
            let follower = try world.node.run { try NetworkFollower(inbox.receiver) }
            defer { follower.stop() }
            for (address, length) in [("192.0.2.77", 32), ("2001:db8::77", 128)] {
                let added = try IPAddress(address)
                _ = try inbox.milliseconds { !$0.ownAddresses.contains(added) }
                try world.node.ip(["addr add \(address)/\(length) dev eth0"])
                #expect(try inbox.milliseconds { $0.ownAddresses.contains(added) } < 1000)
                try world.node.ip(["addr del \(address)/\(length) dev eth0"])
                #expect(try inbox.milliseconds { !$0.ownAddresses.contains(added) } < 1000)
                // A pod could not reach loopback's addresses.
                try world.node.ip(["addr add \(address)/\(length) dev lo"])
                NetClock.sleep(milliseconds: 50)
                #expect(inbox.latest.withLock { $0 }?.ownAddresses.contains(added) == false)
            }
        }
    }

    @Test func portsOfABridge() throws {
        try NetWorld.with(pods: ["a", "b"], links: .bridged) { world in
            let inbox = Inbox()
            let follower = try world.node.run { try NetworkFollower(inbox.receiver) }
            defer { follower.stop() }
            func isFound(_ pod: NetPod, in state: NetworkState) -> Bool {
                AddressFamily.allCases.allSatisfy { family in
                    let found = state.port(of: pod.address(family))
                    return found?.port.name == pod.hostInterface && found?.bridge.name == "cni0"
                }
            }
            // No pod has sent anything yet.
            let state = try world.node.run { try NetworkFollower.snapshot() }
            for pod in world.pods {
                #expect(isFound(pod, in: state))
                #expect(state.interface(ofPod: pod.v4) == nil)
            }
            #expect(state.port(of: NetAddressing.gateways[0]) == nil)
            #expect(state.port(of: NetAddressing.router) == nil)
            let pod = try world.addPod("c")
            let added = try inbox.milliseconds { isFound(pod, in: $0) }
            #expect(added < 100)
            try world.removePod("c")
            _ = try inbox.milliseconds { $0.port(of: pod.v4) == nil && $0.port(of: pod.v6) == nil }
            #expect(inbox.failures.withLock { $0 } == [])
        }
    }

    /// An address that comes after its pair is found, whether or not the pod sends anything; so is another hardware
    /// address.
    @Test func addressAfterItsPort() throws {
        try NetWorld.with(pods: ["a"], links: .bridged) { world in
            let pod = world.pod("a")
            try pod.namespace.ip(["addr flush dev eth0"])
            let inbox = Inbox()
            let follower = try world.node.run { try NetworkFollower(inbox.receiver) }
            defer { follower.stop() }
            _ = try inbox.milliseconds { $0.links.values.contains { $0.name == pod.hostInterface } }
            #expect(inbox.latest.withLock { $0 }?.port(of: pod.v4) == nil)
            for address in ["\(pod.v4)/24", "\(pod.v6)/64"] {
                NetClock.sleep(milliseconds: 600)
                try pod.namespace.ip(["addr add \(address) dev eth0"])
                let added = try CIDR(address).family == .ipv4 ? pod.v4 : pod.v6
                #expect(try inbox.milliseconds { $0.port(of: added)?.port.name == pod.hostInterface } < 1000)
            }
            try pod.namespace.ip(["link set eth0 address 02:00:00:00:77:01"])
            _ = try inbox.milliseconds { $0.peers.values.contains { $0.hardware == 0x0200_0000_7701 } }
        }
    }

    /// The bridge learns frames of a thousand senders without a notification.
    @Test func floodOfHardwareAddresses() throws {
        try NetWorld.with(pods: ["a"], links: .bridged) { world in
            let inbox = Inbox()
            let count = Mutex(0)
            let follower = try world.node.run {
                try NetworkFollower {
                    count.withLock { $0 += 1 }
                    inbox.receiver($0)
                }
            }
            defer { follower.stop() }
            _ = try inbox.milliseconds { $0.port(of: world.pod("a").v4) != nil }
            NetClock.sleep(milliseconds: 300)
            let before = count.withLock { $0 }
            try world.pod("a").namespace.run {
                for number in 0..<1000 {
                    let source: [UInt8] = [2, 1, 0, 0, UInt8(number >> 8), UInt8(number & 255)]
                    try NetSpoof.send(
                        frame: [2, 0, 0, 0, 0, 99] + source + [0x88, 0xb5] + [UInt8](repeating: 0, count: 46),
                        by: "eth0")
                }
            }
            NetClock.sleep(milliseconds: 1500)
            #expect(count.withLock { $0 } == before)
        }
    }

    /// Local routes, tunnel devices.
    @Test func whatTheNodeTakesIn() throws {
        try NetWorld.with(pods: ["a"]) { world in
            let inbox = Inbox()
            let follower = try world.node.run { try NetworkFollower(inbox.receiver) }
            defer { follower.stop() }
            func told(_ prefix: String) throws -> Bool {
                let wanted = try CIDR(prefix)
                return try inbox.milliseconds { $0.ownPrefixes.contains(wanted) } < 1000
            }
            #expect(try told("127.0.0.0/8") && told("::1/128") && told("\(NetAddressing.nodes[0])/32"))
            try world.node.ip([
                "addr add 192.0.2.77/32 dev lo", "route add local 198.51.100.0/24 dev lo",
                "route add local 2001:db8:5::/64 dev lo", "link add vip type bridge",
                "addr add 192.0.2.78/32 dev vip",
                "route add local default dev lo table 100",
            ])
            for prefix in ["192.0.2.77/32", "198.51.100.0/24", "2001:db8:5::/64", "192.0.2.78/32"] {
                #expect(try told(prefix), "\(prefix)")
            }
            let state = inbox.latest.withLock { $0 }!
            #expect(!state.ownPrefixes.contains { $0.prefixLength == 0 })
            // Of the pairs with pods only what is not link-local.
            let pairs = state.links.values.filter { $0.peerNamespace != nil }.map(\.index)
            #expect(!pairs.isEmpty)
            try world.node.ip(["route del local 198.51.100.0/24 dev lo"])
            let gone = try CIDR("198.51.100.0/24")
            _ = try inbox.milliseconds { !$0.ownPrefixes.contains(gone) }
        }
    }

    @Test func tunnelDevices() throws {
        try NetWorld.with(pods: []) { world in
            let inbox = Inbox()
            let follower = try world.node.run { try NetworkFollower(inbox.receiver) }
            defer { follower.stop() }
            _ = try inbox.milliseconds { $0.tunnels == TunnelEnd() }
            let local = NetAddressing.nodes[0]
            try world.node.ip([
                "link add flannel.1 type vxlan id 1 local \(local) dev eth0 dstport 8472 nolearning",
                "link add other type vxlan id 2 local \(local) dev eth0 dstport 4789 nolearning",
            ])
            NetClock.sleep(milliseconds: 300)
            // Down it takes nothing in.
            #expect(inbox.latest.withLock { $0 }?.tunnels == TunnelEnd())
            try world.node.ip(["link set flannel.1 up", "link set other up"])
            _ = try inbox.milliseconds { $0.tunnels == TunnelEnd(udpPorts: [8472, 4789]) }
            try world.node.ip(["link del flannel.1"])
            _ = try inbox.milliseconds { $0.tunnels.udpPorts == [4789] }
        }
    }

    @Test func followsPodsComingAndGoing() throws {
        try NetWorld.with(pods: ["a"]) { world in
            let inbox = Inbox()
            let follower = try world.node.run { try NetworkFollower(inbox.receiver) }
            defer { follower.stop() }
            _ = try inbox.milliseconds { $0.interface(ofPod: world.pod("a").v4) != nil }
            let pod = try world.addPod("b")
            let added = try inbox.milliseconds {
                $0.interface(ofPod: pod.v4)?.name == pod.hostInterface && $0.interface(ofPod: pod.v6) != nil
            }
            #expect(added < 100)
            try world.removePod("b")
            let removed = try inbox.milliseconds {
                $0.interface(ofPod: pod.v4) == nil && $0.interface(ofPod: pod.v6) == nil
            }
            #expect(removed < 100)
            #expect(inbox.failures.withLock { $0 } == [])
        }
    }

    /// What the kernel does without a message for each route ends in the state that a fresh dump gives.
    @Test func agreesWithADumpAfterQuietChanges() throws {
        try NetWorld.with(pods: ["a", "b"]) { world in
            let inbox = Inbox()
            let follower = try world.node.run { try NetworkFollower(inbox.receiver) }
            defer { follower.stop() }
            try world.node.ip([
                "link set veth0 down", "addr del \(NetAddressing.gateways[0])/32 dev veth1",
                "route add 10.7.0.0/16 via \(NetAddressing.router)", "addr add 10.8.0.1/24 dev eth0",
                "route add 10.9.0.0/16 via 10.8.0.2", "route replace 10.7.0.0/16 via \(NetAddressing.nodes[1])",
                "addr del 10.8.0.1/24 dev eth0",
            ])
            let dumped = try world.node.run { try NetworkFollower.snapshot() }
            _ = try inbox.milliseconds { $0.routes.mapValues(Set.init) == dumped.routes.mapValues(Set.init) }
            #expect(inbox.latest.withLock { $0 }?.addresses == dumped.addresses)
        }
    }

    /// More changes at once than the socket's buffer holds: the follower dumps again and misses nothing.
    @Test func survivesAFlood() throws {
        try NetWorld.with(pods: ["a"]) { world in
            let inbox = Inbox()
            let follower = try world.node.run { try NetworkFollower(inbox.receiver) }
            defer { follower.stop() }
            let routes = (0..<20_000).map { "10.\(100 + $0 / 65536).\($0 / 256 % 256).\($0 % 256)/32" }
            // The follower's thread waits for this lock with its first delivery, so its socket must overflow.
            try inbox.latest.withLock { _ in
                try world.node.ip(routes.map { "route add \($0) dev veth0" })
                try world.node.ip(routes.dropLast().map { "route del \($0) dev veth0" })
            }
            let last = try CIDR(routes.last!)
            _ = try inbox.milliseconds { state in
                state.routes[last] != nil && state.routes.count < 100
            }
            #expect(inbox.failures.withLock { $0 } == [])
        }
    }
}

extension NetworkState {
    /// Where a pod is found of which only this address is known.
    fileprivate func port(of address: IPAddress) -> BridgePort? {
        var places = PodPlaces()
        return places.update([0: PodPlaces.Claim(addresses: [address])], in: self)[0]?.port
    }
}
