// SPDX-License-Identifier: Apache-2.0
import ClusterInventory
import Reachability

/// A workload, and what an attacker who controls it gains.
public struct WorkloadPosture: Sendable, Hashable {
    public var key: WorkloadKey
    public var podCount: Int
    public var isHostNetwork: Bool
    /// Its pods are invented, because only the document that runs them is known.
    public var isStandIn: Bool
    /// 0 to 100.
    public var score: Int
    /// What makes up the score, the most first.
    public var gains: [Gain]

    /// One thing that an attacker gains.
    public struct Gain: Sendable, Hashable {
        public var text: String
        public var points: Int
    }
}

/// What can be gained, with its points; `docs/report.md` explains the numbers.
enum GainKind: Int, CaseIterable {
    case hostNetwork, metadata, etcd, kubelet, data, outside, spread, exposed, apiServer, nodePorts

    var points: Int {
        switch self {
        case .hostNetwork: 40
        case .metadata, .etcd: 30
        case .kubelet, .spread: 15
        case .data, .outside, .exposed: 10
        case .apiServer, .nodePorts: 3
        }
    }
}

/// What workloads gain, while it is collected.
struct WorkloadGains {
    /// Data services count up to this many times.
    private static let dataLimit = 3

    private(set) var kinds: Set<GainKind> = []
    private(set) var data: Set<String> = []

    mutating func add(_ kind: GainKind) { kinds.insert(kind) }
    mutating func add(data name: String) { data.insert(name) }

    /// - Parameter reached: the share of the other workloads that it reaches, in percent.
    func list(reached: Int) -> [WorkloadPosture.Gain] {
        var gains = kinds.map { WorkloadPosture.Gain(text: Self.text($0), points: $0.points) }
        if !data.isEmpty {
            let names = data.sorted().prefix(3).joined(separator: ", ") + (data.count > 3 ? ", …" : "")
            gains.append(
                .init(
                    text: "reaches the data of \(data.count == 1 ? "" : "\(data.count) workloads: ")\(names)",
                    points: GainKind.data.points * min(data.count, Self.dataLimit)))
        }
        let points = GainKind.spread.points * reached / 100
        if points > 0 { gains.append(.init(text: "reaches \(reached) % of the other workloads", points: points)) }
        return gains.sorted { ($1.points, $0.text) < ($0.points, $1.text) }
    }

    private static func text(_ kind: GainKind) -> String {
        switch kind {
        case .hostNetwork: "has the network of its node"
        case .metadata: "reaches the metadata service of the cloud"
        case .etcd: "reaches etcd"
        case .kubelet: "reaches kubelets"
        case .outside: "reaches addresses outside the cluster that no policy names"
        case .exposed: "can be reached from outside the cluster"
        case .apiServer: "reaches the API server"
        case .nodePorts: "reaches NodePorts"
        case .data, .spread: ""
        }
    }
}

extension WorkloadPosture {
    /// All workloads in order.
    static func ranked(
        _ inventory: ClusterInventory, _ gains: [WorkloadKey: WorkloadGains], _ rows: [ReachRow]
    ) -> [WorkloadPosture] {
        let reached = Self.reached(rows)
        let others = max(inventory.workloads.count - 1, 1)
        let all = inventory.workloads.map { workload in
            let key = WorkloadKey(workload.name)
            let share = (reached[key] ?? 0) * 100 / others
            let list = (gains[key] ?? WorkloadGains()).list(reached: share)
            return WorkloadPosture(
                key: key, podCount: workload.pods.count, isHostNetwork: workload.isHostNetwork,
                isStandIn: workload.isStandIn, score: min(list.reduce(0) { $0 + $1.points }, 100), gains: list)
        }
        return all.sorted { ($1.points, $0.key) < ($0.points, $1.key) }
    }

    /// The score before it is capped, so that workloads above the cap still have an order.
    private var points: Int { gains.reduce(0) { $0 + $1.points } }

    /// How many other workloads each one reaches. Rows are sorted by their ends.
    private static func reached(_ rows: [ReachRow]) -> [WorkloadKey: Int] {
        var counts: [WorkloadKey: Int] = [:]
        var last: (WorkloadKey, WorkloadKey)?
        for row in rows {
            guard case .workload(let from) = row.from, case .workload(let to) = row.to, from != to else { continue }
            if let last, last == (from, to) { continue }
            last = (from, to)
            counts[from, default: 0] += 1
        }
        return counts
    }
}
