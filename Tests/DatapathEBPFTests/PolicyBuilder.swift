// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import NetworkTypes
import PolicyModel

/// Compiled policies made by hand or at random, without the compiler.
struct PolicyBuilder {
    var policy = CompiledPolicy()

    /// No endpoints, class 0 alone, port class 0 everywhere.
    init() {
        policy.rules[.noPolicy] = Self.rule(0)
        policy.addressClasses[.none] = AddressClass(key: Self.key(1, 0), peerSets: [])
        policy.portSegments = IPProtocol.withPorts.map { PortSegment(ProtocolPorts($0, .all), .none) }
    }

    static func key(_ kind: UInt64, _ number: Int) -> StableKey { StableKey(high: kind, low: UInt64(number) + 1) }

    static func rule(_ number: Int) -> CompiledRule {
        let policy = PolicyReference(kind: "NetworkPolicy", namespace: "test", name: "rule-\(number)")
        return CompiledRule(key: key(2, number), identity: .rule(policy, .ingress, index: 0, name: nil))
    }

    mutating func addRules(_ count: Int) {
        for number in 1..<count + 1 { policy.rules[RuleID(rawValue: UInt32(number))] = Self.rule(number) }
    }

    /// The class with a number of this builder's, from 1 on: not one of the node's own addresses.
    static func addressClass(_ number: Int) -> AddressClassID {
        number == 0 ? .none : AddressClassID(rawValue: UInt32(number) + AddressClassID.ownNodeLimit - 1)
    }

    mutating func addClasses(_ count: Int) {
        for number in 1..<count + 1 {
            policy.addressClasses[Self.addressClass(number)] = AddressClass(
                key: Self.key(1, number), peerSets: [])
        }
    }

    /// A class of ports of TCP each: `ports[i]` alone is class i + 1.
    mutating func setTCPPorts(_ ports: [UInt16]) {
        var segments: [PortSegment] = []
        var next = 0
        for (index, port) in ports.sorted().enumerated() {
            if Int(port) > next {
                segments.append(PortSegment(ProtocolPorts(.tcp, PortRange(UInt16(next), port - 1)), .none))
            }
            let number = PortClassID(rawValue: UInt16(index + 1))
            segments.append(PortSegment(ProtocolPorts(.tcp, PortRange(port)), number))
            next = Int(port) + 1
        }
        if next <= 65535 { segments.append(PortSegment(ProtocolPorts(.tcp, PortRange(UInt16(next), .max)), .none)) }
        segments += [.udp, .sctp].map { PortSegment(ProtocolPorts($0, .all), .none) }
        policy.portSegments = segments
    }

    var portClassCount: Int { Int(policy.portSegments.map(\.portClass.rawValue).max() ?? 0) + 1 }
    var classCount: Int { policy.addressClasses.count }

    /// A program with a row for each class and a column for each port class.
    mutating func addProgram(_ number: Int, _ direction: Direction, cell: (_ class: Int, _ port: Int) -> Cell) {
        let (rows, columns) = (classCount, portClassCount)
        policy.programs[ProgramID(rawValue: UInt32(number))] = Program(
            key: Self.key(3, number), direction: direction, rules: [],
            rows: Array(repeating: 0, count: Int(AddressClassID.ownNodeLimit)) + (1..<rows).map { UInt16($0) },
            columns: (0..<columns).map { UInt16($0) }, columnCount: columns,
            cells: (0..<rows).flatMap { row in (0..<columns).map { cell(row, $0) } })
    }

    mutating func addEndpoint(
        _ number: Int, _ addresses: [IPAddress], addressClass: Int, ingress: Int, egress: Int
    ) {
        let id = EndpointID(rawValue: UInt16(number))
        policy.endpoints[id] = CompiledEndpoint(
            key: Self.key(4, number), name: EndpointName(namespace: "test", name: "pod-\(number)"),
            addresses: addresses, ingress: ProgramID(rawValue: UInt32(ingress)),
            egress: ProgramID(rawValue: UInt32(egress)))
        for address in addresses { set(CIDR(host: address), addressClass, endpoint: number) }
    }

    mutating func set(_ prefix: CIDR, _ addressClass: Int, endpoint: Int = 0) {
        policy.addresses[prefix] = AddressEntry(
            addressClass: Self.addressClass(addressClass),
            endpoint: EndpointID(rawValue: UInt16(endpoint)))
    }

    /// What the datapath must say, worked out from the tables' meaning.
    static func verdict(_ flow: Flow, _ policy: borrowing CompiledPolicy, unparsable: Bool = false) -> Verdict {
        let (source, destination) = (
            policy.addresses.entry(of: flow.source), policy.addresses.entry(of: flow.destination)
        )
        if source.endpoint == destination.endpoint { return .allow }
        let port = policy.portSegments.first {
            $0.ports.ipProtocol == flow.ipProtocol && $0.ports.range.contains(flow.destinationPort ?? 0)
        }
        func direction(_ program: ProgramID?, _ peer: AddressClassID) -> Verdict {
            guard let program, program != .none, let program = policy.programs[program] else { return .allow }
            return unparsable ? .deny : program.cell(peer, port?.portClass ?? .none).verdict
        }
        let egress = direction(policy.endpoints[source.endpoint]?.egress, destination.addressClass)
        let ingress = direction(policy.endpoints[destination.endpoint]?.ingress, source.addressClass)
        return egress == .allow && ingress == .allow ? .allow : .deny
    }

    /// A node of few pods with random matrices, classes crowding.
    static func random(_ random: inout SeededRandom) -> CompiledPolicy {
        var builder = PolicyBuilder()
        let (classes, rules) = (random.number(1...12), random.number(1...30))
        builder.addRules(rules)
        builder.addClasses(classes)
        builder.setTCPPorts(Array(Set((0..<random.number(0...6)).map { _ in UInt16(random.number(0...65535)) })))
        for number in 1...6 {
            let seed = random.next()
            builder.addProgram(number, number % 2 == 0 ? .egress : .ingress) { row, column in
                var cells = SeededRandom(seed &+ UInt64(row * 1000 + column))
                let action: CellAction = cells.chance(50) ? .allow : cells.chance(30) ? .handOver : .deny
                return Cell(action, by: RuleID(rawValue: UInt32(cells.number(1...rules))))
            }
        }
        for _ in 0..<random.number(0...60) {
            let family: AddressFamily = random.chance(50) ? .ipv4 : .ipv6
            builder.set(random.prefix(family), random.number(0...classes))
        }
        for number in 1...random.number(2...8) {
            let addresses = [random.address(.ipv4), random.address(.ipv6)].filter {
                (builder.policy.addresses[CIDR(host: $0)] ?? AddressEntry.none).endpoint == EndpointID.none
            }
            builder.addEndpoint(
                number, addresses, addressClass: random.number(0...classes),
                ingress: random.chance(70) ? random.number(0...2) * 2 + 1 : 0,
                egress: random.chance(70) ? random.number(1...3) * 2 : 0)
        }
        // A program lives as long as an endpoint has it.
        let used = Set(builder.policy.endpoints.values.flatMap { [$0.ingress, $0.egress] })
        builder.policy.programs = builder.policy.programs.filter { used.contains($0.key) }
        return builder.policy
    }

    static func randomFlow(_ policy: borrowing CompiledPolicy, _ random: inout SeededRandom) -> Flow {
        let family: AddressFamily = random.chance(50) ? .ipv4 : .ipv6
        let pods = policy.endpoints.values.flatMap(\.addresses).filter { $0.family == family }.sorted()
        func address() -> IPAddress {
            random.chance(70) ? pods.randomElement(using: &random) ?? random.address(family) : random.address(family)
        }
        let (source, destination) = (address(), address())
        let icmp: IPProtocol = family == .ipv4 ? .icmp : .icmpv6
        let ipProtocol: IPProtocol = random.chance(60) ? .tcp : [.udp, .sctp, icmp][random.number(0...2)]
        let ports = policy.portSegments.flatMap { [$0.ports.range.first, $0.ports.range.last] }
        return Flow(
            source: source, destination: destination, ipProtocol: ipProtocol,
            destinationPort: ports.randomElement(using: &random))
    }
}
