// SPDX-License-Identifier: Apache-2.0
import CLinuxShim
import Glibc
import NetworkTypes
import Synchronization

/// A small cluster's network in namespaces: two nodes behind a router, pods laid as CNI plugins lay them, an
/// outside host and a metadata server beyond the router, ClusterIPs as kube-proxy lays them. Dual stack.
///
/// The namespaces live until ``close()``, or until the value goes away.
public final class NetWorld: Sendable {
    /// `nodes[0]` is the node under test.
    public let nodes: [NetNamespace]
    /// The router, which also holds the outside host's and the metadata server's address.
    public let outside: NetNamespace
    public let services: [NetService]
    public let links: NetPodLinks
    /// A directory of this world's own, with `manifests` and a bpffs at `bpf`: a plain folder in a user namespace.
    public let directory: String

    private let identity: String
    private let state: Mutex<[NetPod]>
    private let bare = Mutex<[NetNamespace]>([])
    private static let serial = Atomic<Int>(0)

    /// - Parameters:
    ///   - pods: names of the pods on the first node.
    ///   - remotePods: names of the pods on the second node.
    public init(
        pods: [String], remotePods: [String] = [], services: [NetService] = [], proxy: NetProxyMode = .nftables,
        links: NetPodLinks = .routed
    ) throws {
        NetNamespace.sweep()
        let number = Self.serial.add(1, ordering: .relaxed).newValue
        let identity = "\(getpid())-\(number)"
        func namespace(_ role: String) -> NetNamespace {
            NetNamespace(name: "\(NetNamespace.prefix)\(identity)-\(role)")
        }
        self.identity = identity
        nodes = [namespace("node"), namespace("node2")]
        outside = namespace("outside")
        self.services = services
        self.links = links
        directory = "/run/\(NetNamespace.directoryPrefix)\(identity)"
        let planned = (pods.map { ($0, 0) } + remotePods.map { ($0, 1) }).enumerated().map { number, pod in
            NetPod(name: pod.0, number: number, node: pod.1, namespace: namespace("pod\(number)"))
        }
        state = Mutex(planned)
        try makeDirectory()
        try makeNamespaces(nodes + [outside] + planned.map(\.namespace))
        try layLinks(planned)
        try layProxy(proxy)
    }

    deinit { close() }

    /// Makes a world, hands it to `body` and removes it, whatever happens.
    public static func with<Value>(
        pods: [String], remotePods: [String] = [], services: [NetService] = [], proxy: NetProxyMode = .nftables,
        links: NetPodLinks = .routed, _ body: (NetWorld) throws -> Value
    ) throws -> Value {
        let world = try NetWorld(pods: pods, remotePods: remotePods, services: services, proxy: proxy, links: links)
        defer { world.close() }
        return try body(world)
    }

    public var node: NetNamespace { nodes[0] }
    public var manifests: String { "\(directory)/manifests" }
    public var bpffs: String { "\(directory)/bpf" }
    public var pods: [NetPod] { state.withLock { $0 } }

    public func pod(_ name: String) -> NetPod { pods.first { $0.name == name }! }

    /// Adds a pod to the first node.
    public func addPod(_ name: String) throws -> NetPod {
        let pod = state.withLock { pods in
            let number = (pods.map(\.number).max() ?? -1) + 1
            let namespace = NetNamespace(name: "\(NetNamespace.prefix)\(identity)-pod\(number)")
            pods.append(NetPod(name: name, number: number, node: 0, namespace: namespace))
            return pods.last!
        }
        try makeNamespaces([pod.namespace])
        try NetProcess.run(["ip", "-batch", "-"], input: NetLayout.pair(of: pod, on: nodes[pod.node]) + "\n")
        try pod.namespace.ip(NetLayout.inside(pod, links))
        try nodes[pod.node].ip(NetLayout.hostSide(of: pod, links))
        return pod
    }

    /// Makes a namespace with nothing in it, as a container runtime does before it calls a CNI plugin.
    public func addNamespace() throws -> NetNamespace {
        let namespace = bare.withLock { bare in
            bare.append(NetNamespace(name: "\(NetNamespace.prefix)\(identity)-bare\(bare.count)"))
            return bare.last!
        }
        try makeNamespaces([namespace])
        return namespace
    }

    /// Removes a pod with its namespace and its interface.
    public func removePod(_ name: String) throws {
        let pod = pod(name)
        state.withLock { $0.removeAll { $0.name == name } }
        try nodes[pod.node].ip(["link delete \(pod.hostInterface)"])
        pod.namespace.remove()
    }

    /// Removes everything. May be called again.
    public func close() {
        NetNamespace.remove(bare.withLock { $0 } + pods.map(\.namespace) + nodes + [outside])
        Self.removeDirectory(directory)
    }

    private func makeDirectory() throws {
        for path in [directory, manifests, bpffs] {
            guard mkdir(path, 0o755) == 0 else { throw NetError.system("mkdir \(path)", errno) }
        }
        guard mount("bpf", bpffs, "bpf", 0, nil) != 0 else { return }
        let code = errno
        // In a user namespace the kernel refuses it, as it refuses BPF programs. Worlds for nftables do without.
        guard code == EPERM, NetNamespace.isInUserNamespace else { throw NetError.system("mount bpffs", code) }
    }

    static func removeDirectory(_ path: String) {
        guard access(path, F_OK) == 0 else { return }
        umount2("\(path)/bpf", 2)  // MNT_DETACH
        _ = try? NetProcess.run(["rm", "-rf", "--one-file-system", path])
    }

    private func makeNamespaces(_ namespaces: [NetNamespace]) throws {
        let lines = namespaces.map { "netns add \($0.name)\n" }.joined()
        try NetProcess.run(["ip", "-batch", "-"], input: lines)
        for namespace in namespaces {
            let isRouter = nodes.contains(namespace) || namespace == outside
            try namespace.sysctl(isRouter ? NetLayout.common + NetLayout.forwarding : NetLayout.common)
        }
    }

    private func layLinks(_ pods: [NetPod]) throws {
        var pairs = nodes.indices.map { NetLayout.uplink(ofNode: $0, nodes[$0], outside) }
        pairs += pods.map { NetLayout.pair(of: $0, on: nodes[$0.node]) }
        try NetProcess.run(["ip", "-batch", "-"], input: pairs.joined(separator: "\n") + "\n")
        try outside.ip(NetLayout.outside)
        for (number, node) in nodes.enumerated() {
            let hostSides = pods.filter { $0.node == number }.flatMap { NetLayout.hostSide(of: $0, links) }
            if links == .bridged { try node.sysctl(NetLayout.bridgeSettings) }
            let bridge = links == .bridged ? NetLayout.bridge(onNode: number) : []
            try node.ip(NetLayout.node(number) + bridge + hostSides)
        }
        for pod in pods { try pod.namespace.ip(NetLayout.inside(pod, links)) }
    }

    private func layProxy(_ mode: NetProxyMode) throws {
        let rules = NetProxyRules(services: services) { self.pod($0) }
        for node in nodes {
            try node.command("nft", "-f", "-", input: NetProxyRules.masquerade(uplink: "eth0"))
            if services.isEmpty { continue }
            switch mode {
            case .iptables:
                try node.command("iptables-restore", "--noflush", input: rules.iptables(.ipv4))
                try node.command("ip6tables-restore", "--noflush", input: rules.iptables(.ipv6))
            case .nftables:
                try node.command("nft", "-f", "-", input: rules.nftables(.ipv4) + rules.nftables(.ipv6))
            }
        }
    }
}
