// SPDX-License-Identifier: Apache-2.0
import NetworkKit
import NetworkTypes
import Testing

extension Live {
    /// The daemon with what the DaemonSet gives it: three capabilities, none of them to be gained again, and a root file
    /// system that it cannot write.
    @Suite(.serialized) struct PrivilegeTests {
        /// What starts a program so; the world's directory stands for what the DaemonSet mounts.
        private func container(_ world: NetWorld) -> [String] {
            let script = """
                mount --make-rprivate / && mount --rbind "$0" "$0" && mount -o remount,bind,ro / && \
                exec setpriv --no-new-privs --inh-caps=-all --bounding-set=-all,+bpf,+net_admin,+perfmon -- "$@"
                """
            return ["unshare", "-m", "sh", "-c", script, world.directory]
        }

        private static let policy = """
            apiVersion: v1
            kind: Pod
            metadata: {name: api, namespace: shop, labels: {app: api}}
            spec: {nodeName: node, containers: [{name: c, image: i}]}
            status: {phase: Running, podIPs: [{ip: 10.244.0.11}]}
            ---
            apiVersion: networking.k8s.io/v1
            kind: NetworkPolicy
            metadata: {name: api, namespace: shop}
            spec: {podSelector: {}, policyTypes: [Ingress], ingress: [{ports: [{port: 80}]}]}
            """

        @Test(arguments: NetDatapath.allCases, NetPodLinks.allCases)
        func threeCapabilitiesAreEnough(datapath: NetDatapath, links: NetPodLinks) throws {
            try NetWorld.with(pods: ["web", "api"], links: links) { world in
                try world.node.sysctl([("bridge/bridge-nf-call-iptables", 1), ("bridge/bridge-nf-call-ip6tables", 1)])
                let api = world.pod("api")
                #expect(api.v4.description == "10.244.0.11")
                let server = try api.namespace.run { try NetServer(at: [api.v4], [.init(.tcp, 80), .init(.tcp, 81)]) }
                defer { server.stop() }
                let daemon = try NetDaemon(in: world, datapath: datapath, wrapper: container(world))
                defer { _ = try? daemon.stop() }
                try daemon.apply(Self.policy)
                func ask(_ port: UInt16) throws -> NetOutcome {
                    try world.pod("web").namespace.run {
                        try NetProbe(.tcp, to: api.v4, port: port, milliseconds: 500).run()
                    }
                }
                #expect(try ask(80) == .answered && ask(81) == .timeout)
                let status = try NetProcess.run(["cat", "/proc/\(daemon.pid)/status"])
                #expect(status.contains("CapBnd:\t000000c000001000\n") && status.contains("NoNewPrivs:\t1\n"))
                #expect(try daemon.get("/v1/status").contains("\"healthy\":true"), "\(daemon.log)")
                // It takes over what it left, and removes it, with no more than that.
                try daemon.stop()
                #expect(try ask(81) == .timeout)
                try daemon.start()
                #expect(try ask(81) == .timeout)
                try daemon.stop()
                let cleanup = [
                    try NetDaemon.executable("bulkheadd"), "--cleanup", "--bpffs", world.bpffs, "--cni-conf-dir",
                    world.directory,
                ]
                let process = try world.node.start(container(world) + cleanup)
                #expect(try process.wait() == 0, "\(process.output)")
                #expect(try ask(81) == .answered)
            }
        }
    }
}
