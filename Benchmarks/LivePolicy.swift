// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import NetworkTypes
import TestKit

/// The policy of the live benchmark: the client's egress and the server's ingress both decide.
enum LivePolicy {
    /// Starts the daemon and puts the policy in force.
    static func install(_ world: NetWorld, cidrs: Int) throws -> NetDaemon {
        let daemon = try NetDaemon(in: world)
        try daemon.apply(pods(world))
        try daemon.apply(manifest(world, cidrs: cidrs))
        return daemon
    }

    /// Leaves no program in the kernel.
    static func remove(_ world: NetWorld) throws { try NetDaemon.uninstall(from: world) }

    private static func pods(_ world: NetWorld) -> [KubernetesObject] {
        world.pods.map { pod in
            .pod(
                Pod(
                    metadata: ObjectMeta(name: pod.name, namespace: "default", labels: ["app": pod.name]),
                    nodeName: NetDaemon.nodeName, podIPs: [pod.v4, pod.v6]))
        }
    }

    /// The server's ingress names `cidrs` prefixes, of which the last holds the client.
    static func manifest(_ world: NetWorld, cidrs: Int) -> String {
        let others = (0..<cidrs - 1).map { number in
            #"{"ipBlock":{"cidr":"\#(IPAddress(v4: 0x6440_0000 + UInt32(number) * 16))/28"}}"#
        }
        let own = #"{"ipBlock":{"cidr":"\#(world.pod("client").v4)/32"}}"#
        let ports = #""ports":[{"protocol":"TCP","port":6000},{"protocol":"UDP","port":6000,"endPort":65535}]"#
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
