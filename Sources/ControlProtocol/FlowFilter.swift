// SPDX-License-Identifier: Apache-2.0
import Documents
import NetworkTypes
import PolicyModel

/// What a filter asks of a record, whatever its form.
public struct FlowFacts: Sendable, Hashable {
    /// One end of the flow.
    public struct End: Sendable, Hashable {
        /// Nil if it cannot be read.
        public var address: IPAddress?
        /// The pod, as `namespace/name`; nil if there was none at that time.
        public var pod: String?
        public init(address: IPAddress?, pod: String?) {
            self.address = address
            self.pod = pod
        }
    }
    public var kind: FlowKind
    /// Nanoseconds since 1970.
    public var time: Int64
    public var verdict: FlowVerdict
    /// The cause of a drop (`DroppedPacket.Cause`), `new` or `request`.
    public var reason: String
    public var source: End
    public var destination: End
    public var destinationPort: UInt16?
    public var ipProtocol: IPProtocol
    /// The policies that decided.
    public var policies: [PolicyReference]

    public init(
        kind: FlowKind, time: Int64, verdict: FlowVerdict, reason: String, source: End, destination: End,
        destinationPort: UInt16?, ipProtocol: IPProtocol, policies: [PolicyReference]
    ) {
        self.kind = kind
        self.time = time
        self.verdict = verdict
        self.reason = reason
        self.source = source
        self.destination = destination
        self.destinationPort = destinationPort
        self.ipProtocol = ipProtocol
        self.policies = policies
    }
}

/// The kinds of what the daemon records.
public enum FlowKind: String, Sendable, Hashable, CaseIterable {
    /// The first packet of an allowed flow.
    case flow
    case drop
    case audit
    case request
}

/// What became of a packet or request, by the names of Hubble's flows.
public enum FlowVerdict: String, Codable, Sendable, Hashable, CaseIterable {
    case forwarded = "FORWARDED"
    case dropped = "DROPPED"
    /// It passed, and a policy in audit would deny it.
    case audit = "AUDIT"

    /// Reads the name, or what verdicts are called elsewhere. Nil for anything else.
    public init?(text: String) {
        switch text.lowercased() {
        case "forwarded", "allowed", "allow": self = .forwarded
        case "dropped", "denied", "deny", "drop": self = .dropped
        case "audit": self = .audit
        default: return nil
        }
    }
}

/// Which records a client wants. Conditions that are not given hold for every record.
public struct FlowFilter: Sendable, Hashable {
    /// One end of a flow, as a person names it.
    public enum End: Sendable, Hashable {
        case pod(namespace: String, name: String)
        /// A pod of this name in any namespace.
        case name(String)
        case network(CIDR)
    }
    public var kinds = Set(FlowKind.allCases)
    /// Nanoseconds since 1970; earlier records are not wanted.
    public var since: Int64?
    /// Of either end.
    public var namespace: String?
    public var pod: End?
    public var from: End?
    public var to: End?
    /// Of the destination.
    public var port: UInt16?
    public var ipProtocol: IPProtocol?
    public var verdict: FlowVerdict?
    /// `namespace/name`, or a name alone.
    public var policy: String?
    public var reason: String?

    /// Every record.
    public init() {}

    public func matches(_ facts: FlowFacts) -> Bool {
        guard kinds.contains(facts.kind), verdict.map({ $0 == facts.verdict }) ?? true,
            port.map({ $0 == facts.destinationPort }) ?? true,
            ipProtocol.map({ $0 == facts.ipProtocol || $0 == .icmp && facts.ipProtocol == .icmpv6 }) ?? true,
            since.map({ facts.time >= $0 }) ?? true, reason.map({ $0 == facts.reason }) ?? true
        else { return false }
        let ends = [facts.source, facts.destination]
        return namespace.map { name in ends.contains { $0.pod?.hasPrefix("\(name)/") ?? false } } ?? true
            && pod.map { pod in ends.contains { pod.matches($0) } } ?? true
            && from.map { $0.matches(facts.source) } ?? true && to.map { $0.matches(facts.destination) } ?? true
            && policy.map { name in facts.policies.contains { $0.name == name || $0.description == name } } ?? true
    }
}

extension FlowFilter.End {
    /// Reads `namespace/name`, a name, an address or a CIDR. Nil for anything else.
    public init?(_ text: String) {
        if let network = try? CIDR(text) {
            self = .network(network)
        } else if let address = try? IPAddress(text) {
            self = .network(CIDR(host: address))
        } else {
            let parts = text.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
            guard parts.count <= 2, parts.allSatisfy(\.isNamePart) else { return nil }
            self = parts.count == 2 ? .pod(namespace: parts[0], name: parts[1]) : .name(parts[0])
        }
    }

    func matches(_ end: FlowFacts.End) -> Bool {
        switch self {
        case .pod(let namespace, let name): end.pod == "\(namespace)/\(name)"
        case .name(let name): end.pod?.hasSuffix("/\(name)") ?? false
        case .network(let network): end.address.map { network.contains($0) } ?? false
        }
    }
}

extension String {
    /// Whether it may be a part of a pod's name as records have it; a name with other characters names no pod.
    fileprivate var isNamePart: Bool {
        !isEmpty && utf8.allSatisfy { $0 > 32 && $0 != 127 }
    }
}

/// Why a filter cannot be read.
public struct FlowFilterError: Error, Sendable, Hashable, CustomStringConvertible {
    public var description: String
    public init(description: String) { self.description = description }
}

/// What a client of `GET /v1/flows` or `GET /v1/events` wants.
public struct StreamOptions: Sendable, Hashable {
    public var filter = FlowFilter()
    /// Only so many of the newest recorded ones; nil: all of them, if any are wanted.
    public var last: Int?
    /// Whether recorded ones are wanted.
    public var hasHistory = false
    /// Whether what happens from now on is wanted as well.
    public var follows = true

    /// Everything that happens from now on.
    public static var news: StreamOptions { StreamOptions() }

    public init() {}

    /// The names of the parameters that ``init(_:recorded:now:)`` reads.
    public static let parameters: Set<String> = [
        "follow", "last", "since", "namespace", "pod", "from", "to", "port", "protocol", "verdict", "policy", "reason",
    ]

    /// Reads the parameters of a call.
    ///
    /// - Parameters:
    ///   - isRecord: what is recorded is wanted without `since` and `last` as well, and news only if `follow` says so.
    ///   - now: nanoseconds since 1970.
    public init(
        _ parameters: [String: String], recorded isRecord: Bool, now: Int64
    ) throws(FlowFilterError) {
        let reader = FlowParameters(values: parameters)
        let limit = ControlDefaults.flowRecordLimit
        last = try reader.read("last", "must be a number from 0 to \(limit)") { text in
            Int(text).flatMap { (0...limit).contains($0) ? $0 : nil }
        }
        filter = try FlowFilter(reader, now: now)
        follows = try reader.read("follow", "must be true or false") { Bool($0) } ?? !isRecord
        hasHistory = isRecord || last != nil || filter.since != nil
    }
}

/// Parameters as texts, by name.
private struct FlowParameters {
    var values: [String: String]

    /// Nil if there is none of this name.
    func read<Value>(
        _ name: String, _ problem: String, _ value: (String) -> Value?
    ) throws(FlowFilterError) -> Value? {
        guard let text = values[name] else { return nil }
        guard let value = value(text) else { throw FlowFilterError(description: "'\(name)' \(problem)") }
        return value
    }

    func end(_ name: String) throws(FlowFilterError) -> FlowFilter.End? {
        try read(name, "must be a pod's name, namespace/pod, an address or a CIDR") { FlowFilter.End($0) }
    }
}

extension FlowFilter {
    fileprivate init(_ reader: FlowParameters, now: Int64) throws(FlowFilterError) {
        since = try reader.read("since", "must be a duration such as 10m, seconds, or a moment (RFC 3339)") {
            // In whole milliseconds, as records show them.
            PastMoment($0)?.milliseconds(now: now / 1_000_000).map { $0 * 1_000_000 }
        }
        namespace = try reader.read("namespace", "must be a name") { $0.isNamePart && !$0.contains("/") ? $0 : nil }
        pod = try reader.end("pod")
        from = try reader.end("from")
        to = try reader.end("to")
        port = try reader.read("port", "must be a number from 0 to 65535") { UInt16($0) }
        ipProtocol = try reader.read("protocol", "must be tcp, udp, sctp, icmp or a number from 0 to 255") {
            IPProtocol(name: $0)
        }
        verdict = try reader.read("verdict", "must be forwarded, dropped or audit") { FlowVerdict(text: $0) }
        policy = try reader.read("policy", "must be a policy's name or namespace/name") { $0.isEmpty ? nil : $0 }
        reason = try reader.read("reason", "must be one of \(FlowReason.names.joined(separator: ", "))") {
            FlowReason.name($0)
        }
        if case .name(let name)? = pod, let namespace { pod = .pod(namespace: namespace, name: name) }
    }
}

/// The values of ``FlowFacts/reason``.
public enum FlowReason {
    public static let new = "new"
    public static let request = "request"
    public static let names = DroppedPacket.Cause.allCases.map(\.rawValue) + [new, request]

    /// The name in its own letter case; nil for an unknown one.
    static func name(_ text: String) -> String? { names.first { $0.lowercased() == text.lowercased() } }
}
