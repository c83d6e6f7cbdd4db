// SPDX-License-Identifier: Apache-2.0
import ControlProtocol
import FoundationEssentials
import NetworkTypes
import PolicyModel
import Testing

/// The names of the fields are a contract with every client: these texts may grow, not change.
@Suite struct AnswerTests {
    private func text(_ value: some Encodable) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(value), as: UTF8.self)
    }

    private func same<Value: Codable & Equatable>(_ value: Value, _ json: String) throws {
        #expect(try text(value) == json)
        #expect(try JSONDecoder().decode(Value.self, from: Data(json.utf8)) == value)
    }

    private static let policy = PolicyReference(kind: "NetworkPolicy", namespace: "shop", name: "redis")

    @Test func rules() throws {
        let written = RuleAnswer(.rule(Self.policy, .ingress, index: 1, name: nil))
        try same(
            written,
            #"{"direction":"ingress","index":1,"kind":"rule","policy":{"kind":"NetworkPolicy","name":"redis","namespace":"shop"}}"#
        )
        #expect(written.description == "shop/redis ingress rule 2")
        let named = RuleAnswer(.rule(Self.policy, .egress, index: 1, name: "dns"))
        #expect(named.description == "shop/redis egress rule dns")
        let isolation = RuleAnswer(.isolation(.egress, by: [Self.policy]))
        try same(
            isolation,
            #"{"by":[{"kind":"NetworkPolicy","name":"redis","namespace":"shop"}],"direction":"egress","kind":"isolation"}"#
        )
        #expect(isolation.description == "isolation by shop/redis")
        try same(RuleAnswer(.noPolicy(.ingress)), #"{"direction":"ingress","kind":"noPolicy"}"#)
        try same(RuleAnswer(.ownNode(.ingress)), #"{"direction":"ingress","kind":"ownNode"}"#)
        try same(RuleAnswer(.overLimit(.egress)), #"{"direction":"egress","kind":"overLimit"}"#)
    }

    @Test func verdicts() throws {
        let side = DirectionAnswer(
            verdict: .deny, kind: "noPolicy", reason: "because", endpoint: EndpointName(namespace: "a", name: "b"),
            identity: .noPolicy(.ingress))
        try same(
            VerdictAnswer(verdict: .deny, flow: "f", egress: nil, ingress: side),
            #"{"flow":"f","ingress":{"endpoint":"a/b","kind":"noPolicy","reason":"because","rule":{"direction":"ingress","kind":"noPolicy"},"verdict":"deny"},"verdict":"deny"}"#
        )
    }

    private static func side(_ verdict: Verdict, _ kind: String = "rule") -> DirectionAnswer {
        DirectionAnswer(verdict: verdict, kind: kind, reason: "r", endpoint: nil, identity: nil)
    }

    private static let undecided = DirectionAnswer(undecided: "r", endpoint: EndpointName(namespace: "a", name: "b"))

    /// What is not known is never shown as allowed.
    @Test(arguments: [
        (side(.allow), side(.allow), "allow"), (side(.allow), side(.deny), "deny"), (side(.deny), undecided, "deny"),
        (side(.allow), undecided, "undecided"), (undecided, side(.allow, "noPod"), "undecided"),
        (side(.allow), side(.allow, "noPod"), "allow"), (side(.allow, "noPod"), side(.allow, "noPod"), "undecided"),
        (side(.allow, "samePod"), side(.allow, "samePod"), "allow"),
    ])
    func theVerdictFollowsFromTheSides(egress: DirectionAnswer, ingress: DirectionAnswer, verdict: String) {
        #expect(VerdictAnswer(flow: "f", egress: egress, ingress: ingress).verdict == verdict)
    }

    @Test func anUndecidedSide() throws {
        try same(
            Self.undecided, #"{"endpoint":"a/b","kind":"undecided","reason":"r","verdict":"undecided"}"#)
        let notes = VerdictAnswer(flow: "f", egress: Self.undecided, ingress: Self.undecided, notes: ["x", "y"]).note
        #expect(notes == "x; y")
    }

    @Test func conditions() throws {
        try same(
            StatusCondition(.noSource, isProblem: true, "m"),
            #"{"kind":"noSource","message":"m","problem":true}"#)
    }

    @Test func events() throws {
        let drop = DroppedPacket(
            cause: .rule, direction: "ingress", source: EventEnd(address: "2001:db8::1", port: 1, pod: "a/b"),
            destination: EventEnd(address: "10.0.0.1", port: nil, pod: nil), protocol: "ICMP", endpoint: nil, rule: nil,
            reason: "r", interface: InterfaceAnswer(index: 3, name: "v"))
        try same(
            FlowRecord(kind: .drop, time: "t", drop: drop),
            #"{"drop":{"cause":"rule","destination":{"address":"10.0.0.1"},"direction":"ingress","interface":{"index":3,"name":"v"},"protocol":"ICMP","reason":"r","source":{"address":"2001:db8::1","pod":"a/b","port":1}},"kind":"drop","time":"t"}"#
        )
        try same(FlowRecord(kind: .lost, time: "t", lost: 4), #"{"kind":"lost","lost":4,"time":"t"}"#)
        #expect(drop.source.description == "a/b ([2001:db8::1]:1)")
        #expect(drop.destination.description == "10.0.0.1")
    }

    @Test func errors() throws {
        let answer = ErrorAnswer(
            .invalidBody, "m", problems: [Problem(document: 2, line: 7, field: "spec.x", reason: "r", hint: "h")])
        try same(
            answer,
            #"{"error":{"code":"invalid_body","message":"m","problems":[{"document":2,"field":"spec.x","hint":"h","line":7,"reason":"r"}]}}"#
        )
        #expect(answer.error.problems[0].description == "line 7: document 2: spec.x: r (h)")
        #expect(Problem(file: "f", line: 3, field: "", reason: "r").description == "f:3: r")
        for code in ErrorCode.allCases { #expect((400..<600).contains(code.status)) }
    }

    @Test func health() {
        func status(
            _ state: DatapathStatus.State, _ problems: [Problem],
            _ limits: LimitStatus = LimitStatus(unprotected: [], deniedPrograms: 0), notReplaced: String? = nil,
            guardrails: [Problem] = [], conditions: [StatusCondition] = []
        ) -> Bool {
            StatusAnswer(
                version: "1", node: "n", pid: 1, uptimeSeconds: 1,
                datapath: DatapathStatus(
                    kind: "ebpf", reason: "asked for", state: state, error: nil, failures: 0, retryInSeconds: nil,
                    batches: 0, lastWords: 0, lastGracePeriods: 0, lastMicroseconds: 0, repaired: 0,
                    notReplaced: notReplaced),
                manifests: ManifestStatus(directory: nil, objects: 0, problems: problems, notices: []),
                guardrails: ManifestStatus(directory: "g", objects: 0, problems: guardrails, notices: []),
                policies: PolicyStatus(
                    count: 0, audited: 0, wouldDeny: 0, partial: 0, judgesOwnNode: false, ownNodeReason: "",
                    unknownEndpoints: 0),
                pushed: PushedStatus(objects: 0, resolvedEndpoints: 0),
                tables: TableSizes(
                    endpoints: 0, rules: 0, programs: 0, peerSets: 0, addressClasses: 0, portClasses: 0, addresses: 0,
                    cells: 0),
                limits: limits, followers: 0, conditions: conditions
            ).healthy
        }
        #expect(status(.programmed, []))
        #expect(!status(.retrying, []))
        #expect(!status(.programmed, [], notReplaced: "no"))
        #expect(!status(.programmed, [], LimitStatus(unprotected: ["a/b"], deniedPrograms: 0)))
        #expect(!status(.programmed, [], LimitStatus(unprotected: [], deniedPrograms: 1)))
        #expect(!status(.programmed, [Problem(field: "", reason: "r")]))
        #expect(status(.programmed, [], conditions: [StatusCondition(.noPolicy, isProblem: false, "m")]))
        #expect(!status(.programmed, [], conditions: [StatusCondition(.noSource, isProblem: true, "m")]))
        #expect(!status(.programmed, [], guardrails: [Problem(field: "", reason: "r")]))
    }

    @Test func pathsAndMethods() {
        for path in ControlPath.allCases { #expect(!path.methods.isEmpty && path.rawValue.hasPrefix("/v1/")) }
        #expect(ControlMethod.allCases.filter { !$0.isMutating } == [.get])
    }
}
