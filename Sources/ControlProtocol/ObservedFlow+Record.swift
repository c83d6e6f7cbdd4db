// SPDX-License-Identifier: Apache-2.0
import NetworkTypes
import PolicyModel

extension ObservedFlow {
    /// A packet, or the first packet of an allowed flow.
    ///
    /// - Parameters:
    ///   - packet: the packet as `GET /v1/events` has it.
    ///   - allowed: what allowed the flow on each side; nil for a packet that was dropped or would be.
    public init(
        _ packet: DroppedPacket, time: String, node: String, verdict: FlowVerdict,
        allowed: (egress: RuleIdentity?, ingress: RuleIdentity?)?
    ) {
        self.init(
            source: packet.source, destination: packet.destination, protocol: packet.protocol, icmp: packet.icmp,
            time: time, node: node, verdict: verdict,
            bulkhead: Extension(
                cause: allowed == nil ? packet.cause.rawValue : FlowReason.new, reason: packet.reason,
                rule: packet.rule, egress: allowed?.egress.map { RuleAnswer($0) },
                ingress: allowed?.ingress.map { RuleAnswer($0) }))
        trafficDirection = packet.direction.uppercased()
        interface = packet.interface
        egressAllowedBy = Self.policies(bulkhead.egress)
        ingressAllowedBy = Self.policies(bulkhead.ingress)
        if verdict == .dropped {
            eventType = EventType(type: 1)
            dropReason = Self.dropReason(packet)
        }
        if allowed == nil {
            let deniers = Self.policies(packet.rule)
            if packet.direction == "egress" { egressDeniedBy = deniers } else { ingressDeniedBy = deniers }
        }
    }

    /// A request that the node's proxy has denied, or would.
    public init(_ request: JudgedRequest, time: String, node: String, verdict: FlowVerdict) {
        self.init(
            source: request.source, destination: request.destination, protocol: "TCP", icmp: nil, time: time,
            node: node, verdict: verdict,
            bulkhead: Extension(cause: FlowReason.request, reason: request.reason, rule: request.rule))
        type = "L7"
        eventType = EventType(type: 129)
        l7 = Request(
            type: "REQUEST", http: .init(method: request.method, url: "http://\(request.host)\(request.path)"))
        ingressDeniedBy = Self.policies(request.rule)
        dropReason = verdict == .dropped ? "POLICY_DENIED" : nil
    }

    private init(
        source: EventEnd, destination: EventEnd, protocol name: String, icmp: ICMPAnswer?, time: String, node: String,
        verdict: FlowVerdict, bulkhead: Extension
    ) {
        self.time = time
        self.verdict = verdict
        ip = Addresses(
            source: source.address, destination: destination.address,
            ipVersion: source.address.contains(":") ? "IPv6" : "IPv4")
        l4 = Layer4(name, Ports(sourcePort: source.port, destinationPort: destination.port), icmp)
        self.source = Pod(source.pod)
        self.destination = Pod(destination.pod)
        type = "L3_L4"
        nodeName = node
        isReply = false
        eventType = EventType(type: 5)
        trafficDirection = "INGRESS"
        summary = bulkhead.reason
        self.bulkhead = bulkhead
    }

    private static func policies(_ rule: RuleAnswer?) -> [Policy]? {
        guard let rule else { return nil }
        let policies = (rule.policy.map { [$0] } ?? rule.by ?? []).map {
            Policy(name: $0.name, namespace: $0.namespace.isEmpty ? nil : $0.namespace, kind: $0.kind)
        }
        return policies.isEmpty ? nil : policies
    }

    private static func dropReason(_ packet: DroppedPacket) -> String {
        switch packet.cause {
        case .rule, .handOver: packet.rule?.kind == .rule && packet.cause == .rule ? "POLICY_DENY" : "POLICY_DENIED"
        case .spoofed: "INVALID_SOURCE_IP"
        case .unparsable: "CT_TRUNCATED_OR_INVALID_HEADER"
        case .malformed: "INVALID_PACKET_DROPPED"
        case .inconsistent, .audit, .tunnel, .sourceRouted, .unrelatedError: "DROP_REASON_UNKNOWN"
        }
    }
}

extension ObservedFlow.Pod {
    /// Nil without a pod.
    init?(_ pod: String?) {
        guard let pod, let slash = pod.firstIndex(of: "/") else { return nil }
        namespace = String(pod[..<slash])
        podName = String(pod[pod.index(after: slash)...])
    }
}

extension ObservedFlow {
    /// Adds the labels of both pods, as `key=value`. An end without a pod has none.
    public mutating func addLabels(source ofSource: [String], destination ofDestination: [String]) {
        func named(_ labels: [String]) -> [String]? { labels.isEmpty ? nil : labels.map { "k8s:\($0)" } }
        source?.labels = named(ofSource)
        destination?.labels = named(ofDestination)
    }
}

extension ObservedFlow.Layer4 {
    /// Nil for a protocol that Hubble has no field for.
    init?(_ name: String, _ ports: ObservedFlow.Ports, _ icmp: ICMPAnswer?) {
        let message = ObservedFlow.ICMP(type: icmp?.type, code: icmp?.code)
        switch name {
        case "TCP": tcp = ports
        case "UDP": udp = ports
        case "SCTP": sctp = ports
        case "ICMP": icmpv4 = message
        case "ICMPv6": icmpv6 = message
        default: return nil
        }
    }
}

extension ObservedFlow {
    /// The name of the transport protocol, if Hubble has a field for it.
    public var protocolName: String? {
        guard let l4 else { return nil }
        let names: [(Bool, String)] = [
            (l4.tcp != nil, "TCP"), (l4.udp != nil, "UDP"), (l4.sctp != nil, "SCTP"), (l4.icmpv4 != nil, "ICMP"),
            (l4.icmpv6 != nil, "ICMPv6"),
        ]
        return names.first { $0.0 }?.1
    }

    /// The ICMP message, if type and code are known: `type 8 code 0`.
    public var messageName: String? {
        guard let message = l4?.icmpv4 ?? l4?.icmpv6, let type = message.type, let code = message.code else {
            return nil
        }
        return "type \(type) code \(code)"
    }

    /// The ports, if there are any.
    public var ports: Ports? { l4.flatMap { $0.tcp ?? $0.udp ?? $0.sctp } }
}

/// A record of a stream of which a slow reader may miss some.
public protocol StreamRecord: Codable, Sendable {
    /// The record that says how many were not sent.
    static func missing(_ count: UInt64) -> Self
}

extension FlowRecord: StreamRecord {
    public static func missing(_ count: UInt64) -> FlowRecord {
        FlowRecord(kind: .lost, time: RFC3339.now(), lost: count)
    }
}

extension FlowLine: StreamRecord {
    public static func missing(_ count: UInt64) -> FlowLine {
        FlowLine(lostEvents: LostFlows(source: .client, count: count), time: RFC3339.now())
    }
}
