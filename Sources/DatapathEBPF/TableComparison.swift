// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import Datapath
import NetworkTypes
import PolicyModel

/// What is left of a comparison of the tables with policy.
struct TableComparison {
    enum Work {
        case header
        case rules(ArraySlice<RuleID>)
        case classes(ArraySlice<AddressClassID>)
        case endpoints(ArraySlice<EndpointID>)
        case programs(ProgramSweep)
        case ports(ArraySlice<IPProtocol>)
        case hosts(HostSweep)
        case prefixes(ArraySlice<CIDR>)
        /// From an address on: what the table of IPv4 decides, found from the table's side.
        case v4(from: UInt32)
        case counts
    }

    /// The next one last.
    var left: [Work]
    var differences: [String] = []
    /// All of them at the start.
    let classes: [AddressClassID]
    var ports = ComparedPorts()

    /// Things that one step compares.
    static let keysPerStep = 2048
    static let addressesPerStep = 1024
    static let prefixesPerStep = 128
    static let endpointsPerStep = 256
    static let cellsPerStep = 32_768

    init(_ policy: borrowing CompiledPolicy) {
        classes = Array(policy.addressClasses.keys)
        left = [
            .counts, .v4(from: 0), .prefixes(Array(policy.addresses.prefixes.keys)[...]), .hosts(HostSweep()),
            .ports(IPProtocol.withPorts[...]),
            .programs(ProgramSweep(programs: Array(policy.programs.keys)[...])),
            .endpoints(Array(policy.endpoints.keys)[...]), .classes(classes[...]),
            .rules(Array(policy.rules.keys)[...]), .header,
        ]
    }

    mutating func note(_ difference: @autoclosure () -> String) {
        if differences.count < ComparedPart.namedLimit { differences.append(difference()) }
    }
}

/// Goes through the cells of all programs, those of some address classes at a time.
struct ProgramSweep {
    var programs: ArraySlice<ProgramID>
    /// Address classes of the first of them that were compared.
    var compared = 0

    /// Goes on with the next program.
    mutating func endProgram() {
        programs = programs.dropFirst()
        compared = 0
    }
}

/// The classes of all ports, found again only if they have changed.
struct ComparedPorts {
    private var segments: [PortSegment] = []
    private(set) var classes = [0]

    mutating func update(_ policy: borrowing CompiledPolicy) {
        // Of one array with itself this takes no time.
        guard segments != policy.portSegments else { return }
        segments = policy.portSegments
        classes = Array(Set(segments.map { Int($0.portClass.rawValue) } + [0]))
    }
}

/// Goes through the addresses of a table that changes meanwhile, some at a time, without a list of them. What stays in
/// the table is met, unless the table is rehashed.
struct HostSweep {
    /// The last addresses, so that it goes on if the last one is gone.
    private var trail: [IPAddress] = []
    private var restarts = 0

    private static let trailLimit = 16
    private static let restartLimit = 3

    /// Visits the next ones.
    ///
    /// - Returns: whether some may be left.
    mutating func next(
        _ limit: Int, of hosts: [IPAddress: AddressEntry], _ visit: (IPAddress, AddressEntry) -> Void
    ) -> Bool {
        guard let start = start(in: hosts) else { return false }
        var (place, count) = (start, 0)
        while place != hosts.endIndex, count < limit {
            let (address, entry) = hosts[place]
            visit(address, entry)
            count += 1
            if count > limit - Self.trailLimit { trail.append(address) }
            place = hosts.index(after: place)
        }
        trail = trail.suffix(Self.trailLimit)
        return place != hosts.endIndex
    }

    /// Nil: it has begun again too often.
    private mutating func start(in hosts: [IPAddress: AddressEntry]) -> Dictionary<IPAddress, AddressEntry>.Index? {
        if trail.isEmpty, restarts == 0 {
            restarts = 1
            return hosts.startIndex
        }
        for address in trail.reversed() {
            if let last = hosts.index(forKey: address) { return hosts.index(after: last) }
        }
        restarts += 1
        return restarts > Self.restartLimit ? nil : hosts.startIndex
    }
}
