// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import Datapath
import DatapathNFTables
import NetworkKit
import NetworkTypes
import PolicyModel
import Testing

/// Questions about packets that nothing sends, answered by what is read back from the kernel.
@Suite struct QuestionTests {
    private static var policy: CompiledPolicy {
        var plan = PolicyPlan.mixed
        plan.programs["served"] = PolicyPlan.Rules(
            direction: .ingress,
            rules: [PolicyPlan.Rule(tier: .authorization, ports: [tcp(80)], readsRequest: true)], isIsolated: false)
        plan.endpoints["shop"] = PolicyPlan.Endpoint(
            addresses: [address("10.0.0.5"), address("fd00::5")], ingress: "served", egress: "out")
        var compiler = PlanCompiler()
        return compiler.compile(plan)
    }

    private static func withOpen(
        _ role: String, _ body: (CompiledPolicy, inout NFTablesDatapath) throws -> Void
    ) throws {
        try withNamespace("question-\(role)") {
            var datapath = NFTablesDatapath()
            _ = try datapath.open()
            let policy = policy
            _ = try datapath.resync(policy)
            try body(policy, &datapath)
            // No question counts or is reported.
            #expect(try datapath.counters() == DatapathCounters())
            #expect(try datapath.ruleCounters().values.allSatisfy { $0.packets == 0 })
            #expect(datapath.pollEvents(limit: 10).isEmpty)
        }
    }

    private static func question(
        _ from: String, _ to: String, _ port: UInt16 = 80, _ ipProtocol: IPProtocol = .tcp,
        _ way: KernelQuestion.Way = .forwarded
    ) -> KernelQuestion {
        let flow = Flow(
            source: address(from), destination: address(to), ipProtocol: ipProtocol, destinationPort: port)
        return KernelQuestion(flow: flow, way: way)
    }

    private static func nft(_ edit: String) throws { _ = try NetProcess.run(["nft", edit]) }

    /// Each pod against every peer and port that some rule names.
    @Test func everyFlowAnswersAsItsTables() throws {
        try Self.withOpen("flows") { policy, datapath in
            let others = [
                "10.0.0.7", "10.0.0.8", "10.1.0.1", "10.2.0.1", "192.0.2.1", "192.0.2.2", "fd00::7", "fd00::8",
                "2001:db8::1", "2001:db9::1",
            ].map(address)
            let own = policy.endpoints.values.flatMap(\.addresses)
            var questions: [KernelQuestion] = []
            for a in own + others {
                for b in own + others where a.family == b.family {
                    for (number, port) in [
                        (.tcp, 80), (.tcp, 81), (.tcp, 9), (.tcp, 443), (.tcp, 6379), (.udp, 53), (.udp, 61),
                        (.sctp, 80), (a.family == .ipv4 ? .icmp : .icmpv6, nil), (IPProtocol(rawValue: 47), nil),
                    ] as [(IPProtocol, UInt16?)] {
                        let flow = Flow(source: a, destination: b, ipProtocol: number, destinationPort: port)
                        questions.append(KernelQuestion(flow: flow))
                    }
                }
            }
            let answers = try datapath.ask(questions)
            var seen: [Verdict: Int] = [:]
            for (question, answer) in zip(questions, answers) {
                let decision = policy.evaluate(question.flow)
                seen[answer.verdict, default: 0] += 1
                #expect(answer.verdict == decision.verdict, "\(question.flow): \(answer), \(decision)")
                guard !decision.isSelf else { continue }
                var rules = [Direction.egress: decision.egress?.rule]
                if decision.egress?.verdict != .deny { rules[.ingress] = decision.ingress?.rule }
                let named = rules.compactMapValues { $0 }.filter { $0.value != .noPolicy }
                #expect(answer.rules == named, "\(question.flow): \(answer), \(decision)")
                let denying = answer.wouldDeny[.egress] ?? answer.wouldDeny[.ingress]
                // A packet that egress denies never meets ingress.
                let isStopped = decision.egress?.verdict == .deny
                let wouldDeny = decision.egress?.wouldDeny ?? (isStopped ? nil : decision.ingress?.wouldDeny)
                #expect(denying.flatMap { policy.rules[$0]?.identity } == wouldDeny, "\(question.flow)")
                #expect(answer.cause == (answer.verdict == .dependsOnRequest ? .handOver : nil))
            }
            #expect(seen.count == 3 && seen.values.allSatisfy { $0 > 10 }, "\(seen)")
        }
    }

    /// Places do not make the packet of a question a forged one, but a forged source is reported.
    @Test func thePlaceIsThatOfTheSender() throws {
        try Self.withOpen("places") { policy, datapath in
            let web = try #require(policy.endpoints.first { $0.value.name.name == "web" }?.key)
            let questions = [
                Self.question("10.0.0.1", "10.9.0.1"), Self.question("fd00::1", "2001:db9::1"),
                Self.question("10.0.0.1", "10.9.0.1", .init(443), .udp, .toOwnNode),
                Self.question("10.0.0.1", "10.9.0.1", 80, .tcp, .toOwnNode),
                Self.question("10.0.0.1", "10.0.0.1", 80, .tcp, .fromOwnNode),
            ]
            let before = try datapath.ask(questions)
            #expect(before.map(\.verdict) == [.allow, .allow, .allow, .allow, .allow])
            #expect(before[3].rules.count == 1 && before[4].rules.isEmpty)
            let places = [
                EndpointPlace(interfaces: [EndpointInterface(index: 70, name: "a"), .init(index: 71, name: "b")]),
                EndpointPlace(port: EndpointBridgePort(index: 72, bridge: 73, hardware: 0x0200_0000_0001)),
            ]
            for place in places {
                try datapath.setPlace(place, of: web)
                #expect(try datapath.ask(questions) == before)
            }
            try Self.nft("flush set inet bulkhead pod-sources-ipv4")
            let forged = try datapath.ask(Array(questions.prefix(1)))
            #expect(forged == [KernelAnswer(verdict: .deny, cause: .spoofed)])
        }
    }

    /// What others do to the table is in the answers, until a comparison with the plan repairs it.
    @Test func changesByOthersAreSeen() throws {
        try Self.withOpen("changes") { policy, datapath in
            let allowed = Self.question("10.0.0.7", "10.0.0.1", 6379)
            let denied = Self.question("10.0.0.7", "10.0.0.1", 6380)
            let before = try datapath.ask([allowed, denied])
            #expect(before.map(\.verdict) == [.allow, .deny])
            let edits: [(edit: String, verdicts: [Verdict], causes: [DropEvent.Cause?])] = [
                ("delete element inet bulkhead ingress-ipv4 { 10.0.0.1 }", [.allow, .allow], [nil, nil]),
                ("insert rule inet bulkhead forwarded tcp dport 6380 accept", [.allow, .allow], [nil, nil]),
                ("insert rule inet bulkhead forward counter drop", [.deny, .deny], [.inconsistent, .inconsistent]),
                (
                    "add chain inet bulkhead late { type filter hook forward priority 5; policy drop; }",
                    [.deny, .deny],
                    [nil, nil]
                ),
                ("add table inet bulkhead { flags dormant; }", [.allow, .allow], [nil, nil]),
                ("flush chain inet bulkhead forward", [.allow, .allow], [nil, nil]),
            ]
            for (edit, verdicts, causes) in edits {
                try Self.nft(edit)
                let answers = try datapath.ask([allowed, denied])
                #expect(answers.map(\.verdict) == verdicts, "\(edit)")
                #expect(answers.map(\.cause) == causes, "\(edit)")
                _ = try datapath.resync(policy)
                #expect(try datapath.ask([allowed, denied]) == before, "after \(edit)")
            }
        }
    }

    @Test func whatCannotBeReadIsAnError() throws {
        try Self.withOpen("errors") { policy, datapath in
            let question = Self.question("10.0.0.7", "10.0.0.1", 6379)
            for (edit, name) in [
                ("insert rule inet bulkhead forward meta cpu 0 accept", "meta"),
                ("insert rule inet bulkhead forward numgen inc mod 2 0 accept", "numgen"),
                ("insert rule inet bulkhead forward ct expiration 1s accept", "ct"),
            ] {
                try Self.nft(edit)
                let error = try #require(#expect(throws: DatapathError.self) { try datapath.ask([question]) })
                let text = "\(error)"
                #expect(text.contains("rule ") && text.contains("chain forward"), "\(text)")
                #expect(text.contains("inet bulkhead") && text.contains(name), "\(text)")
                _ = try datapath.resync(policy)
            }
            try Self.nft("delete table inet bulkhead")
            #expect(throws: DatapathError.missing("the nftables table inet bulkhead")) { try datapath.ask([question]) }
            _ = try datapath.resync(policy)
            #expect(try datapath.ask([question]).map(\.verdict) == [.allow])
        }
    }
}
