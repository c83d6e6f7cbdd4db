// SPDX-License-Identifier: Apache-2.0
import NetworkTypes

/// The destination NAT of ClusterIPs, in the shape in which kube-proxy's two modes lay it.
public enum NetProxyMode: String, Sendable, CaseIterable {
    case iptables
    case nftables
}

struct NetProxyRules {
    let services: [NetService]
    let pod: (String) -> NetPod

    /// Input for `iptables-restore` or `ip6tables-restore`: KUBE-SERVICES, one chain a Service (KUBE-SVC) that picks an
    /// endpoint at random, one chain an endpoint (KUBE-SEP) that marks hairpin traffic and does DNAT.
    func iptables(_ family: AddressFamily) -> String {
        var chains = [":KUBE-SERVICES -", ":KUBE-MARK-MASQ -", ":KUBE-POSTROUTING -"]
        var rules = [
            "-A PREROUTING -j KUBE-SERVICES", "-A OUTPUT -j KUBE-SERVICES", "-A POSTROUTING -j KUBE-POSTROUTING",
            "-A KUBE-MARK-MASQ -j MARK --or-mark 0x4000",
            "-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN",
            "-A KUBE-POSTROUTING -j MARK --xor-mark 0x4000", "-A KUBE-POSTROUTING -j MASQUERADE --random-fully",
        ]
        for (number, service) in services.enumerated() {
            let name = service.ipProtocol.description.lowercased()
            let match = "-d \(clusterIP(number, family)) -p \(name) -m \(name) --dport \(service.port)"
            chains.append(":KUBE-SVC-\(number) -")
            rules.append("-A KUBE-SERVICES \(match) -j KUBE-SVC-\(number)")
            if let port = service.nodePort {
                let match = "-m addrtype --dst-type LOCAL -p \(name) -m \(name) --dport \(port)"
                chains.append(":KUBE-EXT-\(number) -")
                rules.append("-A KUBE-SERVICES \(match) -j KUBE-EXT-\(number)")
                rules.append("-A KUBE-EXT-\(number) -j KUBE-MARK-MASQ")
                rules.append("-A KUBE-EXT-\(number) -j KUBE-SVC-\(number)")
            }
            for (index, backend) in service.backends.map(pod).enumerated() {
                let endpoint = "KUBE-SEP-\(number)-\(index)"
                let left = service.backends.count - index
                let chance = left == 1 ? "" : "-m statistic --mode random --probability \(1.0 / Double(left)) "
                chains.append(":\(endpoint) -")
                rules.append("-A KUBE-SVC-\(number) \(chance)-j \(endpoint)")
                rules.append("-A \(endpoint) -s \(backend.address(family)) -j KUBE-MARK-MASQ")
                let target = Self.socketAddress(backend.address(family), service.targetPort)
                rules.append("-A \(endpoint) -p \(name) -m \(name) -j DNAT --to-destination \(target)")
            }
        }
        return (["*nat"] + chains + rules + ["COMMIT", ""]).joined(separator: "\n")
    }

    /// Input for `nft -f`: one table a family, a verdict map from ClusterIP, protocol and port to the Service's chain.
    func nftables(_ family: AddressFamily) -> String {
        let ip = family == .ipv4 ? "ip" : "ip6"
        let type = family == .ipv4 ? "ipv4_addr" : "ipv6_addr"
        var elements: [String] = []
        var nodePorts: [String] = []
        var chains = ""
        for (number, service) in services.enumerated() {
            let name = service.ipProtocol.description.lowercased()
            elements.append("\(clusterIP(number, family)) . \(name) . \(service.port) : goto service-\(number)")
            if let port = service.nodePort {
                nodePorts.append("\(name) . \(port) : goto external-\(number)")
                chains += "chain external-\(number) {\n    jump mark-for-masquerade\n    goto service-\(number)\n}\n"
            }
            chains = nftablesEndpoints(service, number, family) + chains
            let picks = service.backends.indices.map { "\($0) : goto endpoint-\(number)-\($0)" }
            chains += """
                chain service-\(number) {
                    numgen random mod \(picks.count) vmap { \(picks.joined(separator: ", ")) }
                }

                """
        }
        return """
            table \(ip) kube-proxy {
            map service-ips {
                type \(type) . inet_proto . inet_service : verdict
            }
            map service-nodeports {
                type inet_proto . inet_service : verdict
            }
            chain mark-for-masquerade {
                meta mark set meta mark or 0x4000
            }
            \(chains)
            chain services {
                \(ip) daddr . meta l4proto . th dport vmap @service-ips
                fib daddr type local meta l4proto . th dport vmap @service-nodeports
            }
            chain nat-prerouting {
                type nat hook prerouting priority dstnat;
                jump services
            }
            chain nat-output {
                type nat hook output priority -100;
                jump services
            }
            chain nat-postrouting {
                type nat hook postrouting priority srcnat;
                meta mark & 0x4000 == 0 return
                meta mark set meta mark ^ 0x4000
                masquerade fully-random
            }
            }
            add element \(ip) kube-proxy service-ips { \(elements.joined(separator: ", ")) }

            """
                + (nodePorts.isEmpty
                    ? "" : "add element \(ip) kube-proxy service-nodeports { \(nodePorts.joined(separator: ", ")) }\n")
    }

    /// A chain for each backend of a Service.
    private func nftablesEndpoints(_ service: NetService, _ number: Int, _ family: AddressFamily) -> String {
        let backends = service.backends.map(pod).enumerated()
        return backends.map { index, backend in
            """
            chain endpoint-\(number)-\(index) {
                \(family == .ipv4 ? "ip" : "ip6") saddr \(backend.address(family)) jump mark-for-masquerade
                meta l4proto \(service.ipProtocol.description.lowercased()) dnat to \
            \(Self.socketAddress(backend.address(family), service.targetPort))
            }

            """
        }.joined()
    }

    /// Masquerading of what leaves the cluster, as the ptp plugin's `ipMasq` does.
    static func masquerade(uplink: String) -> String {
        """
        table inet cni-masquerade {
        chain postrouting {
            type nat hook postrouting priority srcnat + 10;
            oifname != "\(uplink)" return
            ip saddr 10.244.0.0/16 ip daddr != { 10.244.0.0/16, 192.0.2.0/24 } masquerade
            ip6 saddr fd00:10:244::/48 ip6 daddr != { fd00:10:244::/48, 2001:db8:2::/64 } masquerade
        }
        }

        """
    }

    private func clusterIP(_ number: Int, _ family: AddressFamily) -> IPAddress {
        family == .ipv4 ? NetAddressing.service(number) : NetAddressing.service6(number)
    }

    private static func socketAddress(_ address: IPAddress, _ port: UInt16) -> String {
        address.family == .ipv4 ? "\(address):\(port)" : "[\(address)]:\(port)"
    }
}
