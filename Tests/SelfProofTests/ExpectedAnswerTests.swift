// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import Datapath
import NetworkTypes
import PolicyModel
import SelfProof
import Testing

/// What counts as a wrong answer, row by row. The pod 10.0.0.1 has an egress program (rule 1 allows, rule 2 denies port
/// 80, rule 3 is in audit at port 90), the pod 10.0.0.2 an ingress program (rule 4 denies port 70, rule 5 allows).
@Suite struct ExpectedAnswerTests {
    private static let policy: CompiledPolicy = {
        func key(_ number: UInt64) -> StableKey { StableKey(high: 0, low: number) }
        func rule(_ number: UInt32) -> RuleID { RuleID(rawValue: number) }
        func program(_ number: UInt64, _ direction: Direction, _ cells: [Cell]) -> Program {
            Program(
                key: key(number), direction: direction, rules: [], rows: [0], columns: [0, 1, 2, 3], columnCount: 4,
                cells: cells)
        }
        var policy = CompiledPolicy()
        let allow = Cell(.allow, by: rule(1))
        policy.programs[ProgramID(rawValue: 1)] = program(
            1, .egress, [allow, allow, Cell(.deny, by: rule(2)), Cell(.audit, by: rule(3))])
        let take = Cell(.allow, by: rule(5))
        policy.programs[ProgramID(rawValue: 2)] = program(2, .ingress, [take, Cell(.deny, by: rule(4)), take, take])
        func ports(_ first: UInt16, _ last: UInt16, _ number: UInt16) -> PortSegment {
            PortSegment(ProtocolPorts(.tcp, PortRange(first, last)), PortClassID(rawValue: number))
        }
        policy.portSegments = [
            ports(0, 69, 0), ports(70, 70, 1), ports(71, 79, 0), ports(80, 80, 2), ports(81, 89, 0), ports(90, 90, 3),
            ports(91, .max, 0),
        ]
        for (number, egress, ingress) in [(1, 1, 0), (2, 0, 2), (3, 0, 0)] as [(UInt16, UInt32, UInt32)] {
            let id = EndpointID(rawValue: number)
            let address = IPAddress(v4: 0x0a00_0000 + UInt32(number))
            policy.endpoints[id] = CompiledEndpoint(
                key: key(UInt64(number)), name: EndpointName(namespace: "shop", name: "pod-\(number)"),
                addresses: [address], ingress: ProgramID(rawValue: ingress), egress: ProgramID(rawValue: egress))
            policy.addresses[CIDR(host: address)] = AddressEntry(addressClass: .none, endpoint: id)
        }
        return policy
    }()

    private static func question(
        _ source: UInt32, _ destination: UInt32, _ port: UInt16, _ ipProtocol: IPProtocol = .tcp,
        way: KernelQuestion.Way = .forwarded
    ) -> KernelQuestion {
        KernelQuestion(
            flow: Flow(
                source: IPAddress(v4: 0x0a00_0000 + source), destination: IPAddress(v4: 0x0a00_0000 + destination),
                ipProtocol: ipProtocol, destinationPort: port), way: way)
    }

    private static func answer(
        _ verdict: Verdict, egress: UInt32? = nil, ingress: UInt32? = nil, audit: UInt32? = nil,
        cause: DropEvent.Cause? = nil
    ) -> KernelAnswer {
        var answer = KernelAnswer(verdict: verdict, cause: cause)
        answer.rules[.egress] = egress.map { RuleID(rawValue: $0) }
        answer.rules[.ingress] = ingress.map { RuleID(rawValue: $0) }
        answer.wouldDeny[.egress] = audit.map { RuleID(rawValue: $0) }
        return answer
    }

    private static let rows: [(KernelQuestion, KernelAnswer, Mismatch?)] = [
        (question(1, 2, 60), answer(.allow, egress: 1, ingress: 5), nil),
        (question(1, 2, 60), answer(.deny, egress: 1, ingress: 5), .verdict),
        (question(1, 2, 60), answer(.allow, egress: 2, ingress: 5), .rule(.egress)),
        (question(1, 2, 60), answer(.allow, egress: 1, ingress: 4), .rule(.ingress)),
        // A direction that has a rule must name it, unless the other one denied the packet.
        (question(1, 2, 60), answer(.allow, egress: 1), .rule(.ingress)),
        (question(1, 2, 80), answer(.deny, egress: 2), nil),
        (question(1, 2, 80), answer(.deny, ingress: 5), .rule(.egress)),
        (question(1, 2, 80), answer(.deny), .rule(.egress)),
        (question(1, 2, 70), answer(.deny, egress: 1, ingress: 4), nil),
        (question(1, 2, 70), answer(.deny, ingress: 4), nil),
        (question(1, 2, 70), answer(.deny, egress: 1, ingress: 5), .rule(.ingress)),
        (question(1, 2, 80), answer(.deny, egress: 2, cause: .rule), nil),
        (question(1, 2, 80), answer(.deny, cause: .inconsistent), .cause(.inconsistent)),
        (question(1, 2, 80), answer(.deny, cause: .spoofed), .cause(.spoofed)),
        // In audit.
        (question(1, 3, 90), answer(.allow, audit: 3), nil),
        (question(1, 3, 90), answer(.allow, egress: 1, audit: 3), nil),
        (question(1, 3, 90), answer(.allow, egress: 1), .rule(.egress)),
        (question(1, 3, 60), answer(.allow, egress: 1, audit: 3), .rule(.egress)),
        // Without policy.
        (question(3, 9, 60), answer(.allow), nil),
        (question(3, 9, 60), answer(.allow, egress: 0), nil),
        (question(3, 9, 60), answer(.allow, egress: 1), .rule(.egress)),
        (question(9, 3, 60), answer(.deny, ingress: 4), .verdict),
        // To itself, and from the node: no rule decides.
        (question(1, 1, 80), answer(.allow), nil),
        (question(1, 1, 80), answer(.deny), .verdict),
        (question(9, 2, 70, way: .fromOwnNode), answer(.allow), nil),
        (question(1, 9, 80, way: .toOwnNode), answer(.allow), nil),
    ]

    @Test func everyRow() {
        for (number, (question, answer, wanted)) in Self.rows.enumerated() {
            let found = Self.policy.expected(question).mismatch(answer, to: question)
            #expect(found == wanted, "row \(number): \(question.flow)")
        }
    }

    @Test func packetsToTheOwnNodeAreJudgedByEgressAlone() {
        var policy = Self.policy
        policy.judgesOwnNode = true
        let question = Self.question(1, 2, 80, way: .toOwnNode)
        let expected = policy.expected(question)
        #expect(expected.verdict == .deny && expected.ingress == nil)
        #expect(expected.mismatch(Self.answer(.deny, egress: 2), to: question) == nil)
        #expect(expected.mismatch(Self.answer(.allow), to: question) == .verdict)
    }

    @Test func aTunnelPacketMayBeDroppedWhateverTheTablesSay() {
        let question = Self.question(3, 9, 8472, .udp)
        let expected = Self.policy.expected(question)
        let dropped = Self.answer(.deny, cause: .tunnel)
        #expect(expected.mismatch(dropped, to: question, tunnels: TunnelGuard(udpPorts: [8472])) == nil)
        #expect(expected.mismatch(dropped, to: question, tunnels: TunnelGuard(udpPorts: [4789])) == .cause(.tunnel))
    }
}
