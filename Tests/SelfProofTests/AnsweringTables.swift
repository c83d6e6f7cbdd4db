// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import Datapath
import NetworkTypes
import PolicyModel
import SelfProof

/// Tables that answer as a kernel would that holds them, by `evaluate` and not by what the prover itself expects.
struct AnsweringTables {
    var policy: CompiledPolicy
    private var numbers: [RuleIdentity: RuleID] = [:]

    init(_ policy: CompiledPolicy) {
        self.policy = policy
        for (id, rule) in policy.rules { numbers[rule.identity] = id }
    }

    func answer(_ question: KernelQuestion) -> KernelAnswer {
        let flow = question.flow
        switch question.way {
        case .fromOwnNode: return KernelAnswer(verdict: .allow)
        case .toOwnNode:
            guard policy.judgesOwnNode else { return KernelAnswer(verdict: .allow) }
            let endpoint = policy.addresses.entry(of: flow.source).endpoint
            return answer(policy.evaluate(flow, toOwnNodeFrom: endpoint), nil)
        case .forwarded:
            let decision = policy.evaluate(flow)
            return decision.isSelf ? KernelAnswer(verdict: .allow) : answer(decision.egress, decision.ingress)
        }
    }

    private func answer(_ egress: DirectionDecision?, _ ingress: DirectionDecision?) -> KernelAnswer {
        var answer = KernelAnswer(verdict: .allow)
        for (direction, decision) in [(Direction.egress, egress), (.ingress, ingress)] {
            guard let decision, answer.verdict != .deny else { continue }
            if decision.verdict != .allow { answer.verdict = decision.verdict }
            if let audit = decision.wouldDeny {
                answer.wouldDeny[direction] = numbers[audit]
            } else if decision.rule != .noPolicy {
                answer.rules[direction] = decision.rule
            }
        }
        return answer
    }

    /// The first of these questions that the tables answer otherwise than `right` expects.
    func disagreement(_ asked: [Prover.Asked], with right: CompiledPolicy) -> (Prover.Asked, Mismatch)? {
        for one in asked {
            if let mismatch = right.expected(one.question).mismatch(answer(one.question), to: one.question) {
                return (one, mismatch)
            }
        }
        return nil
    }
}

/// A cell of a program.
struct CellPlace: Hashable {
    var program: ProgramID
    var row: UInt16
    var column: UInt16
}

extension CompiledPolicy {
    /// The cells that a packet of this question reads; that of the receiver only if the sender's does not deny.
    func cells(of question: KernelQuestion) -> [CellPlace] {
        guard question.way != .fromOwnNode else { return [] }
        let (source, destination) = (
            addresses.entry(of: question.flow.source), addresses.entry(of: question.flow.destination)
        )
        guard source.endpoint == .none || source.endpoint != destination.endpoint else { return [] }
        let port = portClass(of: question.flow)
        let expected = expected(question)
        let egress = place(endpoints[source.endpoint]?.egress, destination.addressClass, port)
        guard question.way == .forwarded, expected.egress?.verdict != .deny else { return [egress].compactMap { $0 } }
        return [egress, place(endpoints[destination.endpoint]?.ingress, source.addressClass, port)].compactMap { $0 }
    }

    private func place(_ id: ProgramID?, _ addressClass: AddressClassID, _ port: PortClassID) -> CellPlace? {
        guard let id, let program = programs[id] else { return nil }
        return CellPlace(
            program: id, row: program.rows[Int(addressClass.rawValue)], column: program.columns[Int(port.rawValue)])
    }

    /// All questions between an endpoint and an address of the tables that a forwarded packet can be, at one port of
    /// each run.
    func forwardedQuestions() -> [KernelQuestion] {
        let all = addresses.hosts.keys.sorted() + addresses.prefixes.keys.sorted().map(\.network)
        let peers = all.filter { address in
            let number = addresses.entry(of: address).addressClass.rawValue
            return address.isAskable && (number == 0 || number >= AddressClassID.ownNodeLimit)
        }
        var questions: [KernelQuestion] = []
        for (id, endpoint) in endpoints.sorted(by: { $0.key < $1.key }) {
            for own in endpoint.addresses where addresses.entry(of: own).endpoint == id {
                for peer in peers where peer.family == own.family && peer != own {
                    for segment in portSegments {
                        for (source, destination) in [(own, peer), (peer, own)] {
                            questions.append(
                                KernelQuestion(
                                    flow: Flow(
                                        source: source, destination: destination, ipProtocol: segment.ports.ipProtocol,
                                        destinationPort: segment.ports.range.first)))
                        }
                    }
                }
            }
        }
        return questions
    }
}
