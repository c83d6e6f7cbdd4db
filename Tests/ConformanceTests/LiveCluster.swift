// SPDX-License-Identifier: Apache-2.0
import APIServerKit
import Foundation
import KubernetesObjects
import Manifests
import NetworkKit
import NetworkTypes
import PolicyOracle
import WorldKit

/// The cluster of the live tests: pods, the policies that all cases are judged by, servers in every pod.
final class LiveCluster {
    /// Pods on the node under test; each has the label `app` with its own name, in namespace `shop`.
    static let localPods = ["web", "api", "db", "idle", "locked"]
    /// On the other node, with the same labels as a pod here.
    static let remotePods = ["far"]
    static let labels = ["far": "web"]

    static let policies = """
        apiVersion: networking.k8s.io/v1
        kind: NetworkPolicy
        metadata: {name: db, namespace: shop}
        spec:
          podSelector: {matchLabels: {app: db}}
          policyTypes: [Ingress, Egress]
          ingress:
          - from: [{podSelector: {matchLabels: {app: api}}}]
            ports:
            - {port: 6379}
            - {port: 5353, protocol: UDP}
            - {port: 9999, protocol: SCTP}
            - {port: 7000, endPort: 7010}
        ---
        apiVersion: networking.k8s.io/v1
        kind: NetworkPolicy
        metadata: {name: api, namespace: shop}
        spec:
          podSelector: {matchLabels: {app: api}}
          ingress:
          - from: [{podSelector: {matchLabels: {app: web}}}]
          - from: [{ipBlock: {cidr: 203.0.113.0/24}}, {ipBlock: {cidr: '2001:db8:ffff::/48'}}]
            ports: [{port: 8080}]
        ---
        apiVersion: networking.k8s.io/v1
        kind: NetworkPolicy
        metadata: {name: web, namespace: shop}
        spec:
          podSelector: {matchLabels: {app: web}}
          policyTypes: [Egress]
          egress:
          - to: [{podSelector: {matchLabels: {app: api}}}]
          - to:
            - ipBlock: {cidr: 0.0.0.0/0, except: [169.254.169.254/32, 10.0.0.0/8]}
            - ipBlock: {cidr: '::/0', except: ['fd00::/8']}
        ---
        apiVersion: networking.k8s.io/v1
        kind: NetworkPolicy
        metadata: {name: locked, namespace: shop}
        spec:
          podSelector: {matchLabels: {app: locked}}
          policyTypes: [Ingress, Egress]
        """

    /// The same, but no pod reaches `db`.
    static let policiesWithoutTheWayToDB = policies.replacing(
        "from: [{podSelector: {matchLabels: {app: api}}}]", with: "from: [{podSelector: {matchLabels: {app: nobody}}}]")

    /// In the order of their ClusterIPs.
    static let services = [
        NetService(.tcp, port: 80, targetPort: 6379, backends: ["db"]),
        NetService(.udp, port: 53, targetPort: 5353, backends: ["db"]),
        NetService(.sctp, port: 99, targetPort: 9999, backends: ["db"]),
        NetService(.tcp, port: 80, targetPort: 8080, backends: ["locked"], nodePort: 30003),
        NetService(.tcp, port: 80, targetPort: 8080, backends: ["api"], nodePort: 30004),
        NetService(.udp, port: 53, targetPort: 5353, backends: ["idle"], nodePort: 30005),
    ]

    private static let ports: [NetServer.Port] = [
        .init(.tcp, 6379), .init(.tcp, 8080), .init(.tcp, 7005), .init(.udp, 5353), .init(.sctp, 9999),
    ]

    let world: NetWorld
    let daemon: NetDaemon
    /// What the daemon follows; nil if its socket gets the objects.
    let api: APIServer?
    private let servers: [String: NetServer]

    init(
        _ datapath: NetDatapath, proxy: NetProxyMode, links: NetPodLinks, options: [String] = [],
        followsAPI: Bool = false
    ) throws {
        world = try NetWorld(
            pods: Self.localPods, remotePods: Self.remotePods, services: Self.services, proxy: proxy,
            links: links)
        var servers: [String: NetServer] = [:]
        for pod in world.pods {
            servers[pod.name] = try pod.namespace.run { try NetServer(at: [pod.v4, pod.v6], Self.ports) }
        }
        servers["outside"] = try world.outside.run {
            try NetServer(
                at: [NetAddressing.outside, NetAddressing.outside6, NetAddressing.metadata],
                [.init(.tcp, 80), .init(.udp, 5353)])
        }
        let nodeAddresses = [
            NetAddressing.nodes[0], NetAddressing.nodes6[0], NetAddressing.gateways[0], NetAddressing.gateways6[0],
        ]
        servers["node"] = try world.node.run { try NetServer(at: nodeAddresses, [.init(.tcp, 10250)]) }
        self.servers = servers
        guard followsAPI else {
            api = nil
            daemon = try NetDaemon(in: world, datapath: datapath, options: ["--manifests", world.manifests] + options)
            try daemon.apply(Self.objects(world))
            try daemon.apply(Self.policies)
            return
        }
        let api = try APIServer(in: world.node)
        try api.apply(KubernetesYAML.text(of: Self.objects(world)))
        try api.apply(Self.policies)
        self.api = api
        daemon = try NetDaemon(in: world, following: api, datapath: datapath, options: options)
    }

    /// Runs `body` with a cluster and removes it, whatever happens.
    static func with(
        _ datapath: NetDatapath, proxy: NetProxyMode = .nftables, links: NetPodLinks = .routed,
        options: [String] = [], followsAPI: Bool = false, _ body: (LiveCluster) throws -> Void
    ) throws {
        let cluster = try LiveCluster(
            datapath, proxy: proxy, links: links, options: options, followsAPI: followsAPI)
        defer { cluster.close() }
        try body(cluster)
    }

    func close() {
        _ = try? daemon.stop()
        api?.stop()
        for server in servers.values { server.stop() }
        world.close()
    }

    func server(_ name: String) -> NetServer { servers[name]! }

    /// What a pod sees that asks.
    func ask(_ probe: NetProbe, from pod: String) throws -> NetOutcome {
        try world.pod(pod).namespace.run { try probe.run() }
    }

    /// Starts to send numbered packets from pod to pod.
    func hammer(
        _ from: String, _ target: String, _ ipProtocol: IPProtocol, _ port: UInt16, _ family: AddressFamily,
        everyMicroseconds interval: Int
    ) throws -> NetHammer {
        let destination = world.pod(target).address(family)
        return try world.pod(from).namespace.run {
            try NetHammer(ipProtocol, to: destination, port: port, everyMicroseconds: interval)
        }
    }

    /// Nodes, namespace and pods as in the API server.
    static func objects(_ world: NetWorld) -> [KubernetesObject] {
        let nodes = [NetDaemon.nodeName, "node2"]
        let nodeObjects = nodes.enumerated().map { number, name in
            KubernetesObject.node(
                Node(
                    metadata: ObjectMeta(name: name),
                    addresses: [NetAddressing.nodes[number], NetAddressing.nodes6[number]]))
        }
        let namespace = KubernetesObject.namespace(Namespace(metadata: ObjectMeta(name: "shop")))
        return nodeObjects + [namespace] + world.pods.map { object(of: $0) }
    }

    static func object(of pod: NetPod, more: [String: String] = [:]) -> KubernetesObject {
        let metadata = ObjectMeta(
            name: pod.name, namespace: "shop", uid: "uid-\(pod.name)",
            labels: more.merging(["app": labels[pod.name] ?? pod.name]) { $1 })
        return .pod(
            Pod(
                metadata: metadata, nodeName: pod.node == 0 ? NetDaemon.nodeName : "node2", podIPs: [pod.v4, pod.v6],
                hostIPs: [NetAddressing.nodes[pod.node], NetAddressing.nodes6[pod.node]]))
    }

    /// A policy that lets `api` reach `idle`, or no pod.
    static func gate(open: Bool) -> String {
        """
        apiVersion: networking.k8s.io/v1
        kind: NetworkPolicy
        metadata: {name: gate, namespace: shop}
        spec:
          podSelector: {matchLabels: {app: idle}}
          ingress:
          - from: [{podSelector: {matchLabels: {app: \(open ? "api" : "nobody")}}}]
        """
    }

    /// Judges from the same objects, with the addresses that the node has besides.
    func oracle() throws -> Oracle {
        let policies = try ObjectBatch.decode(Array(Self.policies.utf8)).objects
        var objects = Self.objects(world)
        if case .node(var node) = objects[0] {
            node.addresses += [NetAddressing.gateways[0], NetAddressing.gateways6[0]]
            objects[0] = .node(node)
        }
        return Oracle(objects: objects + policies, nodeName: NetDaemon.nodeName)
    }
}
