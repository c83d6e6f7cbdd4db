// SPDX-License-Identifier: Apache-2.0
import ControlProtocol
import Journal
import JournalFiles
import KubernetesObjects
import NetworkTypes
import PolicyModel
import PolicyPipeline
import Requests

extension Agent where Plane: ~Copyable {
    /// What the pods' nodes decided at a moment of the past, by the objects of then. The journal keeps policies,
    /// namespaces, nodes and this node's pods as a whole, and other pods as far as they have changed. Where that is not
    /// enough, the answer says so.
    public func verdict(
        _ question: FlowQuestion, request: HTTPRequest?, at moment: PastMoment
    ) async throws(ErrorAnswer) -> VerdictAnswer {
        guard let writer = settings.journal else { throw Self.journalIsOff }
        guard journal.hasBegun else {
            throw ErrorAnswer(.waitingForCluster, "the past is not known before all objects of the API server are")
        }
        // In one step of the actor, so that both are of the same moment.
        var asked = askAboutPast(question, request)
        let read = try await Self.read(writer)
        guard let present = read.state else { throw ErrorAnswer(.notFound, JournalPastError.empty.words) }
        // A pod that is here now and was not then was nowhere, unless the journal says so.
        asked.present = asked.present.filter { present.objects[$0.key] == nil }
        return try await Self.decide(asked, moment, read, present)
    }

    private nonisolated static func decide(
        _ asked: PastQuestion, _ moment: PastMoment, _ read: JournalSnapshot, _ present: JournalState
    ) async throws(ErrorAnswer) -> VerdictAnswer {
        let place: JournalMoment
        let world: PastWorld
        do throws(JournalPastError) {
            let past = JournalPast(read.contents.records.records, position: read.position)
            if case .record(let sequence) = moment {
                place = try past.moment(after: sequence)
            } else {
                place = try past.moment(at: moment.milliseconds(now: read.position.time.wall) ?? 0)
            }
            world = PastWorld(
                state: try past.state(at: place, present: present), podsElsewhere: past.podsElsewhere(at: place))
        } catch {
            throw ErrorAnswer(.notFound, error.words)
        }
        return try asked.answer(in: world, at: place)
    }

    /// What the present knows about the ends of a question.
    private func askAboutPast(_ question: FlowQuestion, _ request: HTTPRequest?) -> PastQuestion {
        var asked = PastQuestion(
            question: question, request: request, node: settings.nodeName, settings: settings.policy)
        for end in [question.from, question.to] {
            let name: EndpointName?
            switch end {
            case .pod(let namespace, let pod): name = EndpointName(namespace: namespace, name: pod)
            case .address(let address):
                name = pipeline.pod(owning: address)
                if isOwnAddress(address) { asked.ownAddresses.insert(address) }
            }
            guard let name, let pod = pipeline.object(ofPod: name) else { continue }
            let key = KubernetesObject.pod(pod).key
            asked.present[key] = .pod(pod)
        }
        return asked
    }
}

extension JournalPastError {
    /// For a person.
    var words: String {
        func text(_ wall: Int64) -> String { RFC3339.text(wallMilliseconds: wall) }
        return switch self {
        case .empty: "the journal is empty or cannot be read, so the past is not known"
        case .beginsAt(let wall): "the journal begins at \(text(wall)); what was in force before is not known"
        case .missing(let sequence, let wall):
            "records after #\(sequence) are missing from the journal, so only what was in force from \(text(wall)) on is known"
        case .ambiguous(let sequences):
            "the clock was set, and showed this time more than once: ask with a record's number, as in "
                + sequences.map { "--at '#\($0)'" }.joined(separator: " or ")
        case .notYet: "this moment is not in the past"
        case .noRecord(let number, let last):
            "the journal has no record #\(number): the last one is #\(last); 'bulkheadctl history' lists them"
        case .notRecorded(let wall, let end):
            "the disk did not keep up between \(text(wall)) and \(text(end)): what was in force in between is not known"
        case .lostWithNode(let wall):
            "the node went down after \(text(wall)), and its last records may be missing: what was in force then is not known"
        case .unusable(let sequence): "record #\(sequence) of the journal does not say enough to go back beyond it"
        }
    }
}
