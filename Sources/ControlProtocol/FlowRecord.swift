// SPDX-License-Identifier: Apache-2.0

/// One line of `GET /v1/events`: a dropped packet, a packet that a policy in audit would deny, a request that the
/// node's proxy denied or would deny, a notice, or lost records.
public struct FlowRecord: Codable, Sendable, Hashable {
    public enum Kind: String, Codable, Sendable, CaseIterable {
        /// A packet was dropped; `drop` says which and why.
        case drop
        /// A packet passed that a policy in audit would deny; `audit` says which and why.
        case audit
        /// The node's proxy denied a request, or would with the policies in audit enforced; `request` says which and why.
        case request
        /// `lost` records were not sent to this follower, because it read too slowly.
        case lost
        /// About no packet: `notice` says what a person who follows has to know, such as that the daemon stops.
        case notice
    }
    public var kind: Kind
    /// When the packet was judged (RFC 3339, UTC, milliseconds).
    public var time: String
    public var drop: DroppedPacket?
    public var audit: DroppedPacket?
    public var request: JudgedRequest?
    public var lost: UInt64?
    public var notice: String?

    public init(
        kind: Kind, time: String, drop: DroppedPacket? = nil, audit: DroppedPacket? = nil,
        request: JudgedRequest? = nil, lost: UInt64? = nil, notice: String? = nil
    ) {
        self.kind = kind
        self.time = time
        self.drop = drop
        self.audit = audit
        self.request = request
        self.lost = lost
        self.notice = notice
    }
}

/// A packet that was dropped, or that policy in audit would have dropped.
public struct DroppedPacket: Codable, Sendable, Hashable {
    public enum Cause: String, Codable, Sendable, CaseIterable {
        /// Policy: `rule` decided.
        case rule
        /// Source address not the pod's own.
        case spoofed
        /// Transport header not found and the pod isolated in that direction.
        case unparsable
        /// Tables that contradicted themselves.
        case inconsistent
        /// Not stopped: `rule`, which is in audit, would deny it.
        case audit
        /// A tunnel packet from a pod to a node.
        case tunnel
        /// A source-routed packet from a pod.
        case sourceRouted
        /// An ICMP redirect from a pod, or an ICMP error from a pod about a flow of others.
        case unrelatedError
        /// The IP header cannot be read; the addresses are not known.
        case malformed
        /// `rule` leaves the flow to the node's request proxy, which did not carry it.
        case handOver
    }
    public var cause: Cause
    /// `egress` of the source pod or `ingress` of the destination pod.
    public var direction: String
    public var source: EventEnd
    public var destination: EventEnd
    /// `TCP`, `UDP`, …, or the number.
    public var `protocol`: String
    /// What an ICMP message says; nil for other protocols, and where it is not known.
    public var icmp: ICMPAnswer?
    /// The pod whose policy decided, as `namespace/name`.
    public var endpoint: String?
    /// What decided, for the causes `rule` and `audit`.
    public var rule: RuleAnswer?
    /// One sentence for a person.
    public var reason: String
    /// Interface by which the packet came in: its index, and its name while known.
    public var interface: InterfaceAnswer?

    public init(
        cause: Cause, direction: String, source: EventEnd, destination: EventEnd, protocol: String,
        icmp: ICMPAnswer? = nil, endpoint: String?, rule: RuleAnswer?, reason: String, interface: InterfaceAnswer?
    ) {
        self.icmp = icmp
        self.cause = cause
        self.direction = direction
        self.source = source
        self.destination = destination
        self.protocol = `protocol`
        self.endpoint = endpoint
        self.rule = rule
        self.reason = reason
        self.interface = interface
    }
}

/// Type and code of an ICMP or ICMPv6 message.
public struct ICMPAnswer: Codable, Sendable, Hashable {
    public var type: Int
    public var code: Int
    public init(type: Int, code: Int) {
        self.type = type
        self.code = code
    }
}

/// An HTTP request that the node's proxy denied, or that policy in audit would have denied.
public struct JudgedRequest: Codable, Sendable, Hashable {
    /// `deny`, `refuse` (before any rule decided) or `wouldDeny`.
    public var verdict: String
    public var source: EventEnd
    public var destination: EventEnd
    public var method: String
    public var host: String
    /// Without the query.
    public var path: String
    /// What decided; nil for a refused one.
    public var rule: RuleAnswer?
    /// One sentence for a person.
    public var reason: String

    public init(
        verdict: String, source: EventEnd, destination: EventEnd, method: String, host: String, path: String,
        rule: RuleAnswer?, reason: String
    ) {
        self.verdict = verdict
        self.source = source
        self.destination = destination
        self.method = method
        self.host = host
        self.path = path
        self.rule = rule
        self.reason = reason
    }
}

/// One end of a flow.
public struct EventEnd: Codable, Sendable, Hashable {
    public var address: String
    /// Nil for protocols without ports.
    public var port: Int?
    /// The pod of this address, as `namespace/name`, if known.
    public var pod: String?
    public init(address: String, port: Int?, pod: String?) {
        self.address = address
        self.port = port
        self.pod = pod
    }
}

extension EventEnd: CustomStringConvertible {
    /// `shop/web (10.0.0.1:80)`, `[2001:db8::1]:80`, …
    public var description: String {
        let place = port.map { address.contains(":") ? "[\(address)]:\($0)" : "\(address):\($0)" } ?? address
        return pod.map { "\($0) (\(place))" } ?? place
    }
}
