// SPDX-License-Identifier: Apache-2.0
import NetworkTypes

/// How pods hang on their node.
public enum NetPodLinks: String, Sendable, CaseIterable {
    /// As the ptp CNI plugin does it: a pair and a route for each pod.
    case routed
    /// As the bridge CNI plugin does it: pairs are ports of one bridge, which has the gateway's address.
    case bridged
}

/// The `ip` commands and kernel settings of which a ``NetWorld`` is made.
enum NetLayout {
    /// Before any device exists: no wait for duplicate address detection, no reverse path filter (our own check of
    /// source addresses is what is tested).
    static let common: [(String, Int)] = [
        ("ipv6/conf/all/accept_dad", 0), ("ipv6/conf/default/accept_dad", 0),
        ("ipv6/conf/default/router_solicitations", 0),
        ("ipv4/conf/all/rp_filter", 0), ("ipv4/conf/default/rp_filter", 0),
    ]
    /// The kernel's own limits on ICMP errors would make related errors come and go.
    static let forwarding: [(String, Int)] = [
        ("ipv4/ip_forward", 1), ("ipv6/conf/all/forwarding", 1), ("ipv6/conf/default/forwarding", 1),
        ("ipv4/conf/all/send_redirects", 0), ("ipv4/conf/default/send_redirects", 0), ("ipv4/icmp_ratelimit", 0),
    ]

    static func uplink(ofNode number: Int, _ node: NetNamespace, _ outside: NetNamespace) -> String {
        "link add name eth0 netns \(node.name) type veth peer name node\(number) netns \(outside.name)"
    }

    static func pair(of pod: NetPod, on node: NetNamespace) -> String {
        "link add name \(pod.hostInterface) netns \(node.name) type veth peer name eth0 netns \(pod.namespace.name)"
    }

    static let outside: [String] =
        [
            "link set lo up", "link add name lan type bridge", "link set node0 master lan up",
            "link set node1 master lan up", "link set lan up",
            "addr add \(NetAddressing.router)/24 dev lan", "addr add \(NetAddressing.router6)/64 dev lan nodad",
            "addr add \(NetAddressing.outside)/32 dev lo", "addr add \(NetAddressing.outside6)/128 dev lo",
            "addr add \(NetAddressing.metadata)/32 dev lo",
        ]
        + NetAddressing.nodes.indices.flatMap { node in
            [
                "route add \(NetAddressing.gateways[node].masked(to: 24))/24 via \(NetAddressing.nodes[node])",
                "route add \(NetAddressing.gateways6[node].masked(to: 64))/64 via \(NetAddressing.nodes6[node])",
            ]
        }

    static func node(_ number: Int) -> [String] {
        let other = 1 - number
        return [
            "link set lo up", "link set eth0 up",
            "addr add \(NetAddressing.nodes[number])/24 dev eth0",
            "addr add \(NetAddressing.nodes6[number])/64 dev eth0 nodad",
            "route add default via \(NetAddressing.router)", "route add default via \(NetAddressing.router6)",
            "route add 10.244.\(other).0/24 via \(NetAddressing.nodes[other])",
            "route add \(NetAddressing.gateways6[other].masked(to: 64))/64 via \(NetAddressing.nodes6[other])",
        ]
    }

    /// A node's bridge, with the gateway's address on it; bridged packets bypass netfilter until a caller changes that.
    static func bridge(onNode number: Int) -> [String] {
        [
            "link add name \(bridge) type bridge", "link set \(bridge) up",
            "addr add \(NetAddressing.gateways[number])/24 dev \(bridge)",
            "addr add \(NetAddressing.gateways6[number])/64 dev \(bridge) nodad",
        ]
    }
    static let bridge = "cni0"
    static let bridgeSettings = [("bridge/bridge-nf-call-iptables", 0), ("bridge/bridge-nf-call-ip6tables", 0)]

    /// The host side of a pod. Routed: the gateway's address on every pair, and one route to the pod's each address.
    static func hostSide(of pod: NetPod, _ links: NetPodLinks) -> [String] {
        if links == .bridged {
            return [
                "link set \(pod.hostInterface) master \(bridge) up",
                // The plugin's hairpinMode: a pod reaches itself through a Service.
                "link set \(pod.hostInterface) type bridge_slave hairpin on",
            ]
        }
        return [
            "link set \(pod.hostInterface) up",
            "addr add \(NetAddressing.gateways[pod.node])/32 dev \(pod.hostInterface)",
            "addr add \(NetAddressing.gateways6[pod.node])/128 dev \(pod.hostInterface) nodad",
            "route add \(pod.v4)/32 dev \(pod.hostInterface) scope host",
            "route add \(pod.v6)/128 dev \(pod.hostInterface)",
        ]
    }

    /// The pod's own side. Routed: its subnet by the gateway, the gateway on the link.
    static func inside(_ pod: NetPod, _ links: NetPodLinks) -> [String] {
        let gateway = NetAddressing.gateways[pod.node]
        let gateway6 = NetAddressing.gateways6[pod.node]
        if links == .bridged {
            return [
                "link set lo up", "link set eth0 up",
                "addr add \(pod.v4)/24 dev eth0", "addr add \(pod.v6)/64 dev eth0 nodad",
                "route add default via \(gateway)", "route add default via \(gateway6)",
            ]
        }
        return [
            "link set lo up", "link set eth0 up",
            "addr add \(pod.v4)/24 dev eth0 noprefixroute", "addr add \(pod.v6)/64 dev eth0 nodad noprefixroute",
            "route add \(gateway)/32 dev eth0 scope link src \(pod.v4)",
            "route add \(gateway.masked(to: 24))/24 via \(gateway) src \(pod.v4)",
            "route add default via \(gateway)",
            "route add \(gateway6)/128 dev eth0", "route add default via \(gateway6)",
        ]
    }
}
