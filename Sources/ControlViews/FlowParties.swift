// SPDX-License-Identifier: Apache-2.0
import ControlProtocol

/// Who wanted whom, on which port, and what decided: what records are grouped by. Ends are pods, or addresses that
/// belong to none; source ports are left out.
public struct FlowParties: Sendable, Hashable {
    public var source: String
    public var destination: String
    /// `6379/TCP`; the protocol alone if it has no ports.
    public var port: String
    /// The rule, or why else the packet was dropped.
    public var decider: String
    public var verdict: FlowVerdict

    /// - Parameter name: the protocol's.
    public init(
        _ source: EventEnd, _ destination: EventEnd, protocol name: String, _ verdict: FlowVerdict, by decider: String
    ) {
        self.source = source.pod ?? source.address
        self.destination = destination.pod ?? destination.address
        port = destination.port.map { "\($0)/\(name)" } ?? name
        self.decider = decider
        self.verdict = verdict
    }

    /// Nil for a record that is about no packet and no request.
    public init?(_ record: FlowRecord) {
        if let packet = record.drop ?? record.audit {
            self.init(
                packet.source, packet.destination, protocol: packet.protocol,
                record.kind == .audit ? .audit : .dropped, by: packet.rule?.description ?? packet.cause.rawValue)
        } else if let request = record.request {
            self.init(
                request.source, request.destination, protocol: "HTTP",
                request.verdict == "wouldDeny" ? .audit : .dropped, by: request.rule?.description ?? request.reason)
        } else {
            return nil
        }
    }
}
