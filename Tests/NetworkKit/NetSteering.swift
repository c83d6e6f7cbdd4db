// SPDX-License-Identifier: Apache-2.0
import NetworkTypes

/// What stands in for the way of requests to the node's proxy, in a world with the pods `server`, `client` and `proxy`.
extension NetWorld {
    /// Gives the node the table `inet steer`, with one chain of these rules at prerouting, where Bulkhead steers. An
    /// earlier one is replaced.
    public func steer(by rules: [String]) throws {
        let lines = ["type filter hook prerouting priority -90"] + rules
        try node.command(
            "nft", "-f", "-",
            input: "table inet steer\ndelete table inet steer\ntable inet steer { chain pre {\n"
                + lines.map { $0 + "\n" }.joined() + "}\n}\n")
    }

    /// Pod `proxy` opens a connection to TCP port 80 of pod `server` from the address of pod `client`.
    public func speakForClient(_ family: AddressFamily) throws {
        let (server, proxy) = (pod("server"), pod("proxy"))
        let own = pod("client").address(family)
        let probe = NetProbe(.tcp, to: server.address(family), port: 80, from: own)
        try proxy.namespace.command("ip", "addr", "replace", "\(own)/\(family.bitWidth)", "dev", "lo", "nodad")
        _ = try proxy.namespace.run { try probe.run() }
    }
}
