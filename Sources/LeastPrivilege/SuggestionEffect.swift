// SPDX-License-Identifier: Apache-2.0
import ClusterInventory
import ClusterVerdicts
import KubernetesObjects
import NetworkTypes
import PolicyModel
import Reachability

/// What policies do once they are enforced, by the same engine as in the daemon.
public struct SuggestionEffect: Sendable, Hashable {
    /// Flows that were asked about.
    public var asked = 0
    /// Seen flows that the cluster allows without the policies and would deny with them. Empty, or the suggestion is
    /// wrong.
    public var denied: [Denial] = []
    /// Seen flows that the cluster denies as it is. They get no rule, which could open them.
    public var deniedAlready: [Denial] = []
    /// Seen flows about which the engine cannot be asked, with the reason. They get no rule.
    public var unanswered: [Denial] = []
    /// What becomes closed, by workload.
    public var closed: [Closed] = []

    /// A flow that is denied, and why.
    public struct Denial: Sendable, Hashable {
        public var flow: SeenFlow
        public var reason: String
    }

    /// How many other workloads a workload exchanges flows with, before and after.
    public struct Closed: Sendable, Hashable {
        public var workload: WorkloadName
        public var sources: Change
        public var destinations: Change
    }

    /// Parties with an open port.
    public struct Change: Sendable, Hashable {
        public var before: Int
        public var after: Int
        /// Whether addresses outside the cluster are among them: all of them or some.
        public var outsideBefore: Bool
        public var outsideAfter: Bool
    }

    /// What the cluster says about flows as it is: those that it allows are worth a rule. A rule for a flow that it
    /// denies would open it.
    static func allowed(
        _ flows: [FlowEnds.Located], _ inventory: ClusterInventory
    ) -> (flows: [FlowEnds.Located], effect: SuggestionEffect) {
        var effect = SuggestionEffect()
        var verdicts = ClusterVerdict(objects: inventory.objects, settings: inventory.settings)
        let allowed = flows.filter { flow in
            do throws(VerdictQuestionError) {
                let decision = try verdicts.answer(flow.question)
                guard decision.verdict == .deny else { return true }
                effect.deniedAlready.append(Denial(flow: flow.flow, reason: reason(decision)))
            } catch {
                effect.unanswered.append(Denial(flow: flow.flow, reason: "\(error)"))
            }
            return false
        }
        return (allowed, effect)
    }

    /// Tries policies on the cluster.
    ///
    /// - Parameter flows: that the cluster allows.
    mutating func tryOut(
        _ policies: [SuggestedPolicy], _ flows: [FlowEnds.Located], _ inventory: ClusterInventory
    ) throws(SuggestionError) {
        var suggested: [KubernetesObject] = []
        for policy in policies {
            // What is printed is decoded as by the daemon, so that it cannot be refused there.
            let decoded = ObjectDecoder.decode(policy.document, file: "\(policy.workload)")
            let plain = ObjectDecoder.decode(policy.plain, file: "\(policy.workload)")
            guard let error = (decoded.errors + plain.errors).first else {
                suggested += plain.objects
                continue
            }
            throw .invalid("\(error)")
        }
        let after = inventory.objects + suggested
        var verdicts = ClusterVerdict(objects: after, settings: inventory.settings)
        for flow in flows {
            do throws(VerdictQuestionError) {
                let decision = try verdicts.answer(flow.question)
                asked += 1
                if decision.verdict == .deny {
                    denied.append(Denial(flow: flow.flow, reason: Self.reason(decision)))
                }
            } catch {
                throw .unanswered("\(flow.flow): \(error)")
            }
        }
        try compare(policies.map(\.workload), after, inventory)
    }

    private static func reason(_ decision: ClusterDecision) -> String {
        let sides = [decision.egress, decision.ingress]
        return sides.first { $0.verdict == .deny }?.reason ?? decision.note ?? decision.ingress.reason
    }

    private mutating func compare(
        _ workloads: [WorkloadName], _ after: [KubernetesObject], _ inventory: ClusterInventory
    ) throws(SuggestionError) {
        let keys = inventory.workloadOfPod
        do throws(ReachabilityError) {
            var old = try ReachabilityMap(
                objects: inventory.objects, settings: inventory.settings, workloads: keys)
            var new = try ReachabilityMap(objects: after, settings: inventory.settings, workloads: keys)
            for workload in workloads {
                let end = ReachEnd.named(namespace: workload.namespace, name: workload.name)
                let parties = (
                    Set(try old.reach(to: end).filter(\.isRemote).map(\.from)),
                    Set(try new.reach(to: end).filter(\.isRemote).map(\.from)),
                    Set(try old.reach(from: end).filter(\.isRemote).map(\.to)),
                    Set(try new.reach(from: end).filter(\.isRemote).map(\.to))
                )
                closed.append(
                    Closed(
                        workload: workload, sources: Change(parties.0, parties.1),
                        destinations: Change(parties.2, parties.3)))
            }
        } catch {
            throw .unanswered("\(error)")
        }
    }
}

extension SuggestionEffect.Change {
    fileprivate init(_ before: Set<ReachParty>, _ after: Set<ReachParty>) {
        self.init(
            before: before.count(where: \.isWorkload), after: after.count(where: \.isWorkload),
            outsideBefore: before.contains(.outside), outsideAfter: after.contains(.outside))
    }
}

extension ReachParty {
    fileprivate var isWorkload: Bool { if case .workload = self { true } else { false } }
}

extension ReachRow {
    /// A pod and its own node always reach each other.
    fileprivate var isRemote: Bool { !isOwnNode }
}
