// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import Datapath
import NetworkTypes
import PolicyModel

/// What the kernel must answer to a question, by the tables as this process has compiled them.
public struct ExpectedAnswer: Sendable, Hashable {
    /// What one direction decides.
    public struct Side: Sendable, Hashable {
        public var verdict: Verdict
        /// The rule that the cell names.
        public var rule: RuleID
        /// Whether the rule is one in audit that would deny.
        public var wouldDeny: Bool

        fileprivate init(_ cell: Cell) {
            verdict = cell.verdict
            rule = cell.rule
            wouldDeny = cell.wouldDeny
        }
    }

    public var verdict: Verdict
    /// Nil: no endpoint of this node, or a way that is not judged in this direction.
    public var egress: Side?
    public var ingress: Side?
    /// Whether the kernel names rules for this way at all. It does not for packets that are allowed before any policy.
    public var namesRules: Bool
}

extension CompiledPolicy {
    /// What the kernel must answer. The same as ``evaluate(_:throughService:request:)`` without its reasons, which cost
    /// more than the answer itself.
    public func expected(_ question: KernelQuestion) -> ExpectedAnswer {
        let flow = question.flow
        let source = addresses.entry(of: flow.source)
        let destination = addresses.entry(of: flow.destination)
        switch question.way {
        case .forwarded:
            guard source.endpoint == .none || source.endpoint != destination.endpoint else {
                return ExpectedAnswer(verdict: .allow, namesRules: false)
            }
            let port = portClass(of: flow)
            return ExpectedAnswer(
                egress: side(endpoints[source.endpoint]?.egress, destination.addressClass, port),
                ingress: side(endpoints[destination.endpoint]?.ingress, source.addressClass, port))
        case .toOwnNode:
            guard judgesOwnNode else { return ExpectedAnswer(verdict: .allow, namesRules: false) }
            let egress = endpoints[source.endpoint]?.egress
            let peer = classAtOwnNode(of: flow, egress ?? .none)
            return ExpectedAnswer(egress: side(egress, peer, portClass(of: flow)), ingress: nil)
        case .fromOwnNode:
            // Only answers to an endpoint's own packets are judged on their way out.
            return ExpectedAnswer(verdict: .allow, namesRules: false)
        }
    }

    /// Nil: the address belongs to no endpoint. A program that does not exist allows, as in the kernel.
    private func side(_ program: ProgramID?, _ peer: AddressClassID, _ port: PortClassID) -> ExpectedAnswer.Side? {
        guard let program else { return nil }
        guard let matrix = programs[program] else { return .init(Cell(.allow, by: .noPolicy)) }
        return .init(matrix.cell(peer, port))
    }
}

extension ExpectedAnswer {
    fileprivate init(verdict: Verdict, namesRules: Bool) {
        self.verdict = verdict
        self.namesRules = namesRules
    }

    fileprivate init(egress: Side?, ingress: Side?) {
        self.init(verdict: .both(egress?.verdict, ingress?.verdict), namesRules: true)
        self.egress = egress
        self.ingress = ingress
    }

    subscript(_ direction: Direction) -> Side? { direction == .egress ? egress : ingress }
}

/// How an answer of the kernel differs from what it must be.
public enum Mismatch: Sendable, Hashable {
    /// The verdict is another one.
    case verdict
    /// The verdict is the same and another rule gave it.
    case rule(Direction)
    /// Dropped before any rule decided.
    case cause(DropEvent.Cause)
}

extension ExpectedAnswer {
    /// What is wrong with an answer; nil if nothing is.
    ///
    /// - Parameter tunnels: packets that the datapath drops as tunnel packets, whatever the tables say.
    public func mismatch(
        _ answer: KernelAnswer, to question: KernelQuestion, tunnels: TunnelGuard = TunnelGuard()
    ) -> Mismatch? {
        if let cause = answer.cause {
            switch cause {
            case .rule, .audit, .handOver: break
            case .tunnel where tunnels.mayCatch(question.flow): return nil
            default: return .cause(cause)
            }
        }
        if answer.verdict != verdict { return .verdict }
        guard namesRules else { return nil }
        for direction in [Direction.egress, .ingress] where !agrees(answer, direction) { return .rule(direction) }
        return nil
    }

    private func agrees(_ answer: KernelAnswer, _ direction: Direction) -> Bool {
        let rule = answer.rules[direction]
        let audited = answer.wouldDeny[direction]
        guard let side = self[direction] else { return rule ?? .noPolicy == .noPolicy && audited == nil }
        if rule == nil, audited == nil {
            let other: Direction = direction == .egress ? .ingress : .egress
            return (side.rule == .noPolicy && !side.wouldDeny) || self[other]?.verdict == .deny
        }
        // The kernel's cell names the rule in audit alone, not the one that allows.
        return side.wouldDeny ? audited == side.rule : audited == nil && rule == side.rule
    }
}

extension TunnelGuard {
    /// Whether an endpoint's packet of this flow may be one that the guard drops.
    func mayCatch(_ flow: Flow) -> Bool {
        protocols.contains(flow.ipProtocol.rawValue)
            || (flow.ipProtocol == .udp && flow.destinationPort.map(udpPorts.contains) ?? false)
    }
}
