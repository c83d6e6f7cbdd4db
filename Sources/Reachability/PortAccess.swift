// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import NetworkTypes
import PolicyModel

/// Some ports of one protocol, or the protocols without ports as one.
public enum PortSpan: Sendable, Hashable, Comparable, CustomStringConvertible {
    case ports(ProtocolPorts)
    /// ICMP and every other protocol except TCP, UDP and SCTP: no rule distinguishes them.
    case otherProtocols

    /// "6379/TCP", "1-1023/UDP", "every SCTP port", "other protocols".
    public var description: String {
        switch self {
        case .ports(let ports): "\(ports)"
        case .otherProtocols: "other protocols"
        }
    }

    public static func < (a: Self, b: Self) -> Bool {
        switch (a, b) {
        case (.ports(let a), .ports(let b)): a < b
        case (.ports, .otherProtocols): true
        case (.otherProtocols, _): false
        }
    }

    /// What both have.
    func intersection(_ other: PortSpan) -> PortSpan? {
        switch (self, other) {
        case (.otherProtocols, .otherProtocols): return self
        case (.ports(let a), .ports(let b)):
            let first = max(a.range.first, b.range.first)
            let last = min(a.range.last, b.range.last)
            guard a.ipProtocol == b.ipProtocol, first <= last else { return nil }
            return .ports(ProtocolPorts(a.ipProtocol, PortRange(first, last)))
        default: return nil
        }
    }

    /// Every port of every protocol.
    public static let all: [PortSpan] =
        IPProtocol.withPorts.map { .ports(ProtocolPorts($0, .all)) } + [.otherProtocols]

    /// A protocol and a port that belong to it, one that people know where there is a choice.
    func example(_ family: AddressFamily) -> (ipProtocol: IPProtocol, port: UInt16?) {
        switch self {
        case .otherProtocols: return (family == .ipv4 ? .icmp : .icmpv6, nil)
        case .ports(let ports):
            let known = [80, 443, 53, 6379, 5432, 8080].first { ports.range.contains($0) }
            return (ports.ipProtocol, known ?? (ports.range == PortRange(0) ? 0 : max(ports.range.first, 1)))
        }
    }
}

/// What one side of a flow says: the policies of the pod at its source, or of the pod at its destination.
public struct SideAnswer: Sendable, Hashable {
    public var verdict: Verdict
    /// What decided.
    public var rule: RuleIdentity
    /// The rule in audit that would deny what this allows.
    public var wouldDeny: RuleIdentity?
    /// Whether no policy selects the pod for this direction.
    public var isUnselected: Bool
}

/// The verdict for some ports between two parties, with what decides on each side. A side is nil where no pod is.
public struct PortAccess: Sendable, Hashable {
    public var ports: PortSpan
    public var verdict: Verdict
    public var egress: SideAnswer?
    public var ingress: SideAnswer?
}

extension [PortAccess] {
    /// Neighboring ports with one answer become one range.
    var merged: [PortAccess] {
        var result: [PortAccess] = []
        for access in self {
            guard let last = result.last, case .ports(let before) = last.ports, case .ports(let ports) = access.ports,
                before.ipProtocol == ports.ipProtocol, Int(before.range.last) + 1 == Int(ports.range.first),
                last.verdict == access.verdict, last.egress == access.egress, last.ingress == access.ingress
            else {
                result.append(access)
                continue
            }
            result[result.count - 1].ports = .ports(
                ProtocolPorts(ports.ipProtocol, PortRange(before.range.first, ports.range.last)))
        }
        return result
    }

    /// The part that is about these ports.
    func limited(to spans: [PortSpan]) -> [PortAccess] {
        if spans == PortSpan.all { return self }
        var result: [PortAccess] = []
        for access in self {
            for span in spans {
                guard let both = access.ports.intersection(span) else { continue }
                result.append(
                    PortAccess(ports: both, verdict: access.verdict, egress: access.egress, ingress: access.ingress))
            }
        }
        return result
    }
}
