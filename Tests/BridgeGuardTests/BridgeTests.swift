// SPDX-License-Identifier: Apache-2.0
import BridgeGuard
import Glibc
import NetworkKit
import NetworkTypes
import Testing

/// The table of bridge ports against the kernel: two pods on one bridge, frames straight into the wire.
/// One test at a time: what real packets prove depends on when they arrive, which a busy machine delays.
@Suite(.serialized) struct BridgeTests {
    /// A world with the table in force and what the receiver, pod `b`, gets.
    private final class Lab {
        let world: NetWorld
        let receivers: [NetSocket]
        private static let port: UInt16 = 5000

        init() throws {
            world = try NetWorld(pods: ["a", "b"], links: .bridged)
            let b = world.pod("b")
            receivers = try b.namespace.run {
                try AddressFamily.allCases.map { family in
                    let socket = try NetSocket(family, SOCK_DGRAM)
                    try socket.bind(b.address(family), Self.port)
                    return socket
                }
            }
        }

        func protect() throws {
            try world.node.run {
                var check = BridgeSourceCheck()
                try check.set(ports())
            }
        }

        func ports() throws -> BridgePorts {
            var ports = BridgePorts()
            for pod in world.pods {
                ports.pods[if_nametoindex(pod.hostInterface)] = BridgePorts.Pod(
                    addresses: [pod.v4, pod.v6], hardware: try hardware(pod))
            }
            return ports
        }

        func hardware(_ pod: NetPod) throws -> UInt64 {
            try pod.namespace.hardwareAddress().reduce(0) { $0 << 8 | UInt64($1) }
        }

        /// Whether one datagram from `source` arrives at `b`.
        func arrives(from source: IPAddress) throws -> Bool {
            let (a, b) = (world.pod("a"), world.pod("b"))
            let receiver = receivers[source.family == .ipv4 ? 0 : 1]
            while receiver.discard() {}
            try a.namespace.run {
                try NetSpoof.send(from: source, 4000, to: b.address(source.family), Self.port, payload: [1])
            }
            return receiver.wait(POLLIN, milliseconds: 200) != 0 && receiver.discard()
        }

        /// Whether an honest datagram in a frame with these tags arrives at `b`.
        func arrives(tagged tags: [UInt8]) throws -> Bool {
            let (a, b) = (world.pod("a"), world.pod("b"))
            let datagram = NetBytes.udp(from: a.v4, 4000, to: b.v4, Self.port, payload: [1])
            let packet = NetBytes.ip(from: a.v4, to: b.v4, protocol: 17, payload: datagram)
            let frame =
                try b.namespace.hardwareAddress() + a.namespace.hardwareAddress() + tags + [0x08, 0x00] + packet
            while receivers[0].discard() {}
            try a.namespace.run { try NetSpoof.send(frame: frame, by: "eth0") }
            return receivers[0].wait(POLLIN, milliseconds: 200) != 0 && receivers[0].discard()
        }
    }

    private static func with(_ body: (Lab) throws -> Void) throws {
        let lab = try Lab()
        defer { lab.world.close() }
        try body(lab)
    }

    @Test func onlyOwnAddresses() throws {
        try Self.with { lab in
            let a = lab.world.pod("a")
            let foreign = [NetAddressing.pod(7, node: 0), NetAddressing.pod6(7, node: 0)]
            for family in AddressFamily.allCases { #expect(try lab.arrives(from: a.address(family))) }
            // Without the table the same frames arrive.
            for source in foreign { #expect(try lab.arrives(from: source)) }
            try lab.protect()
            for family in AddressFamily.allCases { #expect(try lab.arrives(from: a.address(family))) }
            for source in foreign { #expect(try !lab.arrives(from: source)) }
            // Link-local senders are for policy to judge.
            #expect(try lab.arrives(from: IPAddress("fe80::7")))
            #expect(try lab.world.node.run { try BridgeSourceCheck.uninstall() } == ["nftables table bridge bulkhead"])
            for source in foreign { #expect(try lab.arrives(from: source)) }
        }
    }

    /// Later hooks would not look into a tagged frame, and tag 0 means none to who receives it.
    @Test func taggedFramesAreDropped() throws {
        try Self.with { lab in
            for tag in [[], [0x81, 0x00, 0, 0]] as [[UInt8]] { #expect(try lab.arrives(tagged: tag)) }
            try lab.protect()
            #expect(try lab.arrives(tagged: []))
            for tag in [[0x81, 0x00, 0, 0], [0x88, 0xa8, 0, 0], [0x88, 0xa8, 0, 0, 0x81, 0x00, 0, 0]] as [[UInt8]] {
                #expect(try !lab.arrives(tagged: tag))
            }
        }
    }

    /// Discovery works although its senders are link-local, and no pod claims another's address by ARP.
    @Test func discoveryWorksFromCold() throws {
        try Self.with { lab in
            try lab.protect()
            for pod in lab.world.pods { try pod.namespace.ip(["neigh flush all"]) }
            let a = lab.world.pod("a")
            for family in AddressFamily.allCases {
                #expect(try lab.arrives(from: a.address(family)))
                let gateway = family == .ipv4 ? NetAddressing.gateways[0] : NetAddressing.gateways6[0]
                let probe = NetProbe(family == .ipv4 ? .icmp : .icmpv6, to: gateway)
                #expect(try a.namespace.run { try probe.run() } == .answered)
            }
        }
    }

    @Test func podsComeAndGo() throws {
        try Self.with { lab in
            let a = lab.world.pod("a")
            let more = NetAddressing.pod(7, node: 0)
            try lab.world.node.run {
                var check = BridgeSourceCheck()
                var ports = try lab.ports()
                try check.set(ports)
                let index = if_nametoindex(a.hostInterface)
                #expect(try !lab.arrives(from: more))
                #expect(try check.dropped() >= 1)
                ports.pods[index]!.addresses.insert(more)
                try check.set(ports)
                #expect(try lab.arrives(from: more))
                // What others removed is written again with the next change.
                try NetProcess.run(["nft", "delete", "table", "bridge", "bulkhead"])
                ports.pods[index]!.addresses = [a.v4, a.v6]
                try check.set(ports)
                #expect(try !lab.arrives(from: more))
                // A new run replaces what an earlier one left, and takes it away where no pod is behind a bridge.
                var next = BridgeSourceCheck()
                try next.set(BridgePorts())
                #expect(try lab.arrives(from: more))
                #expect(try BridgeSourceCheck.installed() == [])
            }
        }
    }

    @Test func whatOthersChangeIsPutRight() throws {
        try Self.with { lab in
            let more = NetAddressing.pod(7, node: 0)
            try lab.world.node.run {
                var check = BridgeSourceCheck()
                #expect(try !check.repair())
                try check.set(lab.ports())
                #expect(try !check.repair())
                let index = if_nametoindex(lab.world.pod("a").hostInterface)
                let rule = "bridge bulkhead source-addresses"
                for (change, isOurs) in [
                    (["delete", "table", "bridge", "bulkhead"], true), (["flush", "chain"] + rule.words, true),
                    (["insert", "rule"] + rule.words + ["accept"], true),
                    (["add", "table", "bridge", "others"], false),
                    (["delete", "table", "bridge", "others"], false),
                    (["flush", "set", "bridge", "bulkhead", "pod-sources-ipv4"], true),
                    (["flush", "ruleset"], true),
                ] {
                    try NetProcess.run(["nft"] + change)
                    #expect(try check.repair() == isOurs, "\(change)")
                    #expect(try !check.repair(), "\(change)")
                    #expect(try lab.arrives(from: lab.world.pod("a").v4), "\(change)")
                    #expect(try !lab.arrives(from: more), "\(change)")
                }
                // A later change by this process is not news either.
                var ports = try lab.ports()
                ports.pods[index]!.addresses.insert(more)
                try check.set(ports)
                #expect(try !check.repair())
                #expect(try lab.arrives(from: more))
            }
        }
    }

    /// What stands in the kernel can be read by people, and loaded again.
    @Test func listsAndReloads() throws {
        try Self.with { lab in
            try lab.protect()
            let listed = try lab.world.node.command("nft", "list", "table", "bridge", "bulkhead")
            #expect(listed.contains("pod-sources-ipv4"))
            try lab.world.node.command("nft", "delete", "table", "bridge", "bulkhead")
            try lab.world.node.command("nft", "-f", "-", input: listed)
            #expect(try lab.world.node.command("nft", "list", "table", "bridge", "bulkhead") == listed)
            #expect(try !lab.arrives(from: NetAddressing.pod(7, node: 0)))
        }
    }
}

extension String {
    fileprivate var words: [String] { split(separator: " ").map(String.init) }
}
