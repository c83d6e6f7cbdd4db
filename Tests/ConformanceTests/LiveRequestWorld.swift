// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import NetworkKit
import NetworkTypes
import WorldKit

/// A node with a client, a server that keeps what it receives, and the node's request proxy, under the real daemon.
final class LiveRequestWorld {
    static let port: UInt16 = 8080
    /// Of the ClusterIP that leads to the server.
    static let servicePort: UInt16 = 80

    let world: NetWorld
    let daemon: NetDaemon
    let proxy: NetRequestProxy
    let recorder: NetRecorder

    init(
        _ datapath: NetDatapath, _ links: NetPodLinks = .routed, isProxyIsolated: Bool = true,
        answerer: @escaping @Sendable () -> any NetAnswerer = { NetWebAnswerer() }
    ) throws {
        let service = NetService(port: Self.servicePort, targetPort: Self.port, backends: ["server"])
        world = try NetWorld(pods: ["client", "server", "other", "proxy"], services: [service], links: links)
        let server = world.pod("server")
        recorder = try server.namespace.run {
            try NetRecorder(at: [server.v4, server.v6], port: Self.port, answerer: answerer)
        }
        do {
            daemon = try NetDaemon(in: world, datapath: datapath)
            try daemon.apply(Self.objects(world))
            // Flows that the proxy reads are judged as those of their ends, whatever policy holds for the proxy's address.
            if isProxyIsolated { try daemon.apply(NetRequestProxy.ownPolicy()) }
            proxy = try NetRequestProxy(in: world)
            try proxy.start()
        } catch {
            recorder.stop()
            world.close()
            throw error
        }
    }

    /// Runs `body` with a policy in force and removes everything, whatever happens.
    static func with(
        _ datapath: NetDatapath, _ links: NetPodLinks = .routed, policy: String, isProxyIsolated: Bool = true,
        answerer: @escaping @Sendable () -> any NetAnswerer = { NetWebAnswerer() },
        _ body: (LiveRequestWorld) throws -> Void
    ) throws {
        let live = try LiveRequestWorld(datapath, links, isProxyIsolated: isProxyIsolated, answerer: answerer)
        defer { live.close() }
        try live.daemon.apply(policy)
        try live.proxy.waitUntilReady(live.daemon)
        try live.proxy.waitUntilDeciding()
        try body(live)
    }

    func close() {
        proxy.stop()
        _ = try? daemon.stop()
        recorder.stop()
        world.close()
    }

    /// Where a client reaches the server: its own address or its ClusterIP.
    func target(_ family: AddressFamily, throughService: Bool = false) -> (address: IPAddress, port: UInt16) {
        guard throughService else { return (world.pod("server").address(family), Self.port) }
        return (family == .ipv4 ? NetAddressing.service(0) : NetAddressing.service6(0), Self.servicePort)
    }

    func connect(
        from pod: String = "client", _ family: AddressFamily = .ipv4, throughService: Bool = false
    ) throws -> NetConnection {
        let target = target(family, throughService: throughService)
        return try world.pod(pod).namespace.run { try NetConnection(to: target.address, port: target.port) }
    }

    /// The pods with a service account of their own name; the proxy with its own.
    static func objects(_ world: NetWorld) -> [KubernetesObject] {
        let addresses = [NetAddressing.nodes[0], NetAddressing.nodes6[0]]
        let node = KubernetesObject.node(
            Node(metadata: ObjectMeta(name: NetDaemon.nodeName), addresses: addresses))
        let namespace = KubernetesObject.namespace(Namespace(metadata: ObjectMeta(name: "shop")))
        let pods = world.pods.filter { $0.name != "proxy" }.map { pod in
            let metadata = ObjectMeta(
                name: pod.name, namespace: "shop", uid: "uid-\(pod.name)", labels: ["app": pod.name])
            return KubernetesObject.pod(
                Pod(
                    metadata: metadata, nodeName: NetDaemon.nodeName, serviceAccountName: pod.name,
                    podIPs: [pod.v4, pod.v6], hostIPs: addresses))
        }
        return [node, namespace] + pods + NetRequestProxy.objects(of: world.pod("proxy"))
    }

    /// What ``okPolicy`` allows.
    static let methods = ["GET", "HEAD", "POST", "OPTIONS"]

    /// The client may ask for /ok and what is below it; the other pod may do anything, so that nothing reads its requests.
    static let okPolicy = policy(
        """
        [{from: [{source: {serviceAccounts: [client]}}], \
        to: [{operation: {methods: [\(methods.joined(separator: ", "))], paths: [/ok, "/ok/*"]}}]}, \
        {from: [{source: {serviceAccounts: [other]}}]}]
        """)

    /// The same without GET, and with the other pod's requests read.
    static let narrowPolicy = policy(
        """
        [{from: [{source: {serviceAccounts: [client, other]}}], \
        to: [{operation: {methods: [HEAD, POST, OPTIONS], paths: [/ok, "/ok/*"]}}]}]
        """)

    /// An AuthorizationPolicy for the server.
    ///
    /// - Parameter rules: YAML in one line, of spec.rules.
    static func policy(_ rules: String, action: String = "ALLOW", name: String = "server") -> String {
        """
        apiVersion: security.istio.io/v1
        kind: AuthorizationPolicy
        metadata: {name: \(name), namespace: shop}
        spec: {selector: {matchLabels: {app: server}}, action: \(action), rules: \(rules)}
        """
    }
}
