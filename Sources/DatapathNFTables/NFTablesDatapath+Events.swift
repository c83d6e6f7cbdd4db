// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import Datapath
import Glibc
import PolicyModel
import SystemClocks

extension NFTablesDatapath {
    public mutating func setListening(_ isOn: Bool) throws(DatapathError) {
        // Who did not listen has not seen them.
        repeats.forget()
    }

    public mutating func pollEvents(limit: Int) -> [DropEvent] {
        let drops = events?.take(limit) ?? []
        let flows = flowEvents?.take(limit - drops.count) ?? []
        guard !drops.isEmpty || !flows.isEmpty else { return [] }
        let clock = ClockPair.now
        var reported = drops.map { event($0, clock) }
        // No packet of a denied flow is established, so each is reported.
        reported.removeAll { !repeats.isNew($0) }
        return .merging(reported, flows.map { newFlow($0, clock) })
    }

    private func event(_ packet: LoggedPacket, _ clock: ClockPair) -> DropEvent {
        let isEgress = packet.mark.direction == .egress
        let own = isEgress ? packet.flow.source : packet.flow.destination
        // Not by the addresses of a forged packet.
        let endpoint =
            [.rule, .audit, .handOver].contains(packet.mark.cause)
            ? tables.endpoint(owning: own)
                ?? tables.endpoint(behind: isEgress ? packet.portIndex : packet.outPortIndex)
            : tables.endpoint(behind: packet.portIndex)
        return DropEvent(
            cause: packet.mark.cause, direction: packet.mark.direction, flow: packet.flow,
            sourcePort: packet.sourcePort, endpoint: endpoint ?? .none, rule: packet.mark.rule,
            interfaceIndex: packet.interfaceIndex, monotonicNanoseconds: time(of: packet, clock), icmp: packet.icmp)
    }

    /// The mark of a new flow says nothing about its ends.
    private func newFlow(_ packet: LoggedPacket, _ clock: ClockPair) -> DropEvent {
        let from = tables.endpoint(owning: packet.flow.source)
        return DropEvent(
            cause: .new, direction: from == nil ? .ingress : .egress, flow: packet.flow,
            sourcePort: packet.sourcePort, endpoint: from ?? tables.endpoint(owning: packet.flow.destination) ?? .none,
            rule: .noPolicy, interfaceIndex: packet.interfaceIndex, monotonicNanoseconds: time(of: packet, clock),
            icmp: packet.icmp)
    }

    /// A packet without a stamp arrived now.
    private func time(of packet: LoggedPacket, _ clock: ClockPair) -> UInt64 {
        packet.time.map(clock.monotonic(ofSinceEpoch:)) ?? clock.monotonic
    }
}
