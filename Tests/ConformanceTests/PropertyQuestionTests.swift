// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import Datapath
import DatapathEBPF
import DatapathNFTables
import Foundation
import NetworkKit
import NetworkTypes
import PolicyModel
import PolicyPipeline
import Testing
import WorldKit

/// What the kernel answers about packets that nothing sends = what the tables in Swift answer, on random worlds:
/// verdict, rules, what audit would deny. Both ends of each flow are at places that the datapath knows in every second
/// world.
@Suite(.serialized) struct PropertyQuestionTests {
    private let settings = WorldSettings(environment: ProcessInfo.processInfo.environment)

    @Test func theEBPFProgramsAnswer() throws {
        try NetWorld.with(pods: []) { net in
            try net.node.run {
                var datapath = EBPFDatapath(bpffs: net.bpffs)
                _ = try datapath.open()
                // Its cell of audit does not name what allows the flow.
                var test = QuestionComparison(namesAllowedByAudit: false, tablesKnowOwnAddresses: true)
                for seed in settings.seeds.prefix(max(settings.seeds.count / 5, 1)) {
                    try test.compare(&datapath, seed, flows: 60)
                }
                if settings.coversAll { test.checkCoverage() }
                #expect(
                    try datapath.counters() == DatapathCounters()
                        && datapath.ruleCounters().values.allSatisfy { $0.packets == 0 })
            }
        }
    }

    @Test func theRulesOfNftablesAnswer() throws {
        try NetWorld.with(pods: []) { net in
            try net.node.run {
                var datapath = NFTablesDatapath()
                _ = try datapath.open()
                var test = QuestionComparison(namesAllowedByAudit: true, tablesKnowOwnAddresses: false)
                for seed in settings.seeds.prefix(max(settings.seeds.count / 5, 1)) {
                    try test.compare(&datapath, seed, flows: 25)
                }
                if settings.coversAll { test.checkCoverage() }
                #expect(
                    try datapath.counters() == DatapathCounters()
                        && datapath.ruleCounters().values.allSatisfy { $0.packets == 0 })
            }
        }
    }
}

/// Programs worlds one after the other, and counts what the answers were.
private struct QuestionComparison {
    /// Whether an answer names the rule that allows what a rule in audit would deny.
    let namesAllowedByAudit: Bool
    /// Whether the tables alone say which addresses are the node's. nftables asks the kernel's own table of addresses,
    /// where those of a random world are not.
    let tablesKnowOwnAddresses: Bool
    private var verdicts: [Verdict: Int] = [:]
    private var audited = 0
    private var bothRules = 0
    private var toNode = 0
    private var numbering = Numbering()

    init(namesAllowedByAudit: Bool, tablesKnowOwnAddresses: Bool) {
        self.namesAllowedByAudit = namesAllowedByAudit
        self.tablesKnowOwnAddresses = tablesKnowOwnAddresses
    }

    func checkCoverage() {
        for verdict in [Verdict.allow, .deny, .dependsOnRequest] { #expect(verdicts[verdict, default: 0] > 1) }
        #expect(audited > 5 && bothRules > 20 && toNode > 5, "\(audited) \(bothRules) \(toNode)")
    }

    mutating func compare<Plane: Datapath & ~Copyable>(_ datapath: inout Plane, _ seed: UInt64, flows: Int) throws {
        var generator = WorldGenerator(seed: seed, isAuthorized: seed % 3 == 0)
        let world = generator.world
        let policy = PropertyComparison.pipeline(world, numbering: numbering).compiled
        _ = try datapath.resync(policy)
        numbering = Numbering(policy)
        for id in policy.endpoints.keys { try datapath.setPlace(seed % 2 == 0 ? nil : Self.place(id), of: id) }
        let questions = generator.flows(flows).flatMap { flow in
            KernelQuestion.Way.allCases.map { KernelQuestion(flow: flow, way: $0) }
        }.filter { isDecided($0, policy) }
        let answers = try datapath.ask(questions)
        for (question, answer) in zip(questions, answers) {
            let expected = expected(question, policy)
            count(answer, question)
            #expect(
                Comparable(answer, policy) == Comparable(expected, policy),
                "seed \(seed): \(question): \(answer), not \(expected): \(policy.evaluate(question.flow))")
        }
        #expect(answers.count == questions.count)
    }

    /// Interfaces that no host has. Every third endpoint is behind a bridge.
    private static func place(_ id: EndpointID) -> EndpointPlace {
        let number = UInt32(id.rawValue)
        guard number % 3 == 0 else {
            return EndpointPlace(interfaces: [EndpointInterface(index: 100_000 + number, name: "p\(number)")])
        }
        let hardware = 0x0200_0000_0000 + UInt64(number)
        return EndpointPlace(port: EndpointBridgePort(index: 200_000 + number, bridge: 99_999, hardware: hardware))
    }

    /// Whether the tables and the policy alone decide a question.
    private func isDecided(_ question: KernelQuestion, _ policy: CompiledPolicy) -> Bool {
        let isAddressKnown =
            switch question.way {
            case .forwarded: !policy.isOwnNode(question.flow.source)
            case .toOwnNode: policy.isOwnNode(question.flow.destination)
            case .fromOwnNode: true
            }
        guard tablesKnowOwnAddresses || isAddressKnown else { return false }
        return question.way == .forwarded || Self.isPlain(question, policy)
    }

    /// At the node's own hooks: flows of endpoints to one receiver.
    private static func isPlain(_ question: KernelQuestion, _ policy: CompiledPolicy) -> Bool {
        let (source, destination) = (question.flow.source, question.flow.destination)
        if question.way == .fromOwnNode { return policy.addresses.entry(of: destination).endpoint != .none }
        return !destination.isGroup && policy.addresses.entry(of: source).endpoint != .none
    }

    private mutating func count(_ answer: KernelAnswer, _ question: KernelQuestion) {
        verdicts[answer.verdict, default: 0] += 1
        audited += answer.wouldDeny.count
        if answer.rules.count == 2 { bothRules += 1 }
        if question.way == .toOwnNode, !answer.rules.isEmpty { toNode += 1 }
    }

    private func expected(_ question: KernelQuestion, _ policy: CompiledPolicy) -> KernelAnswer {
        let flow = question.flow
        switch question.way {
        case .fromOwnNode: return KernelAnswer(verdict: .allow)
        case .toOwnNode:
            let source = policy.addresses.entry(of: flow.source).endpoint
            guard policy.judgesOwnNode, let egress = policy.evaluate(flow, toOwnNodeFrom: source) else {
                return KernelAnswer(verdict: .allow)
            }
            return answer(egress.verdict, [.egress: egress], policy)
        case .forwarded:
            // What the node sends is never forwarded.
            guard !policy.isOwnNode(flow.source) else { return KernelAnswer(verdict: .deny, cause: .spoofed) }
            let decision = policy.evaluate(flow)
            guard !decision.isSelf else { return KernelAnswer(verdict: .allow) }
            var directions = [Direction.egress: decision.egress].compactMapValues { $0 }
            if decision.egress?.verdict != .deny { directions[.ingress] = decision.ingress }
            return answer(decision.verdict, directions, policy)
        }
    }

    private func answer(
        _ verdict: Verdict, _ directions: [Direction: DirectionDecision], _ policy: CompiledPolicy
    ) -> KernelAnswer {
        var answer = KernelAnswer(verdict: verdict)
        for (direction, decision) in directions {
            if let identity = decision.wouldDeny {
                answer.wouldDeny[direction] = policy.rules.first { $0.value.identity == identity }?.key
                if !namesAllowedByAudit { continue }
            }
            if decision.rule != .noPolicy { answer.rules[direction] = decision.rule }
        }
        // Without marks of the proxy.
        if verdict == .dependsOnRequest { answer.cause = .handOver }
        return answer
    }

    /// Answers by the names of rules: the same rule may have a number of its own for each of its tables.
    private struct Comparable: Equatable {
        var verdict: Verdict
        var rules: [Direction: RuleIdentity?]
        var wouldDeny: [Direction: RuleIdentity?]
        var cause: DropEvent.Cause?

        init(_ answer: KernelAnswer, _ policy: CompiledPolicy) {
            verdict = answer.verdict
            rules = answer.rules.mapValues { policy.rules[$0]?.identity }
            wouldDeny = answer.wouldDeny.mapValues { policy.rules[$0]?.identity }
            cause = answer.cause
        }
    }
}
