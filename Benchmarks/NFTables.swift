// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import Datapath
import DatapathNFTables
import Glibc
import NetworkKit
import NetworkTypes
import PolicyModel

/// What the nftables datapath takes to load a set and to change one member, beside `nft` with the same table.
func benchNFTables() throws {
    NetNamespace.sweep()
    let namespace = NetNamespace(name: "\(NetNamespace.prefix)\(getpid())-bench-nft")
    try NetProcess.run(["ip", "netns", "add", namespace.name])
    defer { namespace.remove() }
    try namespace.run {
        for family in AddressFamily.allCases {
            for count in [10_000, 100_000] { try NFTablesBench.load(family, count) }
        }
        try NFTablesBench.changeMembers(100_000)
        try NFTablesBench.changePrograms()
    }
}

enum NFTablesBench {
    /// Milliseconds that `body` takes.
    static func milliseconds(_ body: () throws -> Void) rethrows -> Double {
        let start = NetClock.now
        try body()
        return Double(NetClock.now - start) / 1e6
    }

    static func text(_ milliseconds: Double) -> String { "\((milliseconds * 1000).rounded() / 1000)" }

    static func load(_ family: AddressFamily, _ count: Int) throws {
        let policy = NFTablesPolicy.withMembers(count, family)
        var step = CompiledDelta()
        step.addedPrograms = policy.programs.keys.sorted()
        let language = PolicyTables(policy).contents.description
        var ours = Double.infinity
        var start = Double.infinity
        for _ in 0..<3 {
            try NFTablesDatapath.uninstall()
            var datapath = NFTablesDatapath()
            _ = try datapath.open()
            _ = try datapath.resync(CompiledPolicy())
            ours = min(ours, try milliseconds { _ = try datapath.program(step, of: policy) })
        }
        for _ in 0..<3 {
            try NFTablesDatapath.uninstall()
            start = min(
                start,
                try milliseconds {
                    var datapath = NFTablesDatapath()
                    _ = try datapath.open()
                    _ = try datapath.resync(policy)
                })
        }
        var nft = Double.infinity
        for _ in 0..<3 {
            try NFTablesDatapath.uninstall()
            nft = min(nft, try milliseconds { try NetProcess.run(["nft", "-f", "-"], input: language) })
        }
        try NFTablesDatapath.uninstall()
        print(
            "load \(count) \(family) members: \(text(ours)) ms; nft -f \(text(nft)) ms (\(text(nft / ours)) times);",
            "whole start with the check of established flows \(text(start)) ms")
    }

    static func changeMembers(_ count: Int) throws {
        var policy = NFTablesPolicy.withMembers(count, .ipv4)
        var datapath = NFTablesDatapath()
        _ = try datapath.open()
        _ = try datapath.resync(policy)
        var added: [Double] = []
        var removed: [Double] = []
        for number in 0..<1000 {
            let prefix = CIDR(host: NFTablesPolicy.member(count + number, .ipv4))
            for isAdded in [true, false] {
                var delta = CompiledDelta()
                let entry = isAdded ? AddressEntry(addressClass: NFTablesPolicy.members) : nil
                delta.addresses = [AddressChange(prefix, entry)]
                policy.addresses[prefix] = entry
                let time = try milliseconds { _ = try datapath.program(delta, of: policy) }
                if isAdded { added.append(time) } else { removed.append(time) }
            }
        }
        added.sort()
        removed.sort()
        print("one member more at \(count): median \(text(added[500])) ms, 99th percentile \(text(added[990])) ms")
        print("one member less: median \(text(removed[500])) ms, 99th percentile \(text(removed[990])) ms")
        let set = PolicyTables(policy).contents.sets.values.first { $0.members.count == count }!.shape.name
        let element = NFTablesPolicy.member(count, .ipv4)
        let nft = try milliseconds {
            try NetProcess.run(["nft", "add", "element", "inet", "bulkhead", set, "{ \(element) }"])
        }
        print("nft add element: \(text(nft)) ms")
        try NFTablesDatapath.uninstall()
    }

    static func changePrograms() throws {
        let policy = NFTablesPolicy.withPrograms(100, rules: 50)
        var datapath = NFTablesDatapath()
        _ = try datapath.open()
        let load = try milliseconds { _ = try datapath.resync(policy) }
        let compare = try milliseconds { _ = try datapath.resync(policy) }
        print("100 pods with 100 programs a direction of 50 rules: load \(text(load)) ms, compare \(text(compare)) ms")
        let addresses = policy.endpoints.values.flatMap(\.addresses).sorted()
        let questions = addresses.map { address in
            KernelQuestion(
                flow: Flow(source: addresses[0], destination: address, ipProtocol: .tcp, destinationPort: 443))
        }
        try benchQuestions(&datapath, questions.filter { $0.flow.destination.family == addresses[0].family })
        var changed = policy
        var times: [Double] = []
        for number in 0..<100 {
            let id = EndpointID(rawValue: UInt16(number % 100 + 1))
            changed.endpoints[id]!.ingress = ProgramID(rawValue: UInt32((number + 1) % 100 + 1))
            var delta = CompiledDelta()
            delta.changedEndpoints = [id]
            times.append(try milliseconds { _ = try datapath.program(delta, of: changed) })
        }
        times.sort()
        print("one pod to another program: median \(text(times[50])) ms, 99th percentile \(text(times[98])) ms")
        try NFTablesDatapath.uninstall()
    }
}

/// Policies of a given size, made by hand: the compiler's work is measured elsewhere.
enum NFTablesPolicy {
    static let members = AddressClassID(rawValue: 1)

    static func member(_ number: Int, _ family: AddressFamily) -> IPAddress {
        family == .ipv4
            ? IPAddress(v4: 0x0a00_0000 + UInt32(number) * 7)
            : IPAddress(v6High: 0xfd00_0010_0244_0000 + UInt64(number / 200), low: UInt64(number))
    }

    private static func base() -> CompiledPolicy {
        var policy = CompiledPolicy()
        policy.peerSets[PeerSetID(rawValue: 1)] = PeerSetDescription(description: "pods tier=backend")
        policy.addressClasses[.none] = AddressClass(key: StableKey(high: 0, low: 0), peerSets: [])
        policy.addressClasses[members] = AddressClass(
            key: StableKey(high: 0, low: 1), peerSets: [PeerSetID(rawValue: 1)])
        return policy
    }

    private static func add(
        _ id: UInt32, _ direction: Direction, _ rules: [(PeerMatch, PortMatch)], to policy: inout CompiledPolicy
    ) {
        let reference = PolicyReference(kind: "NetworkPolicy", namespace: "shop", name: "policy-\(id)")
        func rule(_ number: Int, _ identity: RuleIdentity) -> RuleID {
            let raw = id * 1000 + UInt32(number)
            policy.rules[RuleID(rawValue: raw)] = CompiledRule(
                key: StableKey(high: 1, low: UInt64(raw)), identity: identity)
            return RuleID(rawValue: raw)
        }
        let program = rules.enumerated().map { number, match in
            ProgramRule(
                rule: rule(number, .rule(reference, direction, index: number, name: nil)), tier: .networkPolicy,
                action: .allow, peers: match.0, ports: match.1)
        }
        let deny = rule(rules.count, .isolation(direction, by: [reference]))
        policy.programs[ProgramID(rawValue: id)] = Program(
            key: StableKey(high: 2 + UInt64(id) << 40, low: UInt64(id)), direction: direction, rules: program,
            rows: [0, 1], columns: [0], columnCount: 1,
            cells: [Cell(.deny, by: deny), Cell(.allow, by: program[0].rule)])
    }

    /// One pod, one rule, a peer set of this size.
    static func withMembers(_ count: Int, _ family: AddressFamily) -> CompiledPolicy {
        var policy = base()
        add(1, .ingress, [(.sets([PeerSetID(rawValue: 1)]), .any)], to: &policy)
        for number in 0..<count {
            policy.addresses[CIDR(host: member(number, family))] = AddressEntry(addressClass: members)
        }
        return policy
    }

    /// Pods with programs of their own in both directions.
    static func withPrograms(_ count: Int, rules: Int) -> CompiledPolicy {
        var policy = base()
        let matches: [(PeerMatch, PortMatch)] = (0..<rules).map { number in
            let port = ProtocolPorts(.tcp, PortRange(UInt16(1000 + number)))
            return (.sets([PeerSetID(rawValue: 1)]), .ports([port]))
        }
        for number in 1...count {
            add(UInt32(number), .ingress, matches, to: &policy)
            add(UInt32(count + number), .egress, matches, to: &policy)
            let address = IPAddress(v4: 0x0a64_0000 + UInt32(number))
            let id = EndpointID(rawValue: UInt16(number))
            policy.addresses[CIDR(host: address)] = AddressEntry(addressClass: .none, endpoint: id)
            policy.endpoints[id] = CompiledEndpoint(
                key: StableKey(high: 3, low: UInt64(number)),
                name: EndpointName(namespace: "shop", name: "pod-\(number)"), addresses: [address],
                ingress: ProgramID(rawValue: UInt32(number)), egress: ProgramID(rawValue: UInt32(count + number)))
        }
        return policy
    }
}
