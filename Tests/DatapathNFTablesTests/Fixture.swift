// SPDX-License-Identifier: Apache-2.0
import Glibc
import NetworkKit
import NetworkTypes
import PolicyModel

func address(_ text: String) -> IPAddress { try! IPAddress(text) }
func cidr(_ text: String) -> CIDR { try! CIDR(text) }
func tcp(_ port: UInt16) -> ProtocolPorts { ProtocolPorts(.tcp, PortRange(port)) }
func udp(_ port: UInt16) -> ProtocolPorts { ProtocolPorts(.udp, PortRange(port)) }

extension PolicyPlan {
    /// A bit of everything that a table can hold.
    static var mixed: PolicyPlan {
        var plan = PolicyPlan()
        plan.peers = [
            "pods tier=backend in namespace shop": Peers(hosts: [address("10.0.0.7"), address("fd00::7")]),
            "pods tier=frontend in namespace shop": Peers(hosts: [address("10.0.0.8"), address("fd00::8")]),
            "10.0.0.0/8 except 10.1.0.0/16": Peers(
                blocks: [AddressBlock(cidr: cidr("10.0.0.0/8"), except: [cidr("10.1.0.0/16")])]),
            "2001:db8::/32, 192.0.2.1/32": Peers(
                blocks: [AddressBlock(cidr: cidr("2001:db8::/32")), AddressBlock(cidr: cidr("192.0.2.1/32"))]),
            "everywhere": Peers(blocks: [AddressBlock(cidr: cidr("0.0.0.0/0")), AddressBlock(cidr: cidr("::/0"))]),
        ]
        plan.programs = [
            "in": Rules(
                direction: .ingress,
                rules: [
                    Rule(tier: .admin, action: .deny, peers: ["2001:db8::/32, 192.0.2.1/32"], policy: "guard"),
                    Rule(
                        tier: .admin, action: .pass, peers: ["10.0.0.0/8 except 10.1.0.0/16"], ports: [tcp(9)],
                        policy: "guard"),
                    Rule(tier: .admin, action: .deny, peers: nil, ports: [tcp(9)], policy: "guard"),
                    Rule(
                        peers: ["pods tier=backend in namespace shop", "pods tier=frontend in namespace shop"],
                        ports: [tcp(6379)], policy: "allow-redis"),
                    Rule(peers: ["everywhere"], ports: [tcp(80), ProtocolPorts(.udp, PortRange(50, 60))]),
                    Rule(peers: nil, ports: [tcp(443), udp(443)], policy: "allow-web"),
                    Rule(peers: ["pods tier=frontend in namespace shop"], ports: nil, policy: "allow-all"),
                ]),
            "out": Rules(
                direction: .egress, rules: [Rule(peers: nil, ports: [ProtocolPorts(.tcp, .all)], policy: "out")],
                isIsolated: false),
            "full": Rules(direction: .egress, isOverLimit: true),
            "watched": Rules(
                direction: .egress,
                rules: [Rule(peers: ["everywhere"], ports: [tcp(80), tcp(81)], policy: "allow-web")],
                audit: [
                    Rule(tier: .admin, action: .pass, peers: ["everywhere"], ports: [tcp(81)], policy: "staged"),
                    Rule(
                        tier: .admin, action: .deny, peers: ["2001:db8::/32, 192.0.2.1/32"], policy: "staged",
                        name: "no metadata"),
                ]),
            "only watched": Rules(
                direction: .ingress, isIsolated: false,
                audit: [Rule(tier: .baseline, action: .deny, peers: nil, ports: [udp(53)], policy: "staged")]),
        ]
        plan.endpoints = [
            "web": Endpoint(addresses: [address("10.0.0.1"), address("fd00::1")], ingress: "in", egress: "out"),
            "api": Endpoint(addresses: [address("10.0.0.2"), address("fd00::2")], ingress: "in", egress: nil),
            "big": Endpoint(addresses: [address("10.0.0.3")], ingress: nil, egress: "full"),
            "log": Endpoint(
                addresses: [address("10.0.0.4"), address("fd00::4")], ingress: "only watched", egress: "watched"),
        ]
        plan.judgesOwnNode = true
        return plan
    }
}

/// A network namespace for one test, without links.
func withNamespace<Value>(_ role: String, _ body: () throws -> Value) throws -> Value {
    NetNamespace.sweep()
    let namespace = NetNamespace(name: "\(NetNamespace.prefix)\(getpid())-nft-\(role)")
    try NetProcess.run(["ip", "netns", "add", namespace.name])
    defer { namespace.remove() }
    return try namespace.run(body)
}
