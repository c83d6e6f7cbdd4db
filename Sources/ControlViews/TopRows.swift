// SPDX-License-Identifier: Apache-2.0
import ControlProtocol

/// One pod in `top pods`; a rate is per second, and nil while it is not known.
public struct TopPod: Codable, Sendable, Hashable {
    public var namespace: String
    public var name: String
    /// Packets delivered to the pod.
    public var received: Double?
    /// Packets that the pod sent, also those that were dropped afterward.
    public var sent: Double?
    /// Denied flows that were reported, by the side that denied them.
    public var deniedIngress: Double?
    public var deniedEgress: Double?

    var id: String { namespace.isEmpty ? name : "\(namespace)/\(name)" }
    var activity: Double { [received, sent, deniedIngress, deniedEgress].reduce(0) { $0 + ($1 ?? 0) } }
}

/// One rule in `top rules`.
public struct TopRule: Codable, Sendable, Hashable {
    public var rule: RuleAnswer
    /// True if a policy in audit decides: the packets passed.
    public var audit: Bool?
    /// All packets that it decided.
    public var packets: UInt64
    /// Packets per second; nil while it is not known.
    public var rate: Double?
}

/// Answer of `top denied`.
public struct TopDenied: Codable, Sendable, Hashable {
    public var flows: [TopDeniedFlow]
    /// Reported flows that are not in `flows`: there were too many different ones, or they were read too slowly.
    public var leftOut: UInt64
}

/// Denied flows that differ in nothing but the source port.
public struct TopDeniedFlow: Codable, Sendable, Hashable {
    /// Pods, or addresses that belong to none.
    public var source: String
    public var destination: String
    /// `6379/TCP`, or the protocol alone.
    public var port: String
    /// The rule, or why else the packet was dropped.
    public var rule: String
    public var count: UInt64
    /// RFC 3339.
    public var lastSeen: String
}

/// The denied flows that were reported, grouped, within a limit.
struct DeniedFlows: Sendable {
    static let limit = 1000

    private var flows: [FlowParties: (count: UInt64, lastSeen: String)] = [:]
    private var leftOut: UInt64 = 0

    mutating func take(_ record: FlowRecord) {
        leftOut += record.lost ?? 0
        guard let parties = FlowParties(record), parties.verdict == .dropped else { return }
        count(parties, record.time)
    }

    private mutating func count(_ key: FlowParties, _ time: String) {
        flows[key] = ((flows[key]?.count ?? 0) + 1, time)
        // A scan makes any number of them: the half that was seen last stays.
        guard flows.count > Self.limit else { return }
        let last = flows.sorted { $0.value.lastSeen > $1.value.lastSeen }
        for (key, flow) in last.dropFirst(Self.limit / 2) {
            flows[key] = nil
            leftOut += flow.count
        }
    }

    var top: TopDenied {
        let rows = flows.map { key, flow in
            TopDeniedFlow(
                source: key.source, destination: key.destination, port: key.port, rule: key.decider, count: flow.count,
                lastSeen: flow.lastSeen)
        }
        return TopDenied(
            flows: rows.sorted { one, other in
                (one.count, one.lastSeen, other.source, other.destination, other.port)
                    > (other.count, other.lastSeen, one.source, one.destination, one.port)
            }, leftOut: leftOut)
    }
}
