// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import Datapath
import NetworkTypes
import PolicyModel

/// A port of a protocol; nil for protocols without ports.
typealias ProofPort = (ipProtocol: IPProtocol, port: UInt16?)

extension Prover {
    /// A question between an endpoint and a peer; nil if no packet can be one.
    func question(
        _ end: ProofEnd, _ peer: IPAddress, _ port: ProofPort, _ policy: CompiledPolicy
    ) -> KernelQuestion? {
        guard peer.isAskable, peer.family == end.address.family else { return nil }
        let entry = policy.addresses.entry(of: peer)
        guard !policy.isOwnNode(entry.addressClass) else {
            // The node's own packets are never forwarded, and those to it only if they are judged.
            guard end.direction == .egress, policy.judgesOwnNode,
                entry.addressClass.rawValue < AddressClassID.ownNodeLimit
            else { return nil }
            return KernelQuestion(flow: flow(end.address, peer, port), way: .toOwnNode)
        }
        let isEgress = end.direction == .egress
        return KernelQuestion(flow: flow(isEgress ? end.address : peer, isEgress ? peer : end.address, port))
    }

    func flow(_ source: IPAddress, _ destination: IPAddress, _ port: ProofPort) -> Flow {
        Flow(source: source, destination: destination, ipProtocol: port.ipProtocol, destinationPort: port.port)
    }

    /// An address of a class; for class 0, one that is in no table.
    mutating func member(
        of addressClass: AddressClassID, _ family: AddressFamily, _ policy: CompiledPolicy
    ) -> IPAddress? {
        if let known = members.member(of: addressClass, family, in: policy, &random) { return known }
        return addressClass == .none ? stranger(family, policy) : nil
    }

    /// An address outside of all peer sets and prefixes, if a few tries find one.
    private mutating func stranger(_ family: AddressFamily, _ policy: CompiledPolicy) -> IPAddress? {
        for _ in 0..<4 {
            let address: IPAddress =
                switch family {
                case .ipv4: IPAddress(v4: UInt32(truncatingIfNeeded: random.next()))
                case .ipv6: IPAddress(v6High: 0x2 << 60 | random.next() >> 3, low: random.next())
                }
            if address.isAskable, policy.addresses.entry(of: address) == .none { return address }
        }
        return nil
    }

    mutating func randomPeer(_ family: AddressFamily, _ policy: CompiledPolicy) -> IPAddress? {
        if random.once(in: 4) { return stranger(family, policy) }
        return members.any(family, &random) ?? stranger(family, policy)
    }

    mutating func randomPort(_ family: AddressFamily, _ policy: CompiledPolicy) -> ProofPort {
        guard !random.once(in: 8), let segment = random.pick(policy.portSegments) else { return Self.echo(family) }
        return (segment.ports.ipProtocol, port(in: segment.ports.range))
    }

    /// Protocols without ports are in the class of all ports that no rule names.
    private static func echo(_ family: AddressFamily) -> ProofPort { (family == .ipv4 ? .icmp : .icmpv6, nil) }

    mutating func port(in ports: ProtocolPorts, _ family: AddressFamily, _ policy: CompiledPolicy) -> ProofPort {
        let port = port(in: ports.range)
        let flow = Flow(
            source: IPAddress(v4: 0), destination: IPAddress(v4: 0), ipProtocol: ports.ipProtocol, destinationPort: port
        )
        if random.once(in: 8), policy.portClass(of: flow) == .none { return Self.echo(family) }
        return (ports.ipProtocol, port)
    }

    /// The ends of a range, or one within.
    private mutating func port(in range: PortRange) -> UInt16 {
        switch random.below(3) {
        case 0: range.first
        case 1: range.last
        default: range.first + UInt16(random.below(Int(range.last - range.first) + 1))
        }
    }

    /// A port at which the program tells the class from any other address, if a few tries find one.
    mutating func port(
        telling addressClass: AddressClassID, by program: Program?, _ family: AddressFamily, _ policy: CompiledPolicy
    ) -> ProofPort {
        var port = randomPort(family, policy)
        // A wrong class may differ where the right one is like any other.
        guard let program, !random.once(in: 3) else { return port }
        for _ in 0..<6 {
            let flow = flow(IPAddress(v4: 0), IPAddress(v4: 0), port)
            let column = policy.portClass(of: flow)
            if program.cell(addressClass, column) != program.cell(.none, column) { break }
            port = randomPort(family, policy)
        }
        return port
    }

    mutating func randomEnd(_ policy: CompiledPolicy) -> ProofEnd? {
        guard let id = random.pick(endpoints) else { return nil }
        return end(id, random.once(in: 2) ? .ingress : .egress, nil, policy)
    }

    /// An end with a program in which the entry's class is not like any other address, if a few tries find one.
    mutating func end(telling entry: AddressEntry, _ family: AddressFamily, _ policy: CompiledPolicy) -> ProofEnd? {
        // A wrong class may differ where the right one is like any other.
        let takesAny = random.once(in: 3)
        var found: ProofEnd?
        for _ in 0..<12 {
            guard let id = random.pick(endpoints), id != entry.endpoint,
                let end = end(id, random.once(in: 2) ? .ingress : .egress, family, policy)
            else { continue }
            if found == nil || end.program != nil { found = end }
            guard let program = end.program else { continue }
            if takesAny || program.rows[Int(entry.addressClass.rawValue)] != program.rows[0] { break }
        }
        return found
    }

    /// An endpoint as one end, by any of its addresses.
    mutating func end(
        _ id: EndpointID, _ direction: Direction, _ family: AddressFamily?, _ policy: CompiledPolicy
    ) -> ProofEnd? {
        guard let endpoint = policy.endpoints[id], !endpoint.addresses.isEmpty else { return nil }
        let first = random.below(endpoint.addresses.count)
        for step in endpoint.addresses.indices {
            let address = endpoint.addresses[(first + step) % endpoint.addresses.count]
            guard address.isAskable, family == nil || address.family == family,
                policy.addresses.entry(of: address).endpoint == id
            else { continue }
            let program = policy.programs[direction == .ingress ? endpoint.ingress : endpoint.egress]
            return ProofEnd(id: id, address: address, direction: direction, program: program)
        }
        return nil
    }
}

extension CompiledPolicy {
    /// Whether addresses of a class are the own node's.
    func isOwnNode(_ addressClass: AddressClassID) -> Bool {
        guard addressClass != .none else { return false }
        if addressClass.rawValue < AddressClassID.ownNodeLimit { return true }
        return addressClasses[addressClass]?.peerSets.contains { peerSets[$0]?.isOwnNode ?? false } ?? false
    }
}
