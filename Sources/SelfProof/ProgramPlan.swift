// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import NetworkTypes
import PolicyModel

/// How to reach the cells of one program: for each row a class, for each column ports, and the endpoints that use it.
/// Made once per round, in time proportional to classes, port segments and endpoints, never to addresses.
struct ProgramPlan: Sendable {
    let id: ProgramID
    let key: StableKey
    let direction: Direction
    let columnCount: Int
    /// A few classes of each row.
    private var classes: [[AddressClassID]]
    private var ports: [ProtocolPorts?]
    let endpoints: [EndpointID]
    /// Cells whose rules have counted packets.
    private(set) var busy: [Int]
    /// The next cell.
    var next = 0
    let cellCount: Int

    /// Nil: it is not used, or does not exist.
    init?(
        _ id: ProgramID, of policy: CompiledPolicy, _ members: ClassMembers, busyRules: Set<RuleID>,
        _ random: inout ProofRandom
    ) {
        guard let program = policy.programs[id], program.columnCount > 0 else { return nil }
        self.id = id
        (key, direction, columnCount) = (program.key, program.direction, program.columnCount)
        cellCount = program.cells.count
        let isIngress = direction == .ingress
        endpoints = policy.endpoints.compactMap { (isIngress ? $1.ingress : $1.egress) == id ? $0 : nil }.sorted()
        guard !endpoints.isEmpty else { return nil }
        classes = Array(repeating: [], count: cellCount / columnCount)
        ports = Array(repeating: nil, count: columnCount)
        busy = []
        pickClasses(program, members, &random)
        pickPorts(program, policy.portSegments, &random)
        if !busyRules.isEmpty {
            busy = Array(program.cells.indices.lazy.filter { busyRules.contains(program.cells[$0].rule) }.prefix(16))
        }
    }

    private static let classesPerRow = 4

    /// Any classes of each row, each as likely, among those with a member.
    private mutating func pickClasses(_ program: Program, _ members: ClassMembers, _ random: inout ProofRandom) {
        var seen = Array(repeating: 0, count: classes.count)
        for (number, row) in program.rows.enumerated() {
            let addressClass = AddressClassID(rawValue: UInt32(number))
            let row = Int(row)
            guard row < classes.count, addressClass == .none || members.hasMember(of: addressClass) else { continue }
            seen[row] += 1
            if classes[row].count < Self.classesPerRow {
                classes[row].append(addressClass)
            } else if random.below(seen[row]) < Self.classesPerRow {
                classes[row][random.below(Self.classesPerRow)] = addressClass
            }
        }
    }

    private mutating func pickPorts(
        _ program: Program, _ segments: [PortSegment], _ random: inout ProofRandom
    ) {
        var seen = Array(repeating: 0, count: ports.count)
        for segment in segments {
            let portClass = Int(segment.portClass.rawValue)
            guard portClass < program.columns.count else { continue }
            let column = Int(program.columns[portClass])
            guard column < ports.count else { continue }
            seen[column] += 1
            if random.once(in: seen[column]) { ports[column] = segment.ports }
        }
    }

    /// Whether the program is still the one that was planned.
    func isCurrent(in policy: CompiledPolicy) -> Bool {
        guard let program = policy.programs[id] else { return false }
        return program.key == key && program.columnCount == columnCount && program.cells.count == cellCount
    }

    /// Some classes of a cell's row and the ports of its column; nil where no live class leads to it.
    func aim(at cell: Int) -> (classes: [AddressClassID], ports: ProtocolPorts)? {
        guard cell < cellCount, let ports = ports[cell % columnCount] else { return nil }
        let classes = classes[cell / columnCount]
        return classes.isEmpty ? nil : (classes, ports)
    }

    mutating func takeBusy() -> Int? { busy.popLast() }
}
