// SPDX-License-Identifier: Apache-2.0
import PolicyModel

/// One line of `GET /v1/flows`, with the fields of `hubble observe -o json`: a flow, or how many are missing here.
public struct FlowLine: Codable, Sendable, Hashable {
    public var flow: ObservedFlow?
    public var lostEvents: LostFlows?
    public var nodeName: String?
    /// RFC 3339, UTC, milliseconds.
    public var time: String

    enum CodingKeys: String, CodingKey {
        case flow
        case lostEvents = "lost_events"
        case nodeName = "node_name"
        case time
    }

    public init(flow: ObservedFlow? = nil, lostEvents: LostFlows? = nil, nodeName: String? = nil, time: String) {
        self.flow = flow
        self.lostEvents = lostEvents
        self.nodeName = nodeName
        self.time = time
    }
}

/// Flows that are missing in a stream.
public struct LostFlows: Codable, Sendable, Hashable {
    /// Where they were lost.
    public enum Source: String, Codable, Sendable {
        /// Before they reached the daemon: over the rate limit, or no room in the kernel.
        case kernel = "PERF_EVENT_RING_BUFFER"
        /// This client read too slowly.
        case client = "OBSERVER_EVENTS_QUEUE"
    }
    public var source: Source
    /// The number, as text (as Protocol Buffers write 64-bit numbers in JSON).
    public var numEventsLost: String

    enum CodingKeys: String, CodingKey {
        case source
        case numEventsLost = "num_events_lost"
    }

    public init(source: Source, count: UInt64) {
        self.source = source
        numEventsLost = "\(count)"
    }
}

/// A flow, by the field names of Hubble's `Flow`. Fields that Bulkhead does not know are left out; what Hubble has no
/// field for is in ``bulkhead``.
public struct ObservedFlow: Codable, Sendable, Hashable {
    public struct Addresses: Codable, Sendable, Hashable {
        public var source: String
        public var destination: String
        /// `IPv4` or `IPv6`.
        public var ipVersion: String
    }
    public struct Ports: Codable, Sendable, Hashable {
        public var sourcePort: Int?
        public var destinationPort: Int?
        enum CodingKeys: String, CodingKey {
            case sourcePort = "source_port"
            case destinationPort = "destination_port"
        }
    }
    /// An ICMP message; without type and code if they are not known.
    public struct ICMP: Codable, Sendable, Hashable {
        public var type: Int?
        public var code: Int?
    }
    /// The transport protocol; at most one of them.
    public struct Layer4: Codable, Sendable, Hashable {
        public var tcp: Ports?
        public var udp: Ports?
        public var sctp: Ports?
        public var icmpv4: ICMP?
        public var icmpv6: ICMP?
        enum CodingKeys: String, CodingKey {
            case tcp = "TCP"
            case udp = "UDP"
            case sctp = "SCTP"
            case icmpv4 = "ICMPv4"
            case icmpv6 = "ICMPv6"
        }
    }
    /// The pod of one end.
    public struct Pod: Codable, Sendable, Hashable {
        public var namespace: String
        public var podName: String
        /// As `k8s:key=value`, sorted; the first ones of a pod with very many.
        public var labels: [String]?
        enum CodingKeys: String, CodingKey {
            case namespace
            case labels
            case podName = "pod_name"
        }
    }
    public struct Policy: Codable, Sendable, Hashable {
        public var name: String
        public var namespace: String?
        public var kind: String
    }
    public struct EventType: Codable, Sendable, Hashable {
        /// Hubble's numbers: 1 a drop, 5 a policy's verdict, 129 a request.
        public var type: Int
    }
    public struct Request: Codable, Sendable, Hashable {
        public struct HTTP: Codable, Sendable, Hashable {
            public var method: String
            public var url: String
        }
        public var type: String
        public var http: HTTP
    }
    /// What Hubble has no field for.
    public struct Extension: Codable, Sendable, Hashable {
        /// The values of the filter `reason`.
        public var cause: String
        /// One sentence for a person.
        public var reason: String
        /// What denied, or would.
        public var rule: RuleAnswer?
        /// What allowed on the source's side, if its pod is on this node.
        public var egress: RuleAnswer?
        /// What allowed on the destination's side, if its pod is on this node.
        public var ingress: RuleAnswer?
    }

    public var time: String
    public var verdict: FlowVerdict
    public var ip: Addresses
    public var l4: Layer4?
    public var source: Pod?
    public var destination: Pod?
    public var type: String
    public var nodeName: String
    public var l7: Request?
    public var isReply: Bool
    public var eventType: EventType
    /// `INGRESS` or `EGRESS`.
    public var trafficDirection: String
    /// One of Hubble's names for why a packet was dropped.
    public var dropReason: String?
    public var interface: InterfaceAnswer?
    public var summary: String
    public var egressAllowedBy: [Policy]?
    public var ingressAllowedBy: [Policy]?
    public var egressDeniedBy: [Policy]?
    public var ingressDeniedBy: [Policy]?
    public var bulkhead: Extension

    enum CodingKeys: String, CodingKey {
        case time
        case verdict
        case ip = "IP"
        case l4
        case source
        case destination
        case type = "Type"
        case nodeName = "node_name"
        case l7
        case isReply = "is_reply"
        case eventType = "event_type"
        case trafficDirection = "traffic_direction"
        case dropReason = "drop_reason_desc"
        case interface
        case summary = "Summary"
        case egressAllowedBy = "egress_allowed_by"
        case ingressAllowedBy = "ingress_allowed_by"
        case egressDeniedBy = "egress_denied_by"
        case ingressDeniedBy = "ingress_denied_by"
        case bulkhead
    }
}
