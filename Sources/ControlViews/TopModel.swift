// SPDX-License-Identifier: Apache-2.0
import ControlProtocol

/// The packets that an interface of the node has carried since it was created.
public struct InterfaceTraffic: Sendable, Hashable {
    /// By the node: sent by the pod behind the interface.
    public var received: UInt64
    /// By the node: delivered to the pod.
    public var sent: UInt64
    public init(received: UInt64, sent: UInt64) {
        self.received = received
        self.sent = sent
    }

    /// The content of `/proc/net/dev`, by the interfaces' names.
    public static func parse(_ text: String) -> [String: InterfaceTraffic] {
        var traffic: [String: InterfaceTraffic] = [:]
        // Two lines of titles have no colon.
        for line in text.split(separator: "\n") {
            guard let colon = line.lastIndex(of: ":") else { continue }
            let numbers = line[line.index(after: colon)...].split(separator: " ").map { UInt64($0) }
            // Received: bytes, packets, and six more; sent: the same.
            guard numbers.count >= 10, let received = numbers[1], let sent = numbers[9] else { continue }
            traffic[String(line[..<colon].drop { $0 == " " })] = InterfaceTraffic(received: received, sent: sent)
        }
        return traffic
    }
}

/// Everything that was counted up to one moment.
public struct TopSample: Sendable {
    /// Seconds of a clock that never goes back.
    public var seconds: Double
    public var counters: CountersAnswer
    public var endpoints: [EndpointAnswer]
    public var interfaces: [String: InterfaceTraffic]
    public init(
        seconds: Double, counters: CountersAnswer, endpoints: [EndpointAnswer],
        interfaces: [String: InterfaceTraffic]
    ) {
        self.seconds = seconds
        self.counters = counters
        self.endpoints = endpoints
        self.interfaces = interfaces
    }
}

/// What `top` shows: the difference of two samples, and the denied flows that were reported meanwhile.
public struct TopModel: Sendable {
    private var before: Counts?
    private var now: Counts?
    private var reported = DeniedFlows()
    /// Denied flows by pod and direction since the start.
    private var denials: [PodDirection: UInt64] = [:]

    public init() {}

    /// Whether there are two samples, so that there are rates.
    public var hasRates: Bool { before != nil }

    /// Adds a sample; the rates are those since the previous one.
    public mutating func take(_ sample: TopSample) {
        before = now
        now = Counts(sample, denials)
    }

    /// Adds a line of the events' stream.
    public mutating func take(_ record: FlowRecord) {
        reported.take(record)
        if record.kind == .drop, let packet = record.drop, let pod = packet.endpoint {
            denials[PodDirection(pod: pod, direction: packet.direction), default: 0] += 1
        }
    }

    /// The busiest first.
    public var pods: [TopPod] {
        guard let now else { return [] }
        return now.sample.endpoints.map { pod($0, now) }.sorted { one, other in
            (one.activity, other.id) > (other.activity, one.id)
        }
    }

    /// The busiest first.
    public var rules: [TopRule] {
        guard let now else { return [] }
        return now.sample.counters.rules.map { counter in
            let key = RuleKey(counter)
            return TopRule(
                rule: counter.rule, audit: counter.audit, packets: counter.packets,
                rate: rate(now, now.packets[key] ?? 0, before.map { $0.packets[key] ?? 0 }))
        }.sorted { one, other in
            let (rate, otherRate) = (one.rate ?? 0, other.rate ?? 0)
            if rate != otherRate { return rate > otherRate }
            return one.packets == other.packets ? "\(one.rule)" < "\(other.rule)" : one.packets > other.packets
        }
    }

    /// The most frequent first.
    public var denied: TopDenied { reported.top }

    private func pod(_ endpoint: EndpointAnswer, _ now: Counts) -> TopPod {
        let id = endpoint.namespace.isEmpty ? endpoint.name : "\(endpoint.namespace)/\(endpoint.name)"
        let interface = (endpoint.interface ?? endpoint.bridgePort)?.name
        // Several pods behind one interface cannot be distinguished by it.
        let traffic = interface.flatMap { now.users[$0] == 1 ? $0 : nil }
        func packets(_ count: KeyPath<InterfaceTraffic, UInt64>) -> Double? {
            guard let traffic, let value = now.sample.interfaces[traffic]?[keyPath: count] else { return nil }
            return rate(now, value, before?.sample.interfaces[traffic]?[keyPath: count])
        }
        func denials(_ direction: String) -> Double? {
            let key = PodDirection(pod: id, direction: direction)
            return rate(now, now.denials[key] ?? 0, before.map { $0.denials[key] ?? 0 })
        }
        return TopPod(
            namespace: endpoint.namespace, name: endpoint.name, received: packets(\.sent), sent: packets(\.received),
            deniedIngress: denials("ingress"), deniedEgress: denials("egress"))
    }

    /// Per second; nil without a previous sample. A counter that has started again counts from 0.
    private func rate(_ now: Counts, _ count: UInt64, _ previous: UInt64?) -> Double? {
        guard let before, let previous, now.sample.seconds > before.sample.seconds else { return nil }
        let difference = count >= previous ? count - previous : count
        return Double(difference) / (now.sample.seconds - before.sample.seconds)
    }

    private struct PodDirection: Hashable, Sendable {
        var pod: String
        var direction: String
    }

    /// Rules' numbers change with the tables; what they say stays.
    private struct RuleKey: Hashable, Sendable {
        var rule: RuleAnswer
        var audit: Bool?
        init(_ counter: RuleCounterAnswer) {
            rule = counter.rule
            audit = counter.audit
        }
    }

    private struct Counts: Sendable {
        var sample: TopSample
        var denials: [PodDirection: UInt64]
        var packets: [RuleKey: UInt64] = [:]
        /// How many pods are behind an interface.
        var users: [String: Int] = [:]

        init(_ sample: TopSample, _ denials: [PodDirection: UInt64]) {
            self.sample = sample
            self.denials = denials
            for counter in sample.counters.rules { packets[RuleKey(counter), default: 0] += counter.packets }
            for endpoint in sample.endpoints {
                if let name = (endpoint.interface ?? endpoint.bridgePort)?.name { users[name, default: 0] += 1 }
            }
        }
    }
}
