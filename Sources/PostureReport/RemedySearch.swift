// SPDX-License-Identifier: Apache-2.0
import ClusterInventory
import KubernetesObjects
import NetworkTypes
import PolicyModel
import Reachability

/// Finds for each flaw the policy that closes just it, by applying candidates to a copy of the cluster.
///
/// A copy holds at most one candidate for each workload, and a policy changes nothing about pods that it does not
/// select, so that one copy answers for many flaws. Of workloads whose pods have the same policies for the direction,
/// one is tried: their flows with all peers are decided alike, before and after.
struct RemedySearch {
    private struct Class: Hashable {
        var code: PostureCode
        var direction: Direction
        var scope: ReachScope
        var numbers: Set<UInt32>
        /// Selected by labels; workloads without own labels have no candidates.
        var hasLabels: Bool
    }

    private let inventory: ClusterInventory
    private let pods: [EndpointName: Pod]
    private let workloads: [WorkloadKey: Workload]
    private let labels: WorkloadLabels
    private let controlPlaneLabel: String?
    private let named: Set<IPAddress>
    private var old: ReachabilityMap

    init(
        _ inventory: ClusterInventory, _ pods: [EndpointName: Pod], _ map: ReachabilityMap, _ targets: PostureTargets
    ) {
        self.inventory = inventory
        self.pods = pods
        workloads = Dictionary(inventory.workloads.map { (WorkloadKey($0.name), $0) }) { first, _ in first }
        labels = WorkloadLabels(pods)
        controlPlaneLabel = targets.controlPlaneLabel
        named = targets.controlPlane.union(PostureTargets.metadata)
        old = map
    }

    /// Sets the remedies.
    mutating func run(_ flaws: inout [PostureFlaw]) throws(ReachabilityError) {
        let numbers = [Direction.ingress: old.policyNumbers(.ingress), .egress: old.policyNumbers(.egress)]
        var classes: [Class: [Int]] = [:]
        var labelsOf: [Int: [String: String]] = [:]
        for (index, flaw) in flaws.enumerated() {
            guard let (direction, scope) = flaw.flows, let key = flaw.finding.workload,
                let workload = workloads[key]
            else { continue }
            let own = labels.selecting(workload)
            labelsOf[index] = own
            let policies = workload.pods.reduce(into: Set()) { $0.formUnion(numbers[direction]?[$1] ?? []) }
            classes[
                Class(
                    code: flaw.finding.code, direction: direction, scope: scope, numbers: policies,
                    hasLabels: own != nil), default: []
            ].append(index)
        }
        for (code, members) in Dictionary(grouping: classes, by: \.key.code).sorted(by: { $0.key < $1.key }) {
            try settle(code, members.map(\.value).sorted { $0[0] < $1[0] }, labelsOf, &flaws)
        }
    }

    /// Tries the candidates of one code, round by round.
    private mutating func settle(
        _ code: PostureCode, _ classes: [[Int]], _ labels: [Int: [String: String]], _ flaws: inout [PostureFlaw]
    ) throws(ReachabilityError) {
        var open = classes
        var reasons: [Int: String] = [:]
        var round = 0
        while !open.isEmpty {
            defer { round += 1 }
            var tried: [(members: [Int], object: KubernetesObject)] = []
            for members in open {
                if let object = candidate(flaws[members[0]], labels[members[0]], round) {
                    tried.append((members, object))
                } else {
                    for index in members {
                        flaws[index].finding.remedy = .none(reason(labels[index], reasons[members[0]]))
                    }
                }
            }
            guard !tried.isEmpty else { return }
            var copy = try ReachabilityMap(
                objects: inventory.objects + tried.map(\.object), settings: inventory.settings)
            let peers = ReachPeers(old, copy, naming: named)
            open = []
            for (members, object) in tried {
                let effect = try effect(&copy, peers, flaws[members[0]])
                if effect == .exact {
                    for index in members {
                        guard let own = candidate(flaws[index], labels[index], round) else { continue }
                        flaws[index].finding.remedy = .policy(own)
                    }
                } else {
                    reasons[members[0]] = Self.sentence(effect, object)
                    open.append(members)
                }
            }
        }
    }

    private func candidate(_ flaw: PostureFlaw, _ labels: [String: String]?, _ round: Int) -> KubernetesObject? {
        guard let labels, let workload = flaw.finding.workload, let flows = flaw.flows else { return nil }
        let objects = PolicyCandidates(
            code: flaw.finding.code, workload: workload, labels: labels, scope: flows.scope,
            controlPlaneLabel: controlPlaneLabel
        ).objects
        return round < objects.count ? objects[round] : nil
    }

    private mutating func effect(
        _ copy: inout ReachabilityMap, _ peers: ReachPeers, _ flaw: PostureFlaw
    ) throws(ReachabilityError) -> ReachScopeEffect {
        guard let (direction, scope) = flaw.flows, let key = flaw.finding.workload, let workload = workloads[key] else {
            return .empty
        }
        let members = workload.pods.compactMap { name in pods[name].map { (name: name, $0.podIPs) } }
        return try ReachabilityMap.effect(&old, &copy, on: members, direction, peers, scope)
    }

    private func reason(_ labels: [String: String]?, _ tried: String?) -> String {
        if labels == nil {
            return
                "no policy can select just these pods: they share their labels with others of the namespace, or have "
                + "none; give them a label of their own"
        }
        return tried ?? "no policy can close just this"
    }

    private static func sentence(_ effect: ReachScopeEffect, _ object: KubernetesObject) -> String {
        switch effect {
        case .open(let address, let ports):
            "no additional policy closes this: with a \(object.kind.rawValue), \(address) on \(ports) stays open, because "
                + "a policy of higher precedence allows it, or Bulkhead must; change the policy that allows it"
        case .wider(let address, let ports):
            "no additional policy closes just this: a \(object.kind.rawValue) would also change the verdict for "
                + "\(address) on \(ports)"
        case .exact, .empty: "no flow of it is left to close"
        }
    }
}
