// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import Datapath
import Glibc
import PolicyModel

extension NFTablesDatapath {
    public mutating func setListening(_ isOn: Bool) throws(DatapathError) {
        // Who did not listen has not seen them.
        repeats.forget()
    }

    public mutating func pollEvents(limit: Int) -> [DropEvent] {
        let drops = events?.take(limit) ?? []
        let flows = flowEvents?.take(limit - drops.count) ?? []
        guard !drops.isEmpty || !flows.isEmpty else { return [] }
        let clock = EventClock()
        var reported = drops.map { event($0, clock) }
        // No packet of a denied flow is established, so each is reported.
        reported.removeAll { !repeats.isNew($0) }
        return .merging(reported, flows.map { newFlow($0, clock) })
    }

    private func event(_ packet: LoggedPacket, _ clock: EventClock) -> DropEvent {
        let own = packet.mark.direction == .egress ? packet.flow.source : packet.flow.destination
        // Not by the addresses of a forged packet.
        let endpoint =
            [.rule, .audit, .handOver].contains(packet.mark.cause)
            ? tables.endpoint(owning: own) ?? tables.endpoint(behind: packet.portIndex)
            : tables.endpoint(behind: packet.portIndex)
        return DropEvent(
            cause: packet.mark.cause, direction: packet.mark.direction, flow: packet.flow,
            sourcePort: packet.sourcePort, endpoint: endpoint ?? .none, rule: packet.mark.rule,
            interfaceIndex: packet.interfaceIndex, monotonicNanoseconds: clock.time(of: packet), icmp: packet.icmp)
    }

    /// The mark of a new flow says nothing about its ends.
    private func newFlow(_ packet: LoggedPacket, _ clock: EventClock) -> DropEvent {
        let from = tables.endpoint(owning: packet.flow.source)
        return DropEvent(
            cause: .new, direction: from == nil ? .ingress : .egress, flow: packet.flow,
            sourcePort: packet.sourcePort, endpoint: from ?? tables.endpoint(owning: packet.flow.destination) ?? .none,
            rule: .noPolicy, interfaceIndex: packet.interfaceIndex, monotonicNanoseconds: clock.time(of: packet),
            icmp: packet.icmp)
    }
}

/// The kernel stamps packets with the time of day; events have CLOCK_MONOTONIC.
package struct EventClock: Sendable {
    var monotonic: UInt64
    var sinceEpoch: Int64

    /// Both clocks now.
    init() {
        func read(_ clock: clockid_t) -> Int64 {
            var time = timespec()
            clock_gettime(clock, &time)
            return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
        }
        self.init(monotonic: UInt64(read(CLOCK_MONOTONIC)), sinceEpoch: read(CLOCK_REALTIME))
    }

    /// Both clocks at one moment.
    package init(monotonic: UInt64, sinceEpoch: Int64) {
        self.monotonic = monotonic
        self.sinceEpoch = sinceEpoch
    }

    /// A packet without a stamp arrived now. A clock that was set back or forward makes none of the future, nor of before
    /// the machine's start.
    package func time(of packet: LoggedPacket) -> UInt64 {
        guard let time = packet.time, time < sinceEpoch else { return monotonic }
        return monotonic - min(UInt64(sinceEpoch - time), monotonic)
    }
}
