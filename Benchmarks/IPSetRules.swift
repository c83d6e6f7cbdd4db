// SPDX-License-Identifier: Apache-2.0
import NetworkKit
import NetworkTypes

/// The policy of ``LivePolicy`` in the shape in which iptables-based agents write it: dispatch by interface, one chain a
/// pod that accepts established flows first, one chain a policy that marks what it allows, peers in an ipset.
struct IPSetRules {
    let world: NetWorld
    let peers: Int
    let policies: Int

    func install() throws {
        try world.node.command("ipset", "restore", input: sets)
        try world.node.command("iptables-restore", "--noflush", input: rules)
    }

    private var sets: String {
        let (client, server) = (world.pod("client"), world.pod("server"))
        var lines = ["create peers hash:net maxelem 262144", "create server hash:net", "add server \(server.v4)"]
        lines += LivePolicy.strangers(peers - 1).map { "add peers \($0)" } + ["add peers \(client.v4)"]
        for number in 1..<policies {
            lines += ["create other\(number) hash:net", "add other\(number) \(LivePolicy.otherPeer(number))"]
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private var rules: String {
        let (client, server) = (world.pod("client"), world.pod("server"))
        let ingress = (1..<policies).map { "other\($0)" } + ["peers"]
        var chains = [":bench-forward -", ":bench-from -", ":bench-to -"]
        var rules = [
            "-A FORWARD -j bench-forward",
            "-A bench-forward -j MARK --set-xmark 0/0x10000",
            "-A bench-forward -i veth+ -j bench-from", "-A bench-forward -o veth+ -j bench-to",
            "-A bench-forward -m mark --mark 0x10000/0x10000 -j ACCEPT",
        ]
        func pod(_ name: String, _ dispatch: String, _ policies: [(chain: String, match: String)]) {
            chains.append(":\(name) -")
            rules += [
                "-A \(dispatch) -g \(name)",
                "-A \(name) -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
                "-A \(name) -m conntrack --ctstate INVALID -j DROP", "-A \(name) -j MARK --set-xmark 0/0x10000",
            ]
            for policy in policies {
                chains.append(":\(policy.chain) -")
                rules += [
                    "-A \(name) -j \(policy.chain)", "-A \(name) -m mark --mark 0x10000/0x10000 -j RETURN",
                    "-A \(policy.chain) -p tcp -m set --match-set \(policy.match) -m multiport --dports 6000 "
                        + "-j MARK --set-xmark 0x10000/0x10000",
                    "-A \(policy.chain) -p udp -m set --match-set \(policy.match) -m multiport --dports 6000:65535 "
                        + "-j MARK --set-xmark 0x10000/0x10000",
                ]
            }
            rules.append("-A \(name) -j DROP")
        }
        pod("bench-client", "bench-from -i \(client.hostInterface)", [("bench-egress", "server dst")])
        pod(
            "bench-server", "bench-to -o \(server.hostInterface)",
            ingress.enumerated().map { ("bench-in\($0)", "\($1) src") })
        return (["*filter"] + chains + rules + ["COMMIT", ""]).joined(separator: "\n")
    }
}
