// SPDX-License-Identifier: Apache-2.0
import NetworkTypes
import PolicyModel

extension CompiledPolicy {
    /// The answer of these tables for one flow, as a packet gets it in the kernel, with the reason in words.
    public func evaluate(_ flow: Flow) -> Decision {
        let source = addresses.entry(of: flow.source)
        let destination = addresses.entry(of: flow.destination)
        if source.endpoint != .none, source.endpoint == destination.endpoint {
            return Decision(verdict: .allow, egress: nil, ingress: nil, isSelf: true)
        }
        let portClass = portClass(of: flow)
        let egress = decide(.egress, at: source.endpoint, peer: flow.destination, destination, portClass, flow)
        let ingress = decide(.ingress, at: destination.endpoint, peer: flow.source, source, portClass, flow)
        let isDenied = egress?.verdict == .deny || ingress?.verdict == .deny
        return Decision(verdict: isDenied ? .deny : .allow, egress: egress, ingress: ingress)
    }

    /// ``evaluate(_:)``'s verdict without its reasons, for many flows at once.
    public func allows(_ flow: Flow) -> Bool {
        let source = addresses.entry(of: flow.source)
        let destination = addresses.entry(of: flow.destination)
        guard source.endpoint == .none || source.endpoint != destination.endpoint else { return true }
        let portClass = portClass(of: flow)
        func allows(_ program: ProgramID?, _ peer: AddressEntry) -> Bool {
            guard let program, let matrix = programs[program] else { return true }
            return matrix.cell(peer.addressClass, portClass).verdict == .allow
        }
        return allows(endpoints[source.endpoint]?.egress, destination)
            && allows(endpoints[destination.endpoint]?.ingress, source)
    }

    /// The port class of a flow; 0 for protocols without ports.
    public func portClass(of flow: Flow) -> PortClassID {
        guard let port = flow.destinationPort, flow.ipProtocol.hasPorts else { return .none }
        let wanted = ProtocolPorts(flow.ipProtocol, PortRange(port))
        var low = 0
        var high = portSegments.count
        while low < high {
            let middle = (low + high) / 2
            let ports = portSegments[middle].ports
            let isBefore =
                ports.ipProtocol == wanted.ipProtocol ? ports.range.last < port : ports.ipProtocol < wanted.ipProtocol
            if isBefore { low = middle + 1 } else { high = middle }
        }
        return low < portSegments.count ? portSegments[low].portClass : .none
    }

    private func decide(
        _ direction: Direction, at id: EndpointID, peer: IPAddress, _ entry: AddressEntry, _ portClass: PortClassID,
        _ flow: Flow
    ) -> DirectionDecision? {
        guard id != .none, let endpoint = endpoints[id] else { return nil }
        let program = direction == .ingress ? endpoint.ingress : endpoint.egress
        guard program != .none, let matrix = programs[program] else {
            return decision(Cell(.allow, by: .noPolicy), direction, endpoint, nil, peer, entry, flow)
        }
        let cell = matrix.cell(entry.addressClass, portClass)
        return decision(cell, direction, endpoint, matrix, peer, entry, flow)
    }

    private func decision(
        _ cell: Cell, _ direction: Direction, _ endpoint: CompiledEndpoint, _ program: Program?, _ peer: IPAddress,
        _ entry: AddressEntry, _ flow: Flow
    ) -> DirectionDecision {
        let identity =
            cell.rule == .noPolicy ? .noPolicy(direction) : rules[cell.rule]?.identity ?? .noPolicy(direction)
        var reason = identity.sentence(cell.verdict, endpoint: endpoint.name)
        if cell.verdict == .deny, case .isolation = identity, let program {
            reason += "; " + nearestRule(in: program, peer: peer, entry.addressClass, flow)
        }
        return DirectionDecision(
            verdict: cell.verdict, endpoint: endpoint.name, rule: cell.rule, identity: identity, reason: reason)
    }

    /// What came nearest to allowing: a rule whose peer matches but not the port, else the other way round.
    private func nearestRule(
        in program: Program, peer: IPAddress, _ addressClass: AddressClassID, _ flow: Flow
    ) -> String {
        let memberOf = addressClasses[addressClass]?.peerSets ?? []
        var byPort: ProgramRule?
        for rule in program.rules where rule.action == .allow && isWritten(rule) {
            if rule.peers.matches(memberOf) {
                return "nearest rule: \(flow.portText) not in \(name(rule)) (\(rule.ports.text))"
            }
            if byPort == nil, rule.ports.matches(flow) { byPort = rule }
        }
        guard let byPort else { return "no rule comes near" }
        return "nearest rule: peer \(peer) not in \(name(byPort)) (\(text(byPort.peers)))"
    }

    private func isWritten(_ rule: ProgramRule) -> Bool {
        if case .rule = rules[rule.rule]?.identity { true } else { false }
    }

    private func name(_ rule: ProgramRule) -> String { rules[rule.rule]?.identity.name ?? "rule \(rule.rule.rawValue)" }

    /// The peers of a rule in words.
    public func text(_ peers: PeerMatch) -> String {
        guard case .sets(let sets) = peers else { return "every peer" }
        let texts = sets.map { peerSets[$0]?.description ?? "peer set \($0.rawValue)" }
        return texts.isEmpty ? "nobody" : texts.sorted().joined(separator: "; ")
    }
}

extension PeerMatch {
    /// Whether members of exactly these peer sets match.
    public func matches(_ memberOf: [PeerSetID]) -> Bool {
        guard case .sets(let sets) = self else { return true }
        return sets.contains { memberOf.contains($0) }
    }
}

extension PortMatch {
    public func matches(_ flow: Flow) -> Bool {
        guard case .ports(let list) = self else { return true }
        guard let port = flow.destinationPort else { return false }
        return list.contains { $0.ipProtocol == flow.ipProtocol && $0.range.contains(port) }
    }

    /// "8080/TCP, 53/UDP".
    public var text: String {
        guard case .ports(let list) = self else { return "every port" }
        return list.isEmpty ? "no port" : list.map(\.description).joined(separator: ", ")
    }
}

extension Flow {
    fileprivate var portText: String {
        destinationPort.map { "port \($0)/\(ipProtocol)" } ?? "protocol \(ipProtocol)"
    }
}

extension RuleIdentity {
    /// "shop/allow-api rule 1" or "shop/allow-api rule 1 (from web)"; people count from 1.
    public var name: String {
        switch self {
        case .rule(let policy, _, let index, let name):
            return "\(policy) rule \(index + 1)" + (name.map { " (\($0))" } ?? "")
        case .isolation(_, let policies): return policies.map(\.description).joined(separator: ", ")
        case .ownNode: return "own node"
        case .noPolicy: return "no policy"
        case .overLimit: return "over the limits"
        }
    }

    fileprivate func sentence(_ verdict: Verdict, endpoint: EndpointName) -> String {
        switch self {
        case .rule: return verdict == .allow ? "allowed by \(name)" : "denied by \(name)"
        case .isolation: return "isolated by \(name)"
        case .ownNode: return "allowed: own node"
        case .noPolicy(let direction): return "allowed: no policy selects \(endpoint) for \(direction.rawValue)"
        case .overLimit(let direction):
            return "denied: the \(direction.rawValue) policy of \(endpoint) is over the limits of the tables"
        }
    }
}
