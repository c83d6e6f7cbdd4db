// SPDX-License-Identifier: Apache-2.0
import ClusterInventory
import KubernetesObjects
import NetworkTypes
import PolicyModel
import Reachability

/// Looks for flaws in who reaches whom.
struct PostureChecks {
    private let inventory: ClusterInventory
    private let targets: PostureTargets
    private let dataPorts: [WorkloadKey: [UInt16]]
    private(set) var flaws: [PostureFlaw] = []
    private(set) var gains: [WorkloadKey: WorkloadGains] = [:]

    init(_ inventory: ClusterInventory, _ targets: PostureTargets, _ dataPorts: [WorkloadName: [UInt16]]) {
        self.inventory = inventory
        self.targets = targets
        self.dataPorts = Dictionary(dataPorts.map { (WorkloadKey($0), $1) }) { first, _ in first }
    }

    mutating func run(_ map: inout ReachabilityMap, _ rows: [ReachRow]) throws(ReachabilityError) {
        try checkMetadata(&map)
        try checkNodes(&map)
        checkData(rows)
        checkIsolation(rows)
        for workload in inventory.workloads where workload.isHostNetwork {
            addHostNetwork(WorkloadKey(workload.name), workload.pods.count)
        }
    }

    private mutating func add(
        _ code: PostureCode, _ key: WorkloadKey, _ message: String, _ direction: Direction, _ scope: ReachScope
    ) {
        flaws.append(
            PostureFlaw(
                finding: PostureFinding(
                    code: code, workload: key, object: "\(key.kind) \(key)", message: message,
                    remedy: .none("")), flows: (direction, scope)))
    }

    // MARK: Targets of pods

    private mutating func checkMetadata(_ map: inout ReachabilityMap) throws(ReachabilityError) {
        var open: [WorkloadKey: [String]] = [:]
        for address in PostureTargets.metadata {
            let prefix = CIDR(address, prefixLength: address.family == .ipv4 ? 32 : 128)
            for (key, ports) in Self.open(try map.reach(from: .anywhere, to: .network(prefix))) {
                open[key, default: []].append("\(address) on \(Self.words(ports))")
            }
        }
        let scope = ReachScope(addresses: Set(PostureTargets.metadata))
        for (key, texts) in open.sorted(by: { $0.key < $1.key }) {
            gains[key, default: WorkloadGains()].add(.metadata)
            add(.metadata, key, "It can reach \(texts.joined(separator: " and ")).", .egress, scope)
        }
    }

    private mutating func checkNodes(_ map: inout ReachabilityMap) throws(ReachabilityError) {
        guard targets.hasNodes else { return }
        let control = targets.controlPlane.sorted()
        let all: [(PostureCode, GainKind, [PortSpan], [IPAddress]?, String)] = [
            (.etcd, .etcd, PostureTargets.etcd, control, "the control plane"),
            (.kubelet, .kubelet, PostureTargets.kubelet, nil, "nodes"),
            (.apiServer, .apiServer, PostureTargets.apiServer, control, "the control plane"),
            (.nodePorts, .nodePorts, PostureTargets.nodePorts, nil, "nodes"),
        ]
        for (code, gain, ports, addresses, name) in all {
            var open: [WorkloadKey: [PortSpan]] = [:]
            let ends =
                addresses?.map { ReachEnd.network(CIDR($0, prefixLength: $0.family == .ipv4 ? 32 : 128)) } ?? [.nodes]
            for end in ends {
                let rows = try map.reach(from: .anywhere, to: end, ports: ports)
                open.merge(Self.open(rows.filter { $0.to == .nodes })) { $0 + $1 }
            }
            let scope = ReachScope(
                peers: addresses == nil ? .nodes : .none, addresses: Set(addresses ?? []), ports: ports)
            for (key, spans) in open.sorted(by: { $0.key < $1.key }) {
                gains[key, default: WorkloadGains()].add(gain)
                add(code, key, "It can reach \(name) on \(Self.words(spans)).", .egress, scope)
            }
        }
    }

    /// The workloads that reach anything, with the ports.
    private static func open(_ rows: [ReachRow]) -> [WorkloadKey: [PortSpan]] {
        var ports: [WorkloadKey: [PortSpan]] = [:]
        for row in rows {
            guard case .workload(let key) = row.from else { continue }
            let open = row.open.map(\.ports)
            if !open.isEmpty { ports[key, default: []] += open }
        }
        return ports
    }

    static func words(_ spans: [PortSpan]) -> String {
        let normal = PortSpan.normalized(spans)
        return normal == PortSpan.all ? "every port" : normal.map(\.description).joined(separator: ", ")
    }

    // MARK: Data

    private mutating func checkData(_ rows: [ReachRow]) {
        var found: [WorkloadKey: DataAccess] = [:]
        for row in rows where !row.isOwnNode {
            guard case .workload(let key) = row.to, let served = dataPorts[key] else { continue }
            let open = served.filter { port in row.open.contains { $0.ports.contains(port) } }
            guard !open.isEmpty else { continue }
            switch row.from {
            case .workload(let from) where from == key: continue
            case .workload(let from):
                gains[from, default: WorkloadGains()].add(data: "\(key)")
                if from.namespace != key.namespace { found[key, default: DataAccess()].add(from, open) }
            case .nodes, .outside: found[key, default: DataAccess()].outside.formUnion(open)
            }
        }
        for (key, access) in found.sorted(by: { $0.key < $1.key }) {
            if !access.outside.isEmpty {
                add(
                    .dataFromOutside, key,
                    "Addresses outside the cluster, or nodes, can reach \(Self.names(access.outside)).", .ingress,
                    ReachScope(peers: .exceptPods, ports: access.outside.flatMap { PostureTargets.tcp($0...$0) }))
            }
            if !access.namespaces.isEmpty {
                let some = access.namespaces.sorted().prefix(5).joined(separator: ", ")
                add(
                    .dataFromNamespaces, key,
                    "\(access.workloads.count) workload\(access.workloads.count == 1 ? "" : "s") of other namespaces (\(some)\(access.namespaces.count > 5 ? ", …" : "")) "
                        + "can reach \(Self.names(access.ports)).", .ingress,
                    ReachScope(
                        peers: .namespacesExcept(key.namespace),
                        ports: access.ports.flatMap { PostureTargets.tcp($0...$0) }))
            }
        }
    }

    private struct DataAccess {
        var outside: Set<UInt16> = []
        var ports: Set<UInt16> = []
        var namespaces: Set<String> = []
        var workloads: Set<WorkloadKey> = []

        mutating func add(_ from: WorkloadKey, _ open: [UInt16]) {
            ports.formUnion(open)
            namespaces.insert(from.namespace)
            workloads.insert(from)
        }
    }

    private static func names(_ ports: Set<UInt16>) -> String {
        ports.sorted().map { "\($0)/TCP (\(DataPorts.name($0)))" }.joined(separator: ", ")
    }

    // MARK: Isolation

    private mutating func checkIsolation(_ rows: [ReachRow]) {
        var (incoming, outgoing): ([WorkloadKey: PodCount], [WorkloadKey: PodCount]) = ([:], [:])
        for row in rows where !row.isOwnNode {
            if case .workload(let key) = row.to, row.from == .outside {
                gains[key, default: WorkloadGains()].add(.exposed)
                if row.access.contains(where: { $0.ingress?.rule == .noPolicy(.ingress) }) {
                    incoming[key, default: PodCount()].add(row.toPods, row.prefixes)
                }
            }
            if case .workload(let key) = row.from, row.to == .outside {
                if row.prefixes.contains(where: { $0.prefixLength == 0 }) {
                    gains[key, default: WorkloadGains()].add(.outside)
                }
                if row.access.contains(where: { $0.egress?.rule == .noPolicy(.egress) }) {
                    outgoing[key, default: PodCount()].add(row.fromPods, row.prefixes)
                }
            }
        }
        for (key, pods) in incoming.sorted(by: { $0.key < $1.key }) {
            add(.ingressOpen, key, Self.isolationMessage(.ingress, pods.count), .ingress, ReachScope(peers: .everyone))
        }
        let allButDNS = ReachScope(peers: .everyone, ports: PortSpan.allButDNS)
        for (key, pods) in outgoing.sorted(by: { $0.key < $1.key }) {
            add(.egressOpen, key, Self.isolationMessage(.egress, pods.count), .egress, allButDNS)
        }
    }

    /// How many pods of a workload are in some rows.
    private struct PodCount {
        private var all = 0
        private var pods: [CIDR: Int] = [:]

        /// A row has a pod once for each prefix; another row with the same prefix has other pods.
        mutating func add(_ count: ReachCount?, _ prefixes: [CIDR]) {
            guard let count else { return }
            all = max(all, count.total)
            for prefix in prefixes { pods[prefix, default: 0] += count.pods }
        }

        /// Rows join the prefixes of their pods, so that a sum can exceed the number of pods.
        var count: Int { min(all, pods.values.max() ?? 0) }
    }

    private static func isolationMessage(_ direction: Direction, _ pods: Int) -> String {
        let count = "\(pods) pod\(pods == 1 ? "" : "s")"
        return direction == .ingress
            ? "No policy decides about traffic to \(count): by default, everything is allowed in. The suggested policy denies "
                + "everything; add rules for what is needed (bulkheadctl suggest) before it is enforced."
            : "No policy decides about traffic from \(count): by default, everything is allowed out. The suggested policy "
                + "allows DNS only; add rules for what is needed (bulkheadctl suggest) before it is enforced."
    }

    private mutating func addHostNetwork(_ key: WorkloadKey, _ pods: Int) {
        gains[key, default: WorkloadGains()].add(.hostNetwork)
        flaws.append(
            PostureFlaw(
                finding: PostureFinding(
                    code: .hostNetwork, workload: key, object: "\(key.kind) \(key)",
                    message: "\(pods) pod\(pods == 1 ? " has" : "s have") the addresses of the node.",
                    remedy: .none(
                        "no policy can: pods with the network of their node have its addresses, and policies do not select "
                            + "them; remove hostNetwork from the pod template if it is not needed"))))
    }
}

extension PortSpan {
    fileprivate func contains(_ port: UInt16) -> Bool {
        if case .ports(let ports) = self { ports.ipProtocol == .tcp && ports.range.contains(port) } else { false }
    }

    /// Every port and protocol except port 53 of TCP and UDP.
    fileprivate static let allButDNS: [PortSpan] = PortSpan.all.flatMap { span -> [PortSpan] in
        guard case .ports(let all) = span, all.ipProtocol != .sctp else { return [span] }
        return [PortRange(0, 52), PortRange(54, .max)].map { .ports(ProtocolPorts(all.ipProtocol, $0)) }
    }
}
