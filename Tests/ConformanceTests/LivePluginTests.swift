// SPDX-License-Identifier: Apache-2.0
import Glibc
import KubernetesObjects
import NetworkKit
import NetworkTypes
import Synchronization
import Testing

extension Live {
    /// The chained CNI plugin behind Debian's ptp and bridge plugins, installed by the daemon itself.
    @Suite(.serialized) struct PluginTests {
        struct Setting: Sendable, CustomTestStringConvertible {
            var datapath: NetDatapath
            var links: NetPodLinks
            var testDescription: String { "\(datapath), \(links)" }
        }
        static let settings = NetDatapath.allCases.flatMap { datapath in
            NetPodLinks.allCases.map { Setting(datapath: datapath, links: $0) }
        }

        /// From its first packet on a pod is denied what it should be, and all until its object has come.
        @Test(arguments: settings) func heldUntilItsObjectComes(setting: Setting) throws {
            try LivePluginNode.with(setting) { node in
                let sandbox = try node.sandbox("web", uid: "u-1")
                let adding = Calling(node.chain, adding: sandbox)
                try node.waitUntil("held")
                // Not even before ADD has come to its end does anything pass.
                let outside = NetAddressing.outside
                let early = try sandbox.namespace.run {
                    try NetProbe.runTogether([
                        NetProbe(.udp, to: outside, port: 5353), NetProbe(.tcp, to: outside, port: 80),
                        NetProbe(.icmp, to: outside), NetProbe(.udp, to: NetAddressing.outside6, port: 5353),
                        NetProbe(.udp, to: node.world.pod("api").v4, port: 5353),
                    ])
                }
                #expect(early == Array(repeating: .timeout, count: 5))
                #expect(!adding.isOver)
                try node.daemon.apply([LivePluginNode.object("web", uid: "u-1", app: "web")])
                let result = try adding.wait()
                let addresses = try NetChain.addresses(result)
                #expect(addresses.count == 2)
                let api = node.world.pod("api")
                for destination in [outside, NetAddressing.outside6, api.v4, api.v6] {
                    let answers = try sandbox.namespace.run {
                        try NetProbe.runTogether([
                            NetProbe(.udp, to: destination, port: 5353, milliseconds: 500),
                            NetProbe(.tcp, to: destination, port: 80, milliseconds: 500),
                        ])
                    }
                    // Policy lets web to api by UDP alone, and everywhere outside.
                    let isOutside = [outside, NetAddressing.outside6].contains(destination)
                    #expect(answers == [.answered, isOutside ? .answered : .timeout], "\(destination)")
                }
                // Only api reaches it, and its sources are checked from the first packet on.
                let back = try node.world.outside.run {
                    try NetProbe(.icmp, to: addresses[0], milliseconds: 300).run()
                }
                #expect(back == .timeout)
                switch setting.links {
                case .routed:
                    #expect(try node.daemon.get("/v1/endpoints").contains(/"interface":\{[^}]*\},"name":"web"/))
                case .bridged:
                    #expect(try node.daemon.get("/v1/status").contains(/"bridges":\{[^}]*"ports":2/))
                    #expect(try node.daemon.get("/v1/endpoints").firstMatch(of: /"bridgePort":\{[^}]*\}/) != nil)
                }
                try node.chain.check(sandbox, result)
                try node.chain.delete(sandbox)
                #expect(try node.daemon.get("/v1/attachments") == "{\"attachments\":[]}\n")
            }
        }

        /// What a pod is denied it never gets, however soon it sends after its start.
        @Test(arguments: settings) func nothingDeniedEverPasses(setting: Setting) throws {
            try LivePluginNode.with(setting) { node in
                for number in 0..<8 {
                    let sandbox = try node.sandbox("web-\(number)", uid: "u-\(number)")
                    try node.daemon.apply([LivePluginNode.object("web-\(number)", uid: "u-\(number)", app: "none")])
                    try node.chain.add(sandbox)
                    let probes = [NetProbe(.udp, to: node.world.pod("api").v4, port: 5353, milliseconds: 50)]
                    #expect(try sandbox.namespace.run { try NetProbe.runTogether(probes) } == [.timeout])
                }
                #expect(node.server.arrivals.isEmpty)
            }
        }

        /// The runtime tells a static pod's UID, and the API server a mirror's.
        @Test func aStaticPod() throws {
            try LivePluginNode.with(Setting(datapath: .ebpf, links: .routed)) { node in
                try node.daemon.apply([LivePluginNode.object("web", uid: "mirror", app: "web", staticUID: "6f1c0de5")])
                let sandbox = try node.sandbox("web", uid: "6f1c0de5")
                let result = try node.chain.add(sandbox)
                let probe = NetProbe(.udp, to: node.world.pod("api").v4, port: 5353, milliseconds: 500)
                #expect(try sandbox.namespace.run { try probe.run() } == .answered)
                try node.chain.check(sandbox, result)
                try node.chain.delete(sandbox)
            }
        }

        /// While the daemon restarts pods can be started: later.
        @Test func statusOutlivesARestart() throws {
            try LivePluginNode.with(Setting(datapath: .ebpf, links: .routed)) { node in
                let sandbox = try node.sandbox("web", uid: "u-1")
                try node.chain.status(sandbox)
                try node.daemon.stop(SIGKILL)
                let asking = Calling { [chain = node.chain] in
                    try chain.status(sandbox)
                    return ""
                }
                NetClock.sleep(milliseconds: 300)
                #expect(!asking.isOver)
                try node.daemon.start()
                try asking.wait()
                // Without one it has its end.
                try node.daemon.stop()
                let failure = #expect(throws: NetChain.Failure.self) { try node.chain.status(sandbox) }
                #expect(failure?.code == 50 && failure?.answer.contains("does not answer") == true)
            }
        }

        @Test func theDeadline() throws {
            try LivePluginNode.with(Setting(datapath: .ebpf, links: .routed), more: ["--cni-deadline", "0.3"]) { node in
                let sandbox = try node.sandbox("web", uid: "u-1")
                let failure = #expect(throws: NetChain.Failure.self) { try node.chain.add(sandbox) }
                #expect(failure?.plugin == "bulkhead-cni" && failure?.code == 11, "\(String(describing: failure))")
                #expect(failure?.answer.contains("its object is not known yet") == true)
                let probe = NetProbe(.udp, to: NetAddressing.outside, port: 5353)
                #expect(try sandbox.namespace.run { try probe.run() } == .timeout)
                try node.chain.delete(sandbox)
            }
            let allow = ["--cni-deadline", "0.3", "--cni-on-deadline", "allow"]
            try LivePluginNode.with(Setting(datapath: .ebpf, links: .routed), more: allow) { node in
                let sandbox = try node.sandbox("web", uid: "u-1")
                try node.chain.add(sandbox)
                let probe = NetProbe(.udp, to: NetAddressing.outside, port: 5353, milliseconds: 500)
                #expect(try sandbox.namespace.run { try probe.run() } == .answered)
            }
        }

        /// Without the daemon no pod starts, and pods can be deleted; a held pod stays held; the plugin waits for the
        /// next daemon.
        @Test(arguments: NetDatapath.allCases) func theDaemonIsDown(datapath: NetDatapath) throws {
            try LivePluginNode.with(Setting(datapath: datapath, links: .routed), more: ["--cni-deadline", "1"]) {
                node in
                let (held, second) = (try node.sandbox("held", uid: "u-1"), try node.sandbox("web", uid: "u-2"))
                #expect(throws: NetChain.Failure.self) { try node.chain.add(held) }
                try node.daemon.stop(SIGKILL)
                let probe = NetProbe(.udp, to: NetAddressing.outside, port: 5353)
                #expect(try held.namespace.run { try probe.run() } == .timeout)
                let failure = #expect(throws: NetChain.Failure.self) { try node.chain.add(second) }
                #expect(failure?.code == 11 && failure?.answer.contains("no answer from bulkheadd") == true)
                try node.chain.delete(second)
                try node.daemon.start()
                #expect(try held.namespace.run { try probe.run() } == .timeout)
                try node.daemon.apply([LivePluginNode.object("web", uid: "u-2", app: "web")])
                try node.daemon.stop()
                let third = try node.sandbox("web", uid: "u-2")
                let adding = Calling(node.chain, adding: third)
                try node.daemon.start()
                _ = try adding.wait()
                try node.chain.delete(third)
                // Its network is gone without a word: so is what was known of it.
                try NetProcess.run(["ip", "netns", "delete", held.namespace.name])
                try NetClock.wait("the end of what is held", seconds: 5) {
                    try node.daemon.get("/v1/attachments") == "{\"attachments\":[]}\n"
                }
            }
        }

        /// The one address of the node goes from pod to pod: the second is not what the first was.
        @Test(arguments: NetDatapath.allCases) func anAddressUsedAgain(datapath: NetDatapath) throws {
            try LivePluginNode.with(
                Setting(datapath: datapath, links: .routed), more: ["--cni-deadline", "0.5"], lastAddress: 100
            ) { node in
                let api = NetProbe(.udp, to: node.world.pod("api").v4, port: 5353, milliseconds: 400)
                let first = try node.sandbox("web", uid: "u-1")
                try node.daemon.apply([LivePluginNode.object("web", uid: "u-1", app: "web")])
                let addresses = try NetChain.addresses(node.chain.add(first))
                #expect(try first.namespace.run { try api.run() } == .answered)
                #expect(try node.isAnswered(first, at: addresses[0], milliseconds: 5000))
                // The API server goes on to say that the first has it.
                try node.daemon.apply([LivePluginNode.object("web", uid: "u-1", app: "web", addresses)])
                try node.chain.delete(first)
                let second = try node.sandbox("web", uid: "u-2")
                let failure = #expect(throws: NetChain.Failure.self) { try node.chain.add(second) }
                #expect(failure?.code == 11)
                #expect(try second.namespace.run { try api.run() } == .timeout)
                try node.chain.delete(second)
                let third = try node.sandbox("other", uid: "u-3")
                try node.daemon.apply([LivePluginNode.object("other", uid: "u-3", app: "other")])
                #expect(try NetChain.addresses(node.chain.add(third)) == addresses)
                // Nor has it what the first had begun.
                #expect(try !node.isAnswered(third, at: addresses[0], milliseconds: 400))
                #expect(try third.namespace.run { try api.run() } == .timeout)
            }
        }

        /// It goes as it came.
        @Test func uninstall() throws {
            try LivePluginNode.with(Setting(datapath: .ebpf, links: .routed)) { node in
                func list() throws -> String { try NetProcess.run(["cat", node.chain.configuration]) }
                #expect(try list().contains("bulkhead-cni"))
                try node.daemon.stop()
                #expect(try list().contains("bulkhead-cni"), "a stop is no uninstall")
                let report = try node.world.node.command(
                    NetDaemon.executable("bulkheadctl"), "uninstall", "--bpffs", node.world.bpffs, "--cni-bin-dir",
                    node.binaries, "--cni-conf-dir", node.configurations)
                #expect(report.contains("removed entry in CNI configuration") && report.contains("nothing is left"))
                #expect(try !list().contains("bulkhead-cni") && access(node.binaries + "/bulkhead-cni", F_OK) != 0)
                let sandbox = try node.sandbox("web", uid: "u-1")
                try node.chain.add(sandbox)
            }
        }
    }
}

/// A call of the plugin that is under way on a thread of its own.
private final class Calling: Sendable {
    private let result = Mutex<Result<String, any Error>?>(nil)

    convenience init(_ chain: NetChain, adding sandbox: NetChain.Sandbox) { self.init { try chain.add(sandbox) } }

    init(_ call: @escaping @Sendable () throws -> String) {
        _ = try? NetThread.start { [self] in
            let outcome = Result { try call() }
            result.withLock { $0 = outcome }
        }
    }

    var isOver: Bool { result.withLock { $0 != nil } }

    @discardableResult func wait() throws -> String {
        try NetClock.wait("the end of the plugin's call", seconds: 15) { isOver }
        return try result.withLock { $0 }!.get()
    }
}

/// A node whose CNI configuration has the plugin.
private final class LivePluginNode {
    let world: NetWorld
    let daemon: NetDaemon
    let chain: NetChain
    /// In the pod `api`.
    let server: NetServer
    let binaries: String
    let configurations: String
    private let outside: NetServer
    private var count = 0

    static func with(
        _ setting: Live.PluginTests.Setting, more: [String] = [], lastAddress: Int = 199,
        _ body: (LivePluginNode) throws -> Void
    ) throws {
        let node = try LivePluginNode(setting, more, lastAddress)
        defer { node.close() }
        try body(node)
    }

    private init(_ setting: Live.PluginTests.Setting, _ more: [String], _ lastAddress: Int) throws {
        world = try NetWorld(pods: ["api"], links: setting.links)
        binaries = "\(world.directory)/cni-bin"
        configurations = "\(world.directory)/net.d"
        for path in [binaries, configurations] { mkdir(path, 0o755) }
        let configuration = "\(configurations)/10-pods.conflist"
        let list = NetChain.list([NetChain.plugin(setting.links, in: world, last: lastAddress)])
        try NetProcess.run(["tee", configuration], input: list)
        let ports = [NetServer.Port(.udp, 5353), .init(.tcp, 80)]
        let api = world.pod("api")
        server = try api.namespace.run { try NetServer(at: [api.v4, api.v6], ports) }
        outside = try world.outside.run {
            try NetServer(at: [NetAddressing.outside, NetAddressing.outside6], ports)
        }
        daemon = try NetDaemon(
            in: world, datapath: setting.datapath,
            options: ["--install-cni", "--cni-bin-dir", binaries, "--cni-conf-dir", configurations] + more)
        chain = NetChain(in: world, configuration: configuration, binaries: binaries)
        try daemon.apply([Self.object("api", uid: "u-api", app: "api", [api.v4, api.v6])])
        try daemon.apply(Self.policies)
        try NetClock.wait("the plugin's installation; log:\n\(daemon.log)", seconds: 10) {
            try NetProcess.run(["cat", configuration]).contains("bulkhead-cni")
        }
    }

    private func close() {
        _ = try? daemon.stop()
        server.stop()
        outside.stop()
        world.close()
    }

    /// A new sandbox, as before its network is made.
    func sandbox(_ podName: String, uid: String) throws -> NetChain.Sandbox {
        count += 1
        return NetChain.Sandbox(
            container: "container\(count)", namespace: try world.addNamespace(), podName: podName, uid: uid)
    }

    /// Whether `api` answers within the time, asked from a port that is always the same.
    func isAnswered(_ sandbox: NetChain.Sandbox, at source: IPAddress, milliseconds: Int) throws -> Bool {
        let api = world.pod("api").v4
        let interval = 100
        return try sandbox.namespace.run {
            let socket = try NetSocket(source.family, SOCK_DGRAM)
            try socket.bind(source, 40_000)
            for _ in 0..<milliseconds / interval {
                _ = socket.send([1], to: api, 5353)
                _ = socket.wait(POLLIN, milliseconds: interval)
                if case .bytes(let bytes, _, _) = socket.receive(), !bytes.isEmpty { return true }
            }
            return false
        }
    }

    func waitUntil(_ state: String) throws {
        try NetClock.wait("an attachment that is \(state)", seconds: 10) {
            try daemon.get("/v1/attachments").contains("\"state\":\"\(state)\"")
        }
    }

    static func object(
        _ name: String, uid: String, app: String, _ addresses: [IPAddress] = [], staticUID: String = ""
    ) -> KubernetesObject {
        .pod(
            Pod(
                metadata: ObjectMeta(name: name, namespace: "shop", uid: uid, labels: ["app": app]),
                nodeName: NetDaemon.nodeName, phase: addresses.isEmpty ? .pending : .running, podIPs: addresses,
                staticUID: staticUID))
    }

    private static let policies = """
        apiVersion: networking.k8s.io/v1
        kind: NetworkPolicy
        metadata: {name: api, namespace: shop}
        spec:
          podSelector: {matchLabels: {app: api}}
          ingress:
          - from: [{podSelector: {matchLabels: {app: web}}}]
            ports: [{port: 5353, protocol: UDP}]
        ---
        apiVersion: networking.k8s.io/v1
        kind: NetworkPolicy
        metadata: {name: web, namespace: shop}
        spec:
          podSelector: {matchLabels: {app: web}}
          ingress:
          - from: [{podSelector: {matchLabels: {app: api}}}]
        """
}
