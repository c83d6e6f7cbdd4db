// SPDX-License-Identifier: Apache-2.0
import BulkheadABI
import CompiledPolicy
import Datapath
import Glibc
import NetworkTypes
import PolicyModel

extension EBPFDatapath {
    public mutating func pollEvents(limit: Int) -> [DropEvent] {
        var events = Array(carried.prefix(limit))
        carried.removeFirst(events.count)
        if let current { events += current.takeEvents(limit: limit - events.count) }
        return events
    }

    /// Keeps what a set reported before it was replaced. Its programs are detached, and no packet is in them.
    mutating func carryEvents(of old: Generation) {
        carried += old.takeEvents(limit: Int.max)
    }
}

extension Generation {
    /// What the programs reported since the last call, at most `limit`.
    fileprivate func takeEvents(limit: Int) -> [DropEvent] {
        let now = EventClock.now
        let drops = take(limit, now) { nextEvent() }
        return .merging(drops, take(limit - drops.count, now) { nextFlow() })
    }

    private func take(_ limit: Int, _ now: UInt64, _ next: () -> bh_event?) -> [DropEvent] {
        // Programs from before the map of new flows leave zeros where later ones write the ICMP message.
        let tellsICMP = held.holds(Self.flowsName)
        var events: [DropEvent] = []
        while events.count < limit, let event = next() {
            if let event = DropEvent(event, now: now, tellsICMP: tellsICMP) { events.append(event) }
        }
        return events
    }
}

/// The clock of events: CLOCK_MONOTONIC.
enum EventClock {
    static var now: UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}

extension DropEvent {
    /// - Parameters:
    ///   - now: the time of a new flow is exact to a tick; it is not in the future.
    ///   - tellsICMP: whether the program that made it writes the ICMP message.
    package init?(_ event: bh_event, now: UInt64, tellsICMP: Bool = true) {
        guard let cause = Cause(rawValue: event.cause) else { return nil }
        let ipProtocol = IPProtocol(rawValue: event.protocol)
        let hasMessage = tellsICMP && ipProtocol.isICMP && event.icmp_code != UInt8(BH_ICMP_UNKNOWN)
        func address(_ words: (UInt32, UInt32, UInt32, UInt32)) -> IPAddress {
            if event.family == AddressFamily.ipv4.rawValue { return IPAddress(v4: words.0.bigEndian) }
            func half(_ a: UInt32, _ b: UInt32) -> UInt64 { UInt64(a.bigEndian) << 32 | UInt64(b.bigEndian) }
            return IPAddress(v6High: half(words.0, words.1), low: half(words.2, words.3))
        }
        self.init(
            cause: cause, direction: event.direction == UInt8(BH_EGRESS.rawValue) ? .egress : .ingress,
            flow: Flow(
                source: address(event.source), destination: address(event.destination),
                ipProtocol: ipProtocol, destinationPort: event.destination_port),
            sourcePort: event.source_port, endpoint: EndpointID(rawValue: event.endpoint),
            rule: RuleID(rawValue: event.rule), interfaceIndex: event.ifindex,
            monotonicNanoseconds: min(event.time_ns, now),
            icmp: hasMessage ? ICMPMessage(type: event.icmp_type, code: event.icmp_code) : nil)
    }
}

extension IPProtocol {
    fileprivate var isICMP: Bool { self == .icmp || self == .icmpv6 }
}
