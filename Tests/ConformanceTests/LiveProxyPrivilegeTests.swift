// SPDX-License-Identifier: Apache-2.0
import Glibc
import NetworkKit
import NetworkTypes
import Testing

extension Live {
    /// The request proxy as `deploy/requests` runs it, beside the daemon as its DaemonSet runs it: no more capabilities,
    /// none to be gained, and neither files nor kernel settings to be written. On a node with the strictest check of
    /// sources that the kernel has, which the proxy's pod inherits.
    @Suite(.serialized) struct ProxyPrivilegeTests {
        private static let user = "9105"

        /// What starts a program so; `mounted` may be written.
        private static func container(_ mounted: String, capabilities: String, user: String = "0") -> [String] {
            let script = """
                mount --make-rprivate / && mount --bind /proc/sys /proc/sys && mount -o remount,bind,ro /proc/sys && \
                mount --rbind "$0" "$0" && mount -o remount,bind,ro / && \
                exec setpriv --no-new-privs --inh-caps=-all --bounding-set=-all\(capabilities) \
                --reuid \(user) --regid 0 --clear-groups -- "$@"
                """
            return ["unshare", "-m", "sh", "-c", script, mounted]
        }

        private static func policy(_ world: NetWorld) -> String {
            let accounts = [
                ("kube-system", "proxy", "bulkhead-http"), ("shop", "server", "shoes-sa"),
                ("shop", "client", "inventory-sa"),
            ]
            let pods = accounts.map { namespace, name, account in
                """
                ---
                apiVersion: v1
                kind: Pod
                metadata: {name: \(name), namespace: \(namespace), labels: {app: \(name)}}
                spec: {nodeName: node, serviceAccountName: \(account), containers: [{name: c, image: i}]}
                status: {phase: Running, podIPs: [{ip: '\(world.pod(name).v4)'}, {ip: '\(world.pod(name).v6)'}]}

                """
            }
            return pods.joined() + """
                ---
                apiVersion: security.istio.io/v1
                kind: AuthorizationPolicy
                metadata: {name: shoes-writer, namespace: shop}
                spec:
                  selector: {matchLabels: {app: server}}
                  rules:
                  - from: [{source: {principals: [cluster.local/ns/shop/sa/inventory-sa]}}]
                    to: [{operation: {methods: [POST]}}]
                """
        }

        /// Any web server.
        private static let shoes = """
            defaults
                mode http
                timeout client 1m
                timeout connect 1s
                timeout server 1m
            frontend shoes
                bind :::8080 v4v6
                http-request return status 200 content-type text/plain lf-string "%[src]"

            """

        /// Writes the files of the ConfigMap with this world's paths, the server's, and the program.
        private static func write(_ world: NetWorld) throws -> String {
            let directory = "\(world.directory)/http"
            let deploy = "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/") + "/deploy/requests"
            let script = """
                set -e
                mkdir "$2"
                cp "$1/spoe.cfg" "$1/late.lua" "$2/"
                sed "s#/run/bulkhead-http/#$2/#g; s#/etc/bulkhead-http/#$2/#g" "$1/haproxy.cfg" >"$2/haproxy.cfg"
                cat >"$2/shoes.cfg"
                # Another user runs it, who may not be able to reach the build.
                install -m 755 "$4" "$2/bulkhead-http"
                # As the kubelet makes an emptyDir; the world's own directory lets others pass, as /run does.
                chmod 777 "$2"
                chmod 755 "$3"
                """
            let program = try NetDaemon.executable("bulkhead-http")
            try NetProcess.run(["sh", "-c", script, "sh", deploy, directory, world.directory, program], input: shoes)
            return directory
        }

        /// The pod's containers.
        private struct Proxy {
            var decider: NetProcess
            var haproxy: NetProcess

            var output: String { decider.output + haproxy.output }

            func stop() {
                for part in [decider, haproxy] { _ = try? part.stop(SIGKILL) }
            }
        }

        private static func start(in world: NetWorld, _ directory: String) throws -> Proxy {
            let program = "\(directory)/bulkhead-http"
            let prepare = try world.pod("proxy").namespace.start(
                container(directory, capabilities: ",+net_admin") + [program, "prepare"])
            #expect(try prepare.wait() == 0, "\(prepare.output)")
            let decider = try world.pod("proxy").namespace.start(
                container(directory, capabilities: "", user: user) + [
                    program, "decide", "--spop-socket", "\(directory)/decider.sock", "--requests-socket",
                    "\(world.directory)/requests/requests.sock", "--policy-file", "\(directory)/policy.jsonl",
                    "--haproxy-socket", "\(directory)/haproxy.sock", "--metrics-address", ":9469",
                ])
            return Proxy(decider: decider, haproxy: try startHAProxy(in: world, directory))
        }

        private static func startHAProxy(in world: NetWorld, _ directory: String) throws -> NetProcess {
            try world.pod("proxy").namespace.start(
                container(directory, capabilities: ",+net_admin") + [
                    "haproxy", "-db", "-f", "\(directory)/haproxy.cfg",
                ])
        }

        /// What `curl` prints: the body, and the status; 000 if the flow is refused.
        private static func ask(_ world: NetWorld, _ method: String, _ family: AddressFamily) throws -> String {
            let server = world.pod("server").address(family)
            let url = "http://\(family == .ipv6 ? "[\(server)]" : "\(server)"):8080/"
            let process = try world.pod("client").namespace.start([
                "curl", "--silent", "--max-time", "5", "--request", method, "--write-out", " %{http_code}", url,
            ])
            _ = try process.wait()
            return process.output.replacing("\n", with: "")
        }

        /// Runs `body` in a world with server, daemon and policy; the last argument is where the proxy's files are.
        private static func with(
            _ datapath: NetDatapath, _ links: NetPodLinks, _ body: (NetWorld, NetDaemon, String) throws -> Void
        ) throws {
            try NetWorld.with(pods: ["client", "server", "proxy"], links: links) { world in
                let strict = [("ipv4/conf/all/rp_filter", 1), ("ipv4/conf/all/src_valid_mark", 1)]
                for namespace in [world.node, world.pod("proxy").namespace] { try namespace.sysctl(strict) }
                if links == .bridged {
                    try world.node.sysctl([
                        ("bridge/bridge-nf-call-iptables", 1), ("bridge/bridge-nf-call-ip6tables", 1),
                    ])
                }
                let directory = try write(world)
                let server = try world.pod("server").namespace.start(["haproxy", "-db", "-f", "\(directory)/shoes.cfg"])
                defer { _ = try? server.stop(SIGKILL) }
                let daemon = try NetDaemon(
                    in: world, datapath: datapath, options: ["--request-user", user],
                    wrapper: container(world.directory, capabilities: daemonCapabilities))
                defer { _ = try? daemon.stop() }
                try daemon.apply(policy(world))
                try body(world, daemon, directory)
            }
        }

        private static let daemonCapabilities = ",+bpf,+net_admin,+perfmon"

        private static func isReady(_ daemon: NetDaemon) throws -> Bool {
            try daemon.get("/v1/status").contains("\"proxyReady\":true")
        }

        @Test(arguments: [(NetDatapath.ebpf, NetPodLinks.routed), (.nftables, .bridged), (.nftables, .routed)])
        func noMorePrivilegesAreNeeded(datapath: NetDatapath, links: NetPodLinks) throws {
            try Self.with(datapath, links) { world, daemon, directory in
                let proxy = try Self.start(in: world, directory)
                defer { proxy.stop() }
                try NetClock.wait("the proxy", seconds: 20) {
                    try Self.isReady(daemon) && Self.ask(world, "POST", .ipv4).hasSuffix("200")
                }
                for family in AddressFamily.allCases {
                    let client = world.pod("client").address(family)
                    #expect(try Self.ask(world, "POST", family).hasSuffix("\(client) 200"), "\(proxy.output)")
                    #expect(try Self.ask(world, "GET", family) == "denied by policy 403")
                }
                try daemon.stop()
                let cleanup = ["--cleanup", "--bpffs", world.bpffs, "--cni-conf-dir", world.directory]
                let process = try world.node.start(
                    Self.container(world.directory, capabilities: Self.daemonCapabilities)
                        + [try NetDaemon.executable("bulkheadd")] + cleanup)
                #expect(try process.wait() == 0, "\(process.output)")
                #expect(try Self.ask(world, "GET", .ipv4).hasSuffix("200"))
                let left = try [["nft", "list", "ruleset"], ["ip", "rule"], ["ip", "-6", "rule"]].map { command in
                    let process = try world.node.start(command)
                    return try process.wait() == 0 ? process.output : "\(command) fails"
                }
                #expect(!left.joined().contains(/bulkhead|fwmark|fails/), "\(left)")
            }
        }

        /// A decider without HAProxy is not a proxy, and the daemon says so. With HAProxy its flows come back.
        @Test func withoutHAProxyThereIsNoProxy() throws {
            try Self.with(.ebpf, .routed) { world, daemon, directory in
                var proxy = try Self.start(in: world, directory)
                defer { proxy.stop() }
                for _ in 0..<2 {
                    try NetClock.wait("the proxy", seconds: 20) {
                        try Self.isReady(daemon) && Self.ask(world, "POST", .ipv4).hasSuffix("200")
                    }
                    try proxy.haproxy.stop(SIGKILL)
                    try NetClock.wait("the daemon to miss the proxy", seconds: 20) { try !Self.isReady(daemon) }
                    #expect(proxy.decider.status == nil, "\(proxy.decider.output)")
                    proxy.haproxy = try Self.startHAProxy(in: world, directory)
                }
                #expect(proxy.decider.output.contains("HAProxy does not answer on"))
            }
        }
    }
}
