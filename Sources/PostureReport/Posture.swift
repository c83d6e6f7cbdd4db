// SPDX-License-Identifier: Apache-2.0
import ClusterInventory
import Findings
import KubernetesObjects
import NetworkTypes
import PolicyModel
import Reachability

/// The posture of a whole cluster: who reaches whom, what is wrong with that, and what to do about it.
public struct Posture: Sendable {
    /// All pairs with an open port, as `reach` lists them.
    public let rows: [ReachRow]
    /// By what an attacker in the workload gains, the most first; then by name.
    public let workloads: [WorkloadPosture]
    /// By rank of the workload, then by code; findings about policies last.
    public let findings: [PostureFinding]
    /// Every policy with the document that it is written in, by key.
    public let policies: [(object: KubernetesObject, document: PolicyDocument?)]
    /// What the reader must know about the report as a whole.
    public let notes: [String]
    public let podCount: Int
    public let nodeCount: Int
    public let namespaceCount: Int
    /// What the search for policies that close the findings cost.
    public let work: RemedyWork

    /// The posture of a cluster.
    ///
    /// - Throws: ``ReachabilityError`` if the cluster exceeds the limits of the tables.
    public init(_ inventory: ClusterInventory) throws(ReachabilityError) {
        var pods: [EndpointName: Pod] = [:]
        for case .pod(let pod) in inventory.objects {
            pods[EndpointName(namespace: pod.metadata.namespace, name: pod.metadata.name)] = pod
        }
        let base = ReachabilityBase(objects: inventory.objects, settings: inventory.settings)
        var map = try ReachabilityMap(base, workloads: inventory.workloadOfPod)
        rows = try map.reach(from: .anywhere, to: .anywhere)
        let targets = PostureTargets(inventory)
        var checks = PostureChecks(inventory, targets, DataPorts.served(inventory, pods))
        try checks.run(&map, rows)
        var flaws = checks.flaws
        var search = RemedySearch(inventory, base, pods, map, targets)
        try search.run(&flaws)
        work = search.work
        let ranked = WorkloadPosture.ranked(inventory, checks.gains, rows)
        let order = Dictionary(
            ranked.enumerated().map { ($1.key, $0) }, uniquingKeysWith: { first, _ in first })
        findings =
            flaws.map(\.finding).sorted { a, b in
                let ranks = (a.workload.flatMap { order[$0] } ?? .max, b.workload.flatMap { order[$0] } ?? .max)
                return (ranks.0, a.code, a.object) < (ranks.1, b.code, b.object)
            }
            + PosturePolicies(inventory: inventory, pods: pods).findings.sorted {
                ($0.code, $0.object) < ($1.code, $1.object)
            }
        workloads = ranked
        policies = inventory.objects.filter { $0.kind.isPolicy }.map { ($0, inventory.places[$0.key]) }
        notes = targets.notes
        podCount = pods.count
        nodeCount = inventory.objects.count { $0.kind == .node }
        namespaceCount = inventory.objects.count { $0.kind == .namespace }
    }

    /// In the forms that all findings have.
    public var report: FindingReport {
        FindingReport(
            name: "bulkhead report", findings: findings.map(\.finding), kinds: PostureCode.allCases.map(\.kind),
            notes: notes)
    }
}

extension PostureTargets {
    fileprivate var notes: [String] {
        var notes: [String] = []
        if !hasNodes {
            notes.append("no node is known: access to kubelets, etcd, the API server and NodePorts was not looked for")
        } else if controlPlane.isEmpty {
            notes.append(
                "no node has the label \(Self.controlPlaneLabels[0]): access to etcd and the API server was not looked for"
            )
        }
        return notes
    }
}
