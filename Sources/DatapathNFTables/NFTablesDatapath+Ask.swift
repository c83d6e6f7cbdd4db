// SPDX-License-Identifier: Apache-2.0
import CLibNFTNL
import CompiledPolicy
import Datapath
import Netfilter
import NetworkTypes
import PolicyModel

extension NFTablesDatapath {
    /// Reads the rules and the members of sets that the packets would meet, and interprets them. Each is read once for
    /// all questions of a call.
    public mutating func ask(_ questions: [KernelQuestion]) throws(DatapathError) -> [KernelAnswer] {
        for _ in 0..<Self.askAttempts {
            let before = try TableReader.generation(opened())
            let cache = TableCache(try reader())
            let places = placesByAddress
            let answers = Result { () throws(DatapathError) in
                var answers: [KernelAnswer] = []
                for question in questions { answers.append(try answer(question, cache, places)) }
                return answers
            }
            // What was read belongs to one state of the table.
            if try TableReader.generation(opened()) == before { return try answers.get() }
        }
        throw .unsupported(
            what: "the nftables ruleset changed during each of \(Self.askAttempts) attempts to read it",
            remedy: "ask again")
    }

    private static let askAttempts = 5

    private var placesByAddress: [IPAddress: EndpointPlace] {
        var found: [IPAddress: EndpointPlace] = [:]
        for (address, local) in tables.dispatch { found[address] = tables.places[local.endpoint] }
        return found
    }

    private func answer(
        _ question: KernelQuestion, _ cache: TableCache, _ places: [IPAddress: EndpointPlace]
    ) throws(DatapathError) -> KernelAnswer {
        guard question.flow.source.family == question.flow.destination.family else {
            throw .unsupported(what: "a flow between IPv4 and IPv6", remedy: "ask with addresses of one family")
        }
        var walk = RuleWalk(Self.packet(of: question, places), through: cache)
        let end = try walk.pass(hook: question.way.hook)
        var reading = WalkReading(handsOverToNothing: tables.marks.mask == 0)
        var rule: [RuleWalk.Step] = []
        for step in walk.steps {
            rule.append(step)
            guard step == .endOfRule else { continue }
            try reading.add(rule, cache)
            rule = []
        }
        return reading.answer(end)
    }

    /// The packet comes from where its source is and leaves to where its destination is, as far as that is known.
    private static func packet(
        of question: KernelQuestion, _ places: [IPAddress: EndpointPlace]
    ) -> WalkedPacket {
        let (flow, bytes) = (question.flow, QuestionPacket(question))
        let (from, to) = (places[flow.source], places[flow.destination])
        return WalkedPacket(
            flow.source, flow.destination, protocol: flow.ipProtocol.rawValue, bytes: bytes.bytes,
            headerBytes: bytes.headerBytes,
            interface: question.way == .fromOwnNode ? 0 : from?.inputIndex ?? elsewhere,
            outInterface: question.way == .toOwnNode ? 0 : to?.inputIndex ?? elsewhere,
            hardwareSource: (0..<6).map { UInt8(truncatingIfNeeded: (from?.port?.hardware ?? 0) >> (40 - 8 * $0)) })
    }

    /// The index of an interface that belongs to no endpoint: the kernel gives out none so large.
    private static let elsewhere: UInt32 = 0x7fff_fffe
}

extension EndpointPlace {
    /// The device of the endpoint's packets as netfilter's IP hooks see it.
    fileprivate var inputIndex: UInt32? { port?.bridge ?? interfaces.first?.index }
}

extension KernelQuestion.Way {
    fileprivate var hook: UInt32 {
        switch self {
        case .forwarded: NF_INET_FORWARD.rawValue
        case .toOwnNode: NF_INET_LOCAL_IN.rawValue
        case .fromOwnNode: NF_INET_LOCAL_OUT.rawValue
        }
    }
}

/// What a packet's way through the rules says.
private struct WalkReading {
    /// Whether there are no marks by which packets to and from the proxy would pass.
    let handsOverToNothing: Bool
    private var direction: Direction?
    private var rules: [Direction: RuleID] = [:]
    private var wouldDeny: [Direction: RuleID] = [:]
    private var cause: DropEvent.Cause?
    private var isHandedOver = false

    init(handsOverToNothing: Bool) { self.handsOverToNothing = handsOverToNothing }

    /// Maps that lead to the chains of a direction's policy.
    private static let directions: [String: Direction] = {
        var directions: [String: Direction] = [
            TableName.egressByHardware: .egress, TableName.egressByInterface: .egress,
            TableName.ingressByInterface: .ingress, TableName.ingressByPort: .ingress,
        ]
        for direction in Direction.allCases {
            for family in AddressFamily.allCases { directions[TableName.dispatch(direction, family)] = direction }
        }
        return directions
    }()

    private static let causes: [String: DropEvent.Cause] = {
        var causes = Dictionary(uniqueKeysWithValues: BaseTable.causes.map { ($0.counter, $0.cause) })
        causes[TableName.inconsistent] = .inconsistent
        for direction in Direction.allCases { causes[TableName.unparsable(direction)] = .unparsable }
        return causes
    }()

    /// Adds what one rule did.
    mutating func add(_ rule: [RuleWalk.Step], _ cache: TableCache) throws(DatapathError) {
        let counters: [String] = rule.compactMap {
            guard case .counted(let name, UInt32(NFT_OBJECT_COUNTER)) = $0 else { return nil }
            return name
        }
        for case .mapped(let map) in rule {
            if let found = Self.directions[map] { direction = found }
        }
        for counter in counters {
            if counter == TableName.handOver { isHandedOver = true }
            if let found = Self.causes[counter] { cause = found }
            let mark = try cache.mark(of: counter, UInt32(NFT_OBJECT_COUNTER))
            guard let decided = RuleMark(bytes: mark)?.id, decided != .noPolicy, let direction else { continue }
            if counters.contains(TableName.audited) {
                wouldDeny[direction] = decided
            } else {
                rules[direction] = decided
            }
        }
    }

    func answer(_ end: RuleWalk.End) -> KernelAnswer {
        guard end == .dropped else { return KernelAnswer(verdict: .allow, rules: rules, wouldDeny: wouldDeny) }
        guard !isHandedOver else {
            return KernelAnswer(
                verdict: .dependsOnRequest, rules: rules, wouldDeny: wouldDeny,
                cause: handsOverToNothing ? .handOver : nil)
        }
        var answer = KernelAnswer(verdict: .deny, rules: rules, wouldDeny: wouldDeny, cause: cause)
        // Something drops the packet, and neither a rule's counter nor one of a cause says why.
        if cause == nil, rules.isEmpty { answer.cause = .inconsistent }
        return answer
    }
}
