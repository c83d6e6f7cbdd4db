// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import Explanations
import NetworkTypes
import PolicyModel

/// A statement about all flows between two ends.
public struct ReachClaim: Sendable, Hashable, CustomStringConvertible {
    /// What must hold of every flow.
    public enum Kind: String, Sendable, Hashable {
        /// Denied, whatever request it carries.
        case deny
        /// Allowed, whatever request it carries.
        case allow
    }
    public var kind: Kind
    public var from: ReachEnd
    public var to: ReachEnd
    /// The ports that it is about.
    public var ports: [PortSpan]

    public init(_ kind: Kind, from: ReachEnd, to: ReachEnd, ports: [PortSpan] = PortSpan.all) {
        self.kind = kind
        self.from = from
        self.to = to
        self.ports = ports
    }

    /// "deny shop/web to 169.254.169.254 80/TCP".
    public var description: String {
        let spans = PortSpan.normalized(ports)
        let text = spans == PortSpan.all ? "" : " " + spans.map(\.description).joined(separator: ", ")
        return "\(kind.rawValue) \(from) to \(to)\(text)"
    }
}

/// What became of a claim.
public enum ReachProof: Sendable, Hashable {
    /// It holds for every address, port and protocol.
    case proven
    /// It does not: this flow is one of those for which it is wrong.
    case counterexample(ReachFlow)
    /// No flow that policy judges is between the two ends: the claim says nothing.
    case empty
}

/// One flow and its verdict, with the ends' names.
public struct ReachFlow: Sendable, Hashable {
    public var flow: Flow
    /// Nil: no pod has the address.
    public var from: EndpointName?
    public var to: EndpointName?
    public var verdict: Verdict
    /// Nil: no pod's policies decide there.
    public var egress: SideAnswer?
    public var ingress: SideAnswer?

    /// What decides, as a sentence for each side that decides; first the side that denies.
    public var reasons: [String] {
        var sides: [(answer: SideAnswer, text: String)] = []
        if let egress, let from { sides.append((egress, "egress of \(from): \(egress.reason(at: from))")) }
        if let ingress, let to { sides.append((ingress, "ingress of \(to): \(ingress.reason(at: to))")) }
        return (sides.filter { $0.answer.verdict != .allow } + sides.filter { $0.answer.verdict == .allow }).map(\.text)
    }
}

extension SideAnswer {
    /// One sentence for a person.
    public func reason(at endpoint: EndpointName) -> String {
        DirectionDecision(
            verdict: verdict, endpoint: endpoint, rule: .noPolicy, identity: rule, why: why, wouldDeny: wouldDeny
        ).reason
    }

    private var why: DecisionReason {
        if verdict == .dependsOnRequest { return .dependsOnRequest(on: [rule]) }
        switch rule {
        case .rule, .report: return .rule
        case .isolation: return .isolation(nearest: nil)
        case .ownNode: return .ownNode
        case .failsafe: return .failsafe
        case .noPolicy: return isUnselected ? .notSelected : .noMatch
        case .overLimit: return .overLimit
        }
    }
}

extension ReachabilityMap {
    /// Whether a claim holds for every flow between its ends. Not part of it: a pod and itself, and a pod's own node
    /// as the source, which no policy can keep out.
    public mutating func prove(_ claim: ReachClaim) throws(ReachabilityError) -> ReachProof {
        let spans = PortSpan.normalized(claim.ports)
        let sources = try units(of: claim.from, byParty: false)
        let destinations = try units(of: claim.to, byParty: false)
        var wrong: [Int: PortAccess?] = [:]
        var isEmpty = true
        for from in sources {
            for to in destinations where from.key.family == to.key.family {
                for meeting in ReachUnit.meetings(from, to) where !meeting.isFromOwnNode {
                    isEmpty = false
                    let number = try access(Pair(from, to, meeting))
                    let answer: PortAccess?
                    if let old = wrong[number] {
                        answer = old
                    } else {
                        answer = accesses[number].limited(to: spans).first { $0.verdict != claim.kind.verdict }
                        wrong[number] = answer
                    }
                    if let answer { return .counterexample(flow(meeting, answer)) }
                }
            }
        }
        return isEmpty ? .empty : .proven
    }

    /// One of the flows of an answer.
    func flow(_ meeting: ReachMeeting, _ access: PortAccess) -> ReachFlow {
        let (ipProtocol, port) = access.ports.example(meeting.source.address.family)
        func name(_ member: ReachUnit.Member) -> EndpointName? {
            member.pod < 0 ? nil : pods[Int(member.pod)].endpointName
        }
        return ReachFlow(
            flow: Flow(
                source: meeting.source.address, destination: meeting.destination.address, ipProtocol: ipProtocol,
                destinationPort: port),
            from: name(meeting.source), to: name(meeting.destination), verdict: access.verdict, egress: access.egress,
            ingress: access.ingress)
    }
}

extension ReachClaim.Kind {
    fileprivate var verdict: Verdict { self == .deny ? .deny : .allow }
}

extension PortSpan {
    /// The same ports, sorted, each in one span.
    public static func normalized(_ spans: [PortSpan]) -> [PortSpan] {
        var result: [PortSpan] = []
        for span in spans.sorted() {
            switch (result.last, span) {
            case (.otherProtocols?, .otherProtocols): continue
            case (.ports(let last)?, .ports(let next))
            where last.ipProtocol == next.ipProtocol && Int(next.range.first) <= Int(last.range.last) + 1:
                let end = max(last.range.last, next.range.last)
                result[result.count - 1] = .ports(
                    ProtocolPorts(last.ipProtocol, PortRange(last.range.first, end)))
            default: result.append(span)
            }
        }
        return result
    }
}
