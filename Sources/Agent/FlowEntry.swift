// SPDX-License-Identifier: Apache-2.0
import ControlProtocol
import Datapath
import FlowTelemetry
import NetworkTypes
import PolicyModel

/// What the agent keeps of one packet or request: names and reasons as they were at that moment.
package struct FlowEntry: Sendable, Hashable {
    package enum Content: Sendable, Hashable {
        /// - Parameter interface: the name of the packet's input interface.
        case packet(ExplainedDrop, interface: String?)
        case request(JudgedRequest, by: [PolicyReference])
    }
    /// Nanoseconds since 1970.
    package var time: Int64
    package var content: Content
    /// Labels of the pods at both ends, as `key=value`; empty for an end without a pod.
    package var labels = Labels()

    package struct Labels: Sendable, Hashable {
        var source: [String] = []
        var destination: [String] = []
    }
}

/// The agent's record of flows.
struct FlowRecording: Sendable {
    var ring: FlowRing<FlowEntry>
    var labels = SharedLabels()
    var denied = DeniedFlows()
    /// Whether the datapath reports new flows.
    var reportsAllowed = false
    /// Why it does not, although it should.
    var problem: String?
    /// New flows that were not reported, as followers know it.
    var toldMissing: UInt64 = 0
    var lastCheck = ContinuousClock.now

    init(_ settings: FlowSettings) {
        ring = FlowRing(limit: settings.mode == .off ? 0 : settings.records)
    }
}

extension FlowEntry {
    /// Allowed flows are many; all else is what people ask for later.
    var isRare: Bool {
        if case .packet(let drop, _) = content { return drop.event.cause != .new }
        return true
    }

    var facts: FlowFacts {
        switch content {
        case .packet(let drop, _):
            let event = drop.event
            let isNew = event.cause == .new
            let identities = isNew ? [drop.egress, drop.ingress] : [drop.identity]
            return FlowFacts(
                kind: isNew ? .flow : event.cause == .audit ? .audit : .drop, time: time,
                verdict: isNew ? .forwarded : event.cause == .audit ? .audit : .dropped,
                reason: DroppedPacket.Cause(event.cause)?.rawValue ?? FlowReason.new,
                source: .init(address: event.flow.source, pod: drop.sourcePod?.description),
                destination: .init(address: event.flow.destination, pod: drop.destinationPod?.description),
                destinationPort: event.flow.ipProtocol.hasPorts ? event.flow.destinationPort : nil,
                ipProtocol: event.flow.ipProtocol, policies: identities.compactMap(\.self).flatMap(\.policies))
        case .request(let request, let policies):
            func end(_ end: EventEnd) -> FlowFacts.End {
                FlowFacts.End(address: try? IPAddress(end.address), pod: end.pod)
            }
            return FlowFacts(
                kind: .request, time: time, verdict: request.flowVerdict, reason: FlowReason.request,
                source: end(request.source), destination: end(request.destination),
                destinationPort: request.destination.port.flatMap { UInt16(exactly: $0) }, ipProtocol: .tcp,
                policies: policies)
        }
    }

    /// As `GET /v1/events` has it; nil for an allowed flow.
    var record: FlowRecord? {
        let text = RFC3339.text(nanoseconds: time)
        switch content {
        case .packet(let drop, let interface):
            switch drop.event.cause {
            case .new: return nil
            case .audit: return FlowRecord(kind: .audit, time: text, audit: DroppedPacket(drop, interface))
            default: return FlowRecord(kind: .drop, time: text, drop: DroppedPacket(drop, interface))
            }
        case .request(let request, _): return FlowRecord(kind: .request, time: text, request: request)
        }
    }

    /// As `GET /v1/flows` has it.
    func line(node: String) -> FlowLine {
        let text = RFC3339.text(nanoseconds: time)
        var flow =
            switch content {
            case .packet(let drop, let interface):
                ObservedFlow(
                    DroppedPacket(drop, interface), time: text, node: node, verdict: facts.verdict,
                    allowed: drop.event.cause == .new ? (drop.egress, drop.ingress) : nil)
            case .request(let request, _):
                ObservedFlow(request, time: text, node: node, verdict: request.flowVerdict)
            }
        flow.addLabels(source: labels.source, destination: labels.destination)
        return FlowLine(flow: flow, nodeName: node, time: text)
    }
}

extension JudgedRequest {
    fileprivate var flowVerdict: FlowVerdict { verdict == "wouldDeny" ? .audit : .dropped }
}

extension DroppedPacket {
    fileprivate init(_ drop: ExplainedDrop, _ interfaceName: String?) {
        let event = drop.event
        let flow = event.flow
        let hasPorts = flow.ipProtocol.hasPorts && event.cause != .unparsable
        self.init(
            // An allowed flow has no cause; what reads it knows that.
            cause: .init(event.cause) ?? .rule, direction: event.direction.rawValue,
            source: EventEnd(
                address: flow.source.description, port: hasPorts ? Int(event.sourcePort) : nil,
                pod: drop.sourcePod?.description),
            destination: EventEnd(
                address: flow.destination.description, port: flow.destinationPort.map { Int($0) },
                pod: drop.destinationPod?.description),
            protocol: flow.ipProtocol.description,
            icmp: event.icmp.map { ICMPAnswer(type: Int($0.type), code: Int($0.code)) },
            endpoint: drop.endpoint?.description,
            rule: drop.identity.map { RuleAnswer($0) }, reason: drop.reason,
            interface: event.interfaceIndex == 0
                ? nil : InterfaceAnswer(index: Int(event.interfaceIndex), name: interfaceName ?? ""))
    }
}

extension DroppedPacket.Cause {
    /// Nil for an allowed flow.
    fileprivate init?(_ cause: DropEvent.Cause) {
        switch cause {
        case .rule: self = .rule
        case .spoofed: self = .spoofed
        case .unparsable: self = .unparsable
        case .inconsistent: self = .inconsistent
        case .audit: self = .audit
        case .tunnel: self = .tunnel
        case .sourceRouted: self = .sourceRouted
        case .unrelatedError: self = .unrelatedError
        case .malformed: self = .malformed
        case .handOver: self = .handOver
        case .new: return nil
        }
    }
}
