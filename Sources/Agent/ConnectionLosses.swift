// SPDX-License-Identifier: Apache-2.0
import PrometheusText

/// What the kernel's connection tracking has lost in the node's network namespace. Policy has no part in it.
public struct ConnectionLosses: Sendable, Hashable {
    /// Packets dropped because the table had no room for a new connection.
    public var dropped: UInt64
    /// Packets dropped because another one had entered the same connection meanwhile.
    public var clashed: UInt64
    /// Connections that were forgotten to make room.
    public var evicted: UInt64

    public init(dropped: UInt64, clashed: UInt64, evicted: UInt64) {
        self.dropped = dropped
        self.clashed = clashed
        self.evicted = evicted
    }
}

extension Agent where Plane: ~Copyable {
    /// How full the kernel's connection table is, and what it lost: packets that no policy denied. Losses that
    /// cannot be read are left out.
    func connectionMetrics() -> [MetricFamily] {
        let use = ConnectionUse()
        var found: [MetricFamily] = [
            .gauge("bulkhead_connections", "Connections that the kernel tracks.", use?.count ?? 0),
            .gauge(
                "bulkhead_connections_limit",
                "How many connections the kernel tracks at most (nf_conntrack_max); 0: no limit.", use?.limit ?? 0),
        ]
        if let losses = try? settings.connectionLosses?() {
            found += [
                .counters(
                    "bulkhead_connections_dropped_packets_total",
                    "Packets that the kernel's connection tracking dropped: the table had no room, or another packet had"
                        + " entered the same connection meanwhile.",
                    by: "reason", [("no_room", losses.dropped), ("clash", losses.clashed)]),
                .counter(
                    "bulkhead_connections_evicted_total",
                    "Tracked connections that the kernel forgot to make room for others.", losses.evicted),
            ]
        }
        return found
    }
}
