// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import Datapath
import Glibc
import PolicyModel

extension NFTablesDatapath {
    public mutating func pollEvents(limit: Int) -> [DropEvent] {
        var packets = events?.take(limit) ?? []
        packets += flowEvents?.take(limit - packets.count) ?? []
        guard !packets.isEmpty else { return [] }
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC_COARSE, &time)
        let now = UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
        return packets.map { packet in
            if packet.mark.cause == .new { return newFlow(packet, now) }
            let own = packet.mark.direction == .egress ? packet.flow.source : packet.flow.destination
            // Not by the addresses of a forged packet.
            let endpoint =
                [.rule, .audit, .handOver].contains(packet.mark.cause)
                ? tables.endpoint(owning: own) ?? tables.endpoint(behind: packet.portIndex)
                : tables.endpoint(behind: packet.portIndex)
            return DropEvent(
                cause: packet.mark.cause, direction: packet.mark.direction, flow: packet.flow,
                sourcePort: packet.sourcePort, endpoint: endpoint ?? .none,
                rule: packet.mark.rule, interfaceIndex: packet.interfaceIndex, monotonicNanoseconds: now)
        }
    }

    /// The mark of a new flow says nothing about its ends.
    private func newFlow(_ packet: LoggedPacket, _ now: UInt64) -> DropEvent {
        let from = tables.endpoint(owning: packet.flow.source)
        return DropEvent(
            cause: .new, direction: from == nil ? .ingress : .egress, flow: packet.flow,
            sourcePort: packet.sourcePort, endpoint: from ?? tables.endpoint(owning: packet.flow.destination) ?? .none,
            rule: .noPolicy, interfaceIndex: packet.interfaceIndex, monotonicNanoseconds: now)
    }
}
