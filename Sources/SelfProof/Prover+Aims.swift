// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import Datapath
import NetworkTypes
import PolicyModel

/// One end of a question on this node, and the direction that it is about.
struct ProofEnd {
    var id: EndpointID
    var address: IPAddress
    var direction: Direction
    var program: Program?
}

extension Prover {
    /// The next cell of the round over all programs.
    mutating func cellQuestion(_ policy: CompiledPolicy) -> KernelQuestion? {
        // A cell that no packet reaches costs a step, so that a program of many such cells cannot hold up a turn.
        for _ in 0..<32 {
            guard preparePlan(policy), let cell = plan?.next else { return nil }
            plan?.next += 1
            if let question = question(ofCell: cell, policy) { return question }
        }
        return nil
    }

    /// A cell whose rule has counted packets lately.
    mutating func busyQuestion(_ policy: CompiledPolicy) -> KernelQuestion? {
        guard let cell = plan?.takeBusy(), plan?.isCurrent(in: policy) ?? false else { return nil }
        return question(ofCell: cell, policy)
    }

    /// Makes sure that there is a plan with a cell left; begins the next program or round otherwise.
    private mutating func preparePlan(_ policy: CompiledPolicy) -> Bool {
        if let old = plan, !old.isCurrent(in: policy) {
            plan = ProgramPlan(old.id, of: policy, members, busyRules: busyRules, &random)
            // Where it was, so that a program that changes all the time cannot hold up the others.
            plan?.next = old.next
        }
        for _ in 0..<4 where plan.map({ $0.next >= $0.cellCount }) ?? true {
            if programs.isEmpty {
                if plan != nil { rounds += 1 }
                programs = policy.programs.keys.sorted(by: >)
            }
            guard let next = programs.popLast() else { return false }
            plan = ProgramPlan(next, of: policy, members, busyRules: busyRules, &random)
        }
        return plan.map { $0.next < $0.cellCount } ?? false
    }

    /// Asked by a class of its row that shows the cell: the other end's policy does not deny the packet before.
    private mutating func question(ofCell cell: Int, _ policy: CompiledPolicy) -> KernelQuestion? {
        guard let plan, let aim = plan.aim(at: cell), let id = random.pick(plan.endpoints),
            let endpoint = policy.endpoints[id]
        else { return nil }
        var hidden: KernelQuestion?
        let count = endpoint.addresses.count
        let first = random.below(max(count, 1))
        for step in 0..<count {
            let own = endpoint.addresses[(first + step) % count]
            guard own.isAskable, policy.addresses.entry(of: own).endpoint == id else { continue }
            let end = ProofEnd(id: id, address: own, direction: plan.direction)
            for addressClass in aim.classes + aim.classes {
                // What an endpoint sends to itself is not judged.
                guard let peer = member(of: addressClass, own.family, policy),
                    policy.addresses.entry(of: peer).endpoint != id,
                    let question = question(end, peer, port(in: aim.ports, own.family, policy), policy)
                else { continue }
                guard plan.direction == .ingress, policy.expected(question).egress?.verdict == .deny else {
                    return question
                }
                hidden = question
            }
        }
        return hidden
    }

    /// The next address of the sweep, or corner of a prefix, asked by a program that tells its class from others.
    mutating func addressQuestion(_ policy: CompiledPolicy) -> KernelQuestion? {
        guard let address = nextAddress(policy), address.isAskable else { return nil }
        let entry = policy.addresses.entry(of: address)
        note(address, entry)
        guard let end = end(telling: entry, address.family, policy) else { return nil }
        return question(
            end, address, port(telling: entry.addressClass, by: end.program, address.family, policy), policy)
    }

    /// Prefixes are few and have many ends; single addresses are many.
    private mutating func nextAddress(_ policy: CompiledPolicy) -> IPAddress? {
        if policy.addresses.hosts.isEmpty || random.once(in: 3) {
            if corner == nil || corner?.number == 5 || corner.map({ policy.addresses[$0.prefix] == nil }) ?? true {
                corner = prefixes.next(in: policy.addresses.prefixes).map { ($0, 0) }
            }
            if let (prefix, number) = corner {
                corner?.number += 1
                return prefix.corner(number, &random)
            }
        }
        guard let address = hosts.next(in: policy.addresses.hosts) else { return nil }
        return random.once(in: 8) ? address.neighbor(random.once(in: 2) ? 1 : -1) : address
    }

    /// One end of the next run of ports, asked by a program that distinguishes the two.
    mutating func portQuestion(_ policy: CompiledPolicy) -> KernelQuestion? {
        guard !policy.portSegments.isEmpty else { return nil }
        let place = portTurn / 2 % policy.portSegments.count
        let isFirst = portTurn % 2 == 0
        portTurn += 1
        let segment = policy.portSegments[place]
        let beside = policy.portSegments[
            (place + (isFirst ? policy.portSegments.count - 1 : 1)) % policy.portSegments.count]
        let range = segment.ports.range
        let port = (segment.ports.ipProtocol, isFirst ? range.first : range.last)
        var found: KernelQuestion?
        for _ in 0..<12 {
            guard let end = randomEnd(policy), let peer = randomPeer(end.address.family, policy),
                let question = question(end, peer, port, policy)
            else { continue }
            found = question
            guard let program = end.program else { continue }
            let entry = policy.addresses.entry(of: peer)
            if program.cell(entry.addressClass, segment.portClass) != program.cell(entry.addressClass, beside.portClass)
            {
                break
            }
        }
        return found
    }

    /// The next endpoint and direction, asked about a peer whose cell is not the one of any other address.
    mutating func endpointQuestion(_ policy: CompiledPolicy) -> KernelQuestion? {
        let id = endpoints[endpointTurn / 2 % endpoints.count]
        let direction: Direction = endpointTurn % 2 == 0 ? .ingress : .egress
        endpointTurn += 1
        guard let end = end(id, direction, nil, policy) else { return nil }
        var found: KernelQuestion?
        for _ in 0..<4 {
            guard let peer = randomPeer(end.address.family, policy) else { continue }
            let port = randomPort(end.address.family, policy)
            found = question(end, peer, port, policy) ?? found
            guard let program = end.program, found != nil else { continue }
            if program.rows[Int(policy.addresses.entry(of: peer).addressClass.rawValue)] != program.rows[0] { break }
        }
        return found
    }

    /// An endpoint and its node, in both ways by turns.
    mutating func ownNodeQuestion(_ policy: CompiledPolicy) -> KernelQuestion? {
        let id = endpoints[ownNodeTurn / 2 % endpoints.count]
        let isTo = ownNodeTurn % 2 == 0
        ownNodeTurn += 1
        guard let end = end(id, isTo ? .egress : .ingress, nil, policy) else { return nil }
        for number in 1..<UInt32(8) {
            guard
                let node = members.member(
                    of: AddressClassID(rawValue: number), end.address.family, in: policy, &random)
            else { continue }
            let port = randomPort(end.address.family, policy)
            guard isTo else { return KernelQuestion(flow: flow(node, end.address, port), way: .fromOwnNode) }
            return KernelQuestion(flow: flow(end.address, node, port), way: .toOwnNode)
        }
        return nil
    }

    /// The flow of a real packet.
    mutating func recentQuestion(_ policy: CompiledPolicy) -> KernelQuestion? {
        guard !recent.isEmpty else { return nil }
        let flow = recent.removeFirst()
        let (source, destination) = (
            policy.addresses.entry(of: flow.source), policy.addresses.entry(of: flow.destination)
        )
        guard !policy.isOwnNode(source.addressClass) else { return nil }
        guard policy.isOwnNode(destination.addressClass) else { return KernelQuestion(flow: flow) }
        guard policy.judgesOwnNode, destination.addressClass.rawValue < AddressClassID.ownNodeLimit else { return nil }
        return KernelQuestion(flow: flow, way: .toOwnNode)
    }

    mutating func randomQuestion(_ policy: CompiledPolicy) -> KernelQuestion? {
        guard let end = randomEnd(policy), let peer = randomPeer(end.address.family, policy) else { return nil }
        return question(end, peer, randomPort(end.address.family, policy), policy)
    }
}
