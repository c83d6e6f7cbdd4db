// SPDX-License-Identifier: Apache-2.0
import ClusterInventory
import KubernetesObjects
import NetworkTypes
import PolicyModel
import Reachability

/// Finds for each flaw the policy that closes just it, by applying candidates to a copy of the cluster.
///
/// A copy holds at most one candidate for each workload and direction, and a policy changes nothing about pods that it
/// does not select, nor about the direction that it is not for, so that one copy answers for many flaws. Of workloads
/// whose pods have the same policies for the direction, one is tried: their flows with all peers are decided alike,
/// before and after.
struct RemedySearch {
    private struct Class: Hashable {
        var code: PostureCode
        var direction: Direction
        var scope: ReachScope
        var numbers: Set<UInt32>
        /// Selected by labels; workloads without own labels have no candidates.
        var hasLabels: Bool
    }

    /// Flaws of one code, while their candidates are tried round by round.
    private struct Attempt {
        let code: PostureCode
        let direction: Direction
        /// Classes of flaws that no candidate has closed; the first of each stands for all.
        var open: [[Int]]
        var reasons: [Int: String] = [:]
        var round = 0
    }

    private struct Trial {
        var members: [Int]
        var object: KubernetesObject
    }

    private(set) var work = RemedyWork()
    private let base: ReachabilityBase
    private let workloadOfPod: [EndpointName: WorkloadKey]
    private let pods: [EndpointName: Pod]
    private let workloads: [WorkloadKey: Workload]
    private let labels: WorkloadLabels
    private let controlPlaneLabel: String?
    private let named: Set<IPAddress>
    private var old: ReachabilityMap

    init(
        _ inventory: ClusterInventory, _ base: ReachabilityBase, _ pods: [EndpointName: Pod], _ map: ReachabilityMap,
        _ targets: PostureTargets
    ) {
        self.base = base
        self.pods = pods
        workloadOfPod = inventory.workloadOfPod
        workloads = Dictionary(inventory.workloads.map { (WorkloadKey($0.name), $0) }) { first, _ in first }
        labels = WorkloadLabels(pods)
        controlPlaneLabel = targets.controlPlaneLabel
        named = targets.controlPlane.union(PostureTargets.metadata)
        old = map
    }

    /// Sets the remedies.
    mutating func run(_ flaws: inout [PostureFlaw]) throws(ReachabilityError) {
        var labelsOf: [Int: [String: String]] = [:]
        let classes = classes(flaws, &labelsOf)
        var waiting: [Direction: [Attempt]] = [:]
        for (code, members) in Dictionary(grouping: classes, by: \.key.code).sorted(by: { $0.key < $1.key }) {
            let open = members.map(\.value).sorted { $0[0] < $1[0] }
            let direction = members[0].key.direction
            waiting[direction, default: []].append(Attempt(code: code, direction: direction, open: open))
        }
        while !waiting.isEmpty {
            var trials: [Direction: [Trial]] = [:]
            for direction in waiting.keys { trials[direction] = next(&waiting[direction], labelsOf, &flaws) }
            let tried = trials.values.flatMap(\.self)
            guard !tried.isEmpty else { return }
            work.copies += 1
            work.trials += tried.count
            var copy = try ReachabilityMap(base, adding: tried.map(\.object), workloads: workloadOfPod)
            let peers = ReachPeers(old, copy, naming: named)
            for (direction, trials) in trials {
                guard var attempt = waiting[direction]?.first else { continue }
                try judge(trials, &attempt, &copy, peers, labelsOf, &flaws)
                waiting[direction]?[0] = attempt
            }
        }
    }

    /// Flaws with the same flows of workloads with the same policies.
    private func classes(_ flaws: [PostureFlaw], _ labelsOf: inout [Int: [String: String]]) -> [Class: [Int]] {
        let numbers = [Direction.ingress: old.policyNumbers(.ingress), .egress: old.policyNumbers(.egress)]
        var classes: [Class: [Int]] = [:]
        var known: [WorkloadKey: [String: String]?] = [:]
        for (index, flaw) in flaws.enumerated() {
            guard let (direction, scope) = flaw.flows, let key = flaw.finding.workload,
                let workload = workloads[key]
            else { continue }
            let own = known[key] ?? labels.selecting(workload)
            known[key] = .some(own)
            labelsOf[index] = own
            let policies = workload.pods.reduce(into: Set()) { $0.formUnion(numbers[direction]?[$1] ?? []) }
            classes[
                Class(
                    code: flaw.finding.code, direction: direction, scope: scope, numbers: policies,
                    hasLabels: own != nil), default: []
            ].append(index)
        }
        return classes
    }

    /// The next candidates of the first code that has any. Codes without more are dropped; nil for the last one.
    private func next(
        _ attempts: inout [Attempt]?, _ labels: [Int: [String: String]], _ flaws: inout [PostureFlaw]
    ) -> [Trial]? {
        while let attempt = attempts?.first {
            var trials: [Trial] = []
            for members in attempt.open {
                if let object = candidate(flaws[members[0]], labels[members[0]], attempt.round) {
                    trials.append(Trial(members: members, object: object))
                } else {
                    for index in members {
                        flaws[index].finding.remedy = .none(reason(labels[index], attempt.reasons[members[0]]))
                    }
                }
            }
            if !trials.isEmpty { return trials }
            attempts?.removeFirst()
        }
        attempts = nil
        return nil
    }

    /// Accepts the candidates that close just what they should, and leaves the rest to the next round.
    private mutating func judge(
        _ trials: [Trial], _ attempt: inout Attempt, _ copy: inout ReachabilityMap, _ peers: ReachPeers,
        _ labels: [Int: [String: String]], _ flaws: inout [PostureFlaw]
    ) throws(ReachabilityError) {
        attempt.open = []
        for trial in trials {
            let effect = try effect(&copy, peers, flaws[trial.members[0]], isForOthers: trial.members.count > 1)
            guard effect == .exact else {
                attempt.reasons[trial.members[0]] = Self.sentence(effect, trial.object)
                attempt.open.append(trial.members)
                continue
            }
            for index in trial.members {
                guard let own = candidate(flaws[index], labels[index], attempt.round) else { continue }
                flaws[index].finding.remedy = .policy(own)
            }
        }
        attempt.round += 1
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
        _ copy: inout ReachabilityMap, _ peers: ReachPeers, _ flaw: PostureFlaw, isForOthers: Bool
    ) throws(ReachabilityError) -> ReachScopeEffect {
        guard let (direction, scope) = flaw.flows, let key = flaw.finding.workload, let workload = workloads[key] else {
            return .empty
        }
        let members = workload.pods.compactMap { name in pods[name].map { (name: name, $0.podIPs) } }
        return try ReachabilityMap.effect(
            &old, &copy, on: members, direction, peers, scope, standingForOthers: isForOthers)
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

/// What a search for remedies costs. Neither number grows with pods, nor with workloads that have the same policies.
public struct RemedyWork: Sendable, Hashable {
    /// Copies of the cluster that were compiled.
    public var copies = 0
    /// Policies that were judged in them.
    public var trials = 0
}
