// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import NetworkTypes
import PolicyCompiler
import PolicyModel

extension ReachabilityMap {
    /// A row of the source's egress program and one of the destination's ingress program; programs may be
    /// ``notJudged``.
    struct Combination: Hashable, Sendable {
        var egress: UInt32
        var egressRow: UInt32
        var ingress: UInt32
        var ingressRow: UInt32
    }

    /// Whom a flow is from and to, as far as policy sees it.
    struct Pair: Sendable {
        var egress: UInt32
        var ingress: UInt32
        /// Of the source, as the destination's policy sees it.
        var sourceClass: UInt32
        /// Of the destination, as the source's policy sees it.
        var destinationClass: UInt32
        /// The destination is the source pod's own node.
        var isToOwnNode = false
        /// The source is the destination pod's own node.
        var isFromOwnNode = false
    }

    /// The sets of a class's addresses.
    func sets(_ key: RowKey) -> [PeerSetID] {
        let sets = peerSets[Int(key.addressClass)]
        guard key.isOwnNode, let ownNodeSet, !sets.contains(ownNodeSet) else { return sets }
        return (sets + [ownNodeSet]).sorted()
    }

    /// The row of a program for a class.
    mutating func row(_ program: UInt32, _ key: RowKey) throws(ReachabilityError) -> UInt32 {
        if program == Self.notJudged || program == Self.unselected { return 0 }
        if let row = programs[Int(program)].rows[key] { return UInt32(row) }
        let sets = sets(key)
        if programs[Int(program)].lazy == nil { programs[Int(program)].lazy = self.program(program) }
        // In place, so that a new row does not copy the cells.
        guard let row = programs[Int(program)].lazy?.row(of: sets) else {
            throw .overLimit(programs[Int(program)].endpoint, programs[Int(program)].direction)
        }
        programs[Int(program)].rows[key] = row
        return UInt32(row)
    }

    private func program(_ number: UInt32) -> LazyProgram {
        programs[Int(number)].lazy ?? LazyProgram(programs[Int(number)].resolved, programs[Int(number)].direction)
    }

    /// The number of what is said about a pair: an index of ``accesses``. Every port of every protocol is in it once.
    mutating func access(_ pair: Pair) throws(ReachabilityError) -> Int {
        let egressKey = RowKey(addressClass: pair.destinationClass, isOwnNode: pair.isToOwnNode)
        let ingressKey = RowKey(addressClass: pair.sourceClass, isOwnNode: pair.isFromOwnNode)
        let combination = Combination(
            egress: pair.egress, egressRow: try row(pair.egress, egressKey), ingress: pair.ingress,
            ingressRow: try row(pair.ingress, ingressKey))
        if let number = combinations[combination] { return number }
        let egress = side(pair.egress, Int(combination.egressRow), sets(egressKey), .egress)
        let ingress = side(pair.ingress, Int(combination.ingressRow), sets(ingressKey), .ingress)
        accesses.append(Self.join(egress, ingress))
        combinations[combination] = accesses.count - 1
        return accesses.count - 1
    }

    typealias Side = (ports: PortSpan, answer: SideAnswer?)

    /// One side's answers, in order of ports.
    func side(
        _ number: UInt32, _ row: Int, _ sets: [PeerSetID], _ direction: Direction
    ) -> [Side] {
        if number == Self.notJudged { return PortSpan.all.map { ($0, nil) } }
        if number == Self.unselected {
            let answer = SideAnswer(verdict: .allow, rule: .noPolicy(direction), isUnselected: true)
            return PortSpan.all.map { ($0, answer) }
        }
        let program = program(number)
        var answers: [Int: SideAnswer] = [:]
        func answer(_ column: Int) -> SideAnswer {
            if let answer = answers[column] { return answer }
            let said = program.answer(row: row, column: column, sets: sets)
            let answer = SideAnswer(
                verdict: said.verdict, rule: said.rule, wouldDeny: said.wouldDeny, isUnselected: false)
            answers[column] = answer
            return answer
        }
        return program.segments.map { (.ports($0.ports), answer($0.column)) } + [(.otherProtocols, answer(0))]
    }

    private static func join(_ egress: [Side], _ ingress: [Side]) -> [PortAccess] {
        var result: [PortAccess] = []
        var (first, second) = (0, 0)
        while first < egress.count, second < ingress.count {
            let (a, b) = (egress[first], ingress[second])
            guard let both = a.ports.intersection(b.ports) else { preconditionFailure("ports without an answer") }
            result.append(
                PortAccess(
                    ports: both, verdict: .both(a.answer?.verdict, b.answer?.verdict), egress: a.answer,
                    ingress: b.answer))
            if a.ports.end == both.end { first += 1 }
            if b.ports.end == both.end { second += 1 }
        }
        return result.merged
    }

    /// The rules of authorization that decide about the requests of a flow.
    func requestRules(_ pair: Pair, _ ports: PortSpan) -> [LazyProgram.RequestRule] {
        guard pair.ingress != Self.notJudged, pair.ingress != Self.unselected, case .ports(let ports) = ports else {
            return []
        }
        let program = program(pair.ingress)
        let column = program.segments.first {
            $0.ports.ipProtocol == ports.ipProtocol && $0.ports.range.contains(ports.range.first)
        }?.column
        let key = RowKey(addressClass: pair.sourceClass, isOwnNode: pair.isFromOwnNode)
        return program.requestRules(column: column ?? 0, sets: sets(key))
    }
}

extension PortSpan {
    /// Orders the ends of spans.
    var end: UInt32 {
        switch self {
        case .ports(let ports): UInt32(ports.ipProtocol.rawValue) << 16 | UInt32(ports.range.last)
        case .otherProtocols: .max
        }
    }
}
