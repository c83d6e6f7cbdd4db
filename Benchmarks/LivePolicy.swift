// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import NetworkKit
import NetworkTypes

/// The policy of the live benchmark: the client's egress and the server's ingress both decide.
enum LivePolicy {
    /// Starts the daemon and applies the policy.
    static func install(
        _ world: NetWorld, _ datapath: NetDatapath = .ebpf, cidrs: Int, policies: Int = 1
    ) throws -> NetDaemon {
        let daemon = try NetDaemon(in: world, datapath: datapath)
        try daemon.apply(pods(world))
        if policies > 1 { try daemon.apply(otherPolicies(policies - 1)) }
        try daemon.apply(manifest(world, cidrs: cidrs))
        return daemon
    }

    /// Leaves no program in the kernel.
    static func remove(_ world: NetWorld) throws { try NetDaemon.uninstall(from: world) }

    /// The world's pods, each with its name as label `app`.
    static func pods(_ world: NetWorld) -> [KubernetesObject] {
        world.pods.map { pod in
            .pod(
                Pod(
                    metadata: ObjectMeta(name: pod.name, namespace: "default", labels: ["app": pod.name]),
                    nodeName: NetDaemon.nodeName, podIPs: [pod.v4, pod.v6]))
        }
    }

    /// Prefixes that hold neither client nor server.
    static func strangers(_ count: Int) -> [String] {
        (0..<count).map { "\(IPAddress(v4: 0x6440_0000 + UInt32($0) * 16))/28" }
    }

    /// The one peer of the server's policy with this number, counted from 1.
    static func otherPeer(_ number: Int) -> String { "\(IPAddress(v4: 0x0a80_0000 + UInt32(number)))/32" }

    /// More policies that select the server, each with a peer that is not the client.
    private static func otherPolicies(_ count: Int) -> String {
        let items = (1...count).map { number in
            """
            {"apiVersion":"networking.k8s.io/v1","kind":"NetworkPolicy",
            "metadata":{"name":"other-\(number)","namespace":"default"},
            "spec":{"podSelector":{"matchLabels":{"app":"server"}},"policyTypes":["Ingress"],
            "ingress":[{"from":[{"ipBlock":{"cidr":"\(otherPeer(number))"}}],\(ports)}]}}
            """
        }
        return #"{"apiVersion":"v1","kind":"List","items":[\#(items.joined(separator: ","))]}"#
    }

    private static let ports =
        #""ports":[{"protocol":"TCP","port":6000},{"protocol":"UDP","port":6000,"endPort":65535}]"#

    /// The server's ingress names `cidrs` prefixes; the last one contains the client.
    static func manifest(_ world: NetWorld, cidrs: Int) -> String {
        let others = strangers(cidrs - 1).map { #"{"ipBlock":{"cidr":"\#($0)"}}"# }
        let own = #"{"ipBlock":{"cidr":"\#(world.pod("client").v4)/32"}}"#
        return """
            {"apiVersion":"v1","kind":"List","items":[
            {"apiVersion":"networking.k8s.io/v1","kind":"NetworkPolicy",
            "metadata":{"name":"server","namespace":"default"},
            "spec":{"podSelector":{"matchLabels":{"app":"server"}},"policyTypes":["Ingress"],
            "ingress":[{"from":[\((others + [own]).joined(separator: ","))],\(ports)}]}},
            {"apiVersion":"networking.k8s.io/v1","kind":"NetworkPolicy",
            "metadata":{"name":"client","namespace":"default"},
            "spec":{"podSelector":{"matchLabels":{"app":"client"}},"policyTypes":["Egress"],
            "egress":[{"to":[{"podSelector":{"matchLabels":{"app":"server"}}}],\(ports)}]}}
            ]}
            """
    }
}
