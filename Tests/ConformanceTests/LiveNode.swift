// SPDX-License-Identifier: Apache-2.0
import NetworkKit
import NetworkTypes
import PolicyOracle
import WorldKit

/// A network with one datapath, in which random worlds are enforced and probed with real packets.
final class LiveNode {
    static let localPods = ["a", "b", "c", "d"]
    static let remotePods = ["x", "y"]

    let datapath: NetDatapath
    let net: NetWorld
    private let daemon: NetDaemon
    private var servers: [NetServer] = []
    private var inForce: World?

    init(_ datapath: NetDatapath) throws {
        self.datapath = datapath
        net = try NetWorld(pods: Self.localPods, remotePods: Self.remotePods)
        daemon = try NetDaemon(in: net, datapath: datapath)
        let ports = [IPProtocol.tcp, .udp, .sctp].map { NetServer.Port($0, 8080) }
        for pod in net.pods {
            servers.append(try pod.namespace.run { try NetServer(at: [pod.v4, pod.v6], ports) })
        }
        servers.append(
            try net.outside.run { try NetServer(at: [NetAddressing.outside, NetAddressing.outside6], ports) })
        // Each closed port is reported, however many are probed.
        for namespace in net.pods.map(\.namespace) + [net.outside] {
            try namespace.sysctl([("ipv4/icmp_ratelimit", 0), ("ipv6/icmp/ratelimit", 0)])
        }
    }

    func close() {
        _ = try? daemon.stop()
        for server in servers { server.stop() }
        net.close()
    }

    func put(_ world: World) throws {
        if let inForce, !inForce.objects.isEmpty { try daemon.delete(inForce.yaml) }
        inForce = nil
        if !world.objects.isEmpty { try daemon.apply(world.yaml) }
        inForce = world
    }

    /// What to send so that real packets meet a flow's verdict.
    func probe(_ flow: Flow, milliseconds: Int = 250) -> (namespace: NetNamespace?, probe: NetProbe) {
        let probe = NetProbe(
            flow.ipProtocol, to: flow.destination, port: flow.destinationPort ?? 0, from: flow.source,
            milliseconds: milliseconds)
        return (net.pods.first { $0.v4 == flow.source || $0.v6 == flow.source }?.namespace ?? net.outside, probe)
    }

    /// What differs from the oracle's verdict; nil where packets meet the same.
    func difference(_ oracle: OracleVerdict, _ flow: Flow, _ outcome: NetOutcome) throws -> String? {
        var outcome = outcome
        if oracle.verdict == .allow, outcome == .timeout {
            // A busy machine is late; what is denied never comes.
            outcome = try NetProbe.runTogether([probe(flow, milliseconds: 2000)])[0]
        }
        let expected: [NetOutcome] = oracle.verdict == .allow ? [.answered, .refused] : [.timeout]
        return expected.contains(outcome) ? nil : "oracle says \(oracle); packets over \(datapath): \(outcome)"
    }

    /// The same, for one flow in a world that is first enforced. A smaller world that is no longer valid counts as
    /// without a difference, and so does one whose pods lack an address from which they send: that is spoofing, not
    /// policy.
    func difference(_ world: World, _ flow: Flow) -> String? {
        guard world.pods.allSatisfy({ $0.podIPs.count == 2 }) else { return nil }
        try? put(world)
        guard inForce == world, let outcome = try? NetProbe.runTogether([probe(flow)])[0] else { return nil }
        return try? difference(world.oracle.verdict(flow), flow, outcome)
    }
}
