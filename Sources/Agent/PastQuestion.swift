// SPDX-License-Identifier: Apache-2.0
import ClusterVerdicts
import ControlProtocol
import Journal
import KubernetesObjects
import NetworkTypes
import PolicyModel
import PolicyResolver
import Requests

/// The world at a moment, as far as the journal knows it.
struct PastWorld {
    var state: JournalState
    var podsElsewhere: JournalPast.PodsElsewhere
}

/// A question about the past, with what the present knows about its ends.
struct PastQuestion: Sendable {
    var question: FlowQuestion
    var request: HTTPRequest?
    var node: String
    var settings = PolicySettings()
    /// Pods of the question that are on other nodes now.
    var present: [ObjectKey: KubernetesObject] = [:]
    /// Addresses of the question that are the node's own now.
    var ownAddresses: Set<IPAddress> = []

    /// - Throws: an ``ErrorAnswer`` if there was no such pod, or it is not known whether there was.
    func answer(in world: PastWorld, at moment: JournalMoment) throws(ErrorAnswer) -> VerdictAnswer {
        let objects = try objects(in: world)
        guard world.state.resolved == 0 else {
            return undecided("resolved policy was in force then, and the journal does not keep it", at: moment)
        }
        var cluster = ClusterVerdict(objects: objects, settings: settings)
        let decision: ClusterDecision
        do throws(VerdictQuestionError) {
            decision = try cluster.answer(question, request: request)
        } catch .podNotFound(let pod) {
            throw ErrorAnswer(.notFound, "there was no pod \(pod) at that time")
        } catch .podWithoutAddress(let pod, _) {
            throw ErrorAnswer(.notFound, "the pod \(pod) had no address at that time: not started yet, or finished")
        } catch .addressTaken(let pod, let address, let owner) {
            throw ErrorAnswer(.notFound, "the pod \(pod) had no address of its own: \(address) belonged to \(owner)")
        } catch .undecided(let pod) {
            return undecided("the node of \(pod) had more pods than the tables hold", at: moment)
        } catch {
            throw ErrorAnswer(.badRequest, "\(error)")
        }
        let (source, destination) = (decision.flow.source, decision.flow.destination)
        let answer = VerdictAnswer(
            flow: decision.flow.description,
            egress: side(decision.egress, decision, question.from, source, peer: destination, world),
            ingress: side(decision.ingress, decision, question.to, destination, peer: source, world),
            notes: notes(decision, at: moment))
        // What a missing table allows, no policy denies.
        guard let absence = moment.absence, !absence.isKept, absence.isStarting || answer.verdict != allowed else {
            return answer
        }
        return undecided("the kernel may have enforced something else then", at: moment)
    }

    private var allowed: String { Verdict.allow.rawValue }

    private func undecided(_ reason: String, at moment: JournalMoment) -> VerdictAnswer {
        VerdictAnswer(
            flow: "\(question.from) -> \(question.to) \(question.port.map { "\($0)/" } ?? "")\(question.ipProtocol)",
            egress: DirectionAnswer(undecided: reason, endpoint: nil),
            ingress: DirectionAnswer(undecided: reason, endpoint: nil), notes: [note(moment)])
    }

    private func notes(_ decision: ClusterDecision, at moment: JournalMoment) -> [String] {
        [note(moment), decision.note].compactMap(\.self)
    }

    private func note(_ moment: JournalMoment) -> String {
        let time = RFC3339.text(wallMilliseconds: moment.recordedAt)
        let away = moment.absence.map { "; \($0.words)" } ?? ""
        return "by the journal, after record #\(moment.sequence) of \(time)\(away)"
    }

    // MARK: - Objects

    /// The objects of then.
    private func objects(in world: PastWorld) throws(ErrorAnswer) -> [KubernetesObject] {
        var objects = world.state.objects
        for case (let key, let pod?) in world.podsElsewhere.pods where objects[key] == nil { objects[key] = pod }
        if world.podsElsewhere.isComplete {
            for (key, pod) in present where objects[key] == nil && world.podsElsewhere.pods[key] == nil {
                objects[key] = pod
            }
        } else {
            for end in [question.from, question.to] { try checkKnown(end, objects, world) }
        }
        return Array(objects.values)
    }

    private func checkKnown(
        _ end: FlowEnd, _ objects: [ObjectKey: KubernetesObject], _ world: PastWorld
    ) throws(ErrorAnswer) {
        let isKnown: Bool
        switch end {
        case .pod(let namespace, let name):
            let key = ObjectKey(kind: .pod, namespace: namespace, name: name)
            isKnown = objects[key] != nil || world.podsElsewhere.pods[key] != nil
        case .address(let address):
            isKnown = objects.values.contains { object in
                switch object {
                case .pod(let pod): !pod.hostNetwork && pod.podIPs.contains(address)
                case .node(let node): node.addresses.contains(address)
                default: false
                }
            }
        }
        guard !isKnown else { return }
        throw ErrorAnswer(
            .notFound,
            "it is not known what \(end) was then: it was not of this node, and the journal has not seen all changes of "
                + "other nodes' pods since")
    }

    // MARK: - Sides

    private func side(
        _ direction: ClusterDirection, _ decision: ClusterDecision, _ end: FlowEnd, _ address: IPAddress,
        peer: IPAddress, _ world: PastWorld
    ) -> DirectionAnswer {
        guard let pod = direction.endpoint, direction.decided else {
            return DirectionAnswer(direction, isElsewhere: false)
        }
        let key = ObjectKey(kind: .pod, namespace: pod.namespace, name: pod.name)
        let isHere = world.state.objects[key] != nil
        let node = nodeName(of: peer, world)
        if !isHere, !decision.isSelf, let node, node != self.node {
            return DirectionAnswer(
                undecided: "\(pod) was on another node, and it is not known here whether that was its peer's node",
                endpoint: pod)
        }
        if isHere, node == nil, ownAddresses.contains(peer) {
            return DirectionAnswer(
                undecided: "\(peer) is an address of this node now, and the journal does not know since when",
                endpoint: pod)
        }
        return DirectionAnswer(direction, isElsewhere: !isHere)
    }

    private func nodeName(of address: IPAddress, _ world: PastWorld) -> String? {
        for case .node(let node) in world.state.objects.values where node.addresses.contains(address) {
            return node.metadata.name
        }
        return nil
    }
}

extension DirectionAnswer {
    fileprivate init(_ direction: ClusterDirection, isElsewhere: Bool) {
        self.init(
            verdict: direction.verdict, kind: direction.kind.rawValue, reason: direction.reason,
            endpoint: direction.endpoint, identity: direction.identity, wouldDeny: direction.wouldDeny,
            isElsewhere: isElsewhere)
    }
}
