// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import ControlProtocol
import Explanations
import FlowTelemetry
import KubernetesObjects
import NetworkTypes
import PolicyModel
import PolicyPipeline
import Reachability

/// A connection that the kernel tracks.
public struct LiveConnection: Sendable, Hashable {
    /// As policy judges it: after the translation of a Service's address.
    public var flow: Flow
    /// The connection's mark (`ct mark`).
    public var mark: UInt32
    public init(flow: Flow, mark: UInt32 = 0) {
        self.flow = flow
        self.mark = mark
    }
}

/// A change that is tried without being made.
struct RehearsalPlan: Sendable {
    var events: [ObjectEvent] = []
    var added: [String] = []
    var changed: [String] = []
    var unchanged: [String] = []
    var deleted: [String] = []
    var notes: [String] = []
}

/// What a preview needs of the agent.
struct PreviewMoment: Sendable {
    var plan: RehearsalPlan
    var pipeline: PolicyPipeline
    var ring: FlowRing<FlowEntry>
    var ownPrefixes: [CIDR]
    var nodeName: String
    var proxyMarks: UInt32
    var connections: (@Sendable (_ isWanted: (Flow) -> Bool) throws -> [LiveConnection])?
}

/// A change in a copy of the pipeline, and what it does to flows.
struct Rehearsal: Sendable {
    private let moment: PreviewMoment
    private(set) var after: PolicyPipeline

    private var before: PolicyPipeline { moment.pipeline }

    init(_ moment: PreviewMoment) {
        self.moment = moment
        after = moment.pipeline
        after.ingest(moment.plan.events)
        _ = after.compile()
    }

    var answer: NodePreviewAnswer {
        let plan = moment.plan
        var answer = NodePreviewAnswer(node: moment.nodeName)
        (answer.added, answer.changed) = (plan.added, plan.changed)
        (answer.unchanged, answer.deleted) = (plan.unchanged, plan.deleted)
        answer.notes = plan.notes
        let difference = TableDifference(before.compiled, after.compiled)
        answer.lostPods = difference.onlyOld.map(\.description)
        answer.newPods = difference.onlyNew.map(\.description)
        answer.changes = Self.limited(rows(difference.changes), "changes", &answer)
        addConnections(to: &answer)
        addRecorded(to: &answer)
        return answer
    }

    private static func limited<Element>(
        _ all: [Element], _ name: String, _ answer: inout NodePreviewAnswer
    ) -> [Element] {
        let limit = NodePreviewAnswer.limit
        if all.count > limit { answer.leftOut[name] = all.count - limit }
        return Array(all.prefix(limit))
    }

    private func isOwn(_ address: IPAddress) -> Bool { moment.ownPrefixes.contains { $0.contains(address) } }
}

// MARK: Verdicts

extension Rehearsal {
    /// Changes that are the same but for the address family are one.
    private func rows(_ changes: [TableChange]) -> [PreviewChange] {
        struct Key: Hashable {
            var from: Set<String>
            var to: Set<String>
            var ports: [PortSpan]
            var why: [String]
        }
        var rows: [Key: (change: TableChange, from: Party, to: Party)] = [:]
        for change in changes {
            let (from, to) = (party(change.from), party(change.to))
            let why = [
                change.old.rawValue, change.new.rawValue, "\(change.mayBeEqual)",
                change.after.egress.map { "\($0.identity)" } ?? "", change.after.ingress.map { "\($0.identity)" } ?? "",
            ]
            let key = Key(from: from.names, to: to.names, ports: change.ports, why: why)
            if var row = rows[key] {
                row.from.networks += from.networks
                row.to.networks += to.networks
                rows[key] = row
            } else {
                rows[key] = (change, from, to)
            }
        }
        let all = rows.values.map { row in
            PreviewChange(
                from: row.from.answer, to: row.to.answer, ports: row.change.ports.map(\.description),
                old: row.change.old, new: row.change.new, mayBeEqual: row.change.mayBeEqual,
                example: row.change.flow.description,
                egress: row.change.after.egress.map { DirectionAnswer(previewed: $0) },
                ingress: row.change.after.ingress.map { DirectionAnswer(previewed: $0) })
        }
        return all.sorted { $0.order.lexicographicallyPrecedes($1.order) }
    }

    private struct Party {
        var names: Set<String> = []
        var networks: [CIDR] = []

        var answer: PreviewParty {
            PreviewParty(
                names: names.sorted(), networks: networks.sorted().map { $0.isHost ? "\($0.network)" : "\($0)" })
        }
    }

    private func party(_ end: TableChange.End) -> Party {
        var party = Party(networks: end.prefixes)
        for address in end.addresses {
            if let pod = after.pod(owning: address) ?? before.pod(owning: address) {
                party.names.insert("\(pod)")
            } else if let node = isOwn(address) ? moment.nodeName : after.node(withAddress: address) {
                party.names.insert("node \(node)")
            } else {
                party.networks.append(CIDR(address, prefixLength: address.family.bitWidth))
            }
        }
        return party
    }
}

// MARK: Flows

extension Rehearsal {
    private func addConnections(to answer: inout NodePreviewAnswer) {
        guard let connections = moment.connections else { return }
        let (old, new) = (before.compiled, after.compiled)
        func isLocal(_ address: IPAddress) -> Bool {
            old.addresses.entry(of: address).endpoint != .none || new.addresses.entry(of: address).endpoint != .none
        }
        do {
            let found = try connections { flow in
                (isLocal(flow.source) || isLocal(flow.destination)) && !new.allows(flow)
            }
            var counts: [Flow: Int] = [:]
            for connection in found where !isOwn(connection.flow.source) {
                let flow = connection.flow
                let isSteered = connection.mark & moment.proxyMarks != 0
                guard new.judgesOwnNode || !isOwn(flow.destination), old.allows(flow, isSteered: isSteered),
                    !new.allows(flow, isSteered: isSteered)
                else { continue }
                counts[flow, default: 0] += 1
            }
            let flows = counts.map { previewed($0.key, count: $0.value, last: nil) }
            answer.connections = Self.limited(Self.sorted(flows), "connections", &answer)
        } catch {
            answer.notes.append("live connections are not known: \(error)")
        }
    }

    private struct Recorded {
        var count = 0
        var last: Int64 = 0
    }

    private func addRecorded(to answer: inout NodePreviewAnswer) {
        guard moment.ring.limit > 0 else {
            answer.notes.append("this node keeps no record of flows: those that would open are not known")
            return
        }
        var (opened, denied): ([Flow: Recorded], [Flow: Recorded]) = ([:], [:])
        for entry in moment.ring.newest() {
            guard case .packet(let drop, _) = entry.content, drop.event.cause.isOfPolicy,
                isJudged(drop.event.flow)
            else { continue }
            let flow = drop.event.flow
            let verdicts = (before.compiled.evaluate(flow).verdict, after.compiled.evaluate(flow).verdict)
            func add(to flows: inout [Flow: Recorded]) {
                flows[flow, default: Recorded()].count += 1
                flows[flow]?.last = entry.time
            }
            let passed = drop.event.cause == .new || drop.event.cause == .audit
            switch verdicts {
            case (.deny, .allow), (.deny, .dependsOnRequest): if !passed { add(to: &opened) }
            case (.allow, .deny), (.dependsOnRequest, .deny): if passed { add(to: &denied) }
            default: break
            }
        }
        func flows(_ recorded: [Flow: Recorded]) -> [PreviewedFlow] {
            Self.sorted(recorded.map { previewed($0.key, count: $0.value.count, last: $0.value.last) })
        }
        answer.opened = Self.limited(flows(opened), "opened", &answer)
        answer.denied = Self.limited(flows(denied), "denied", &answer)
    }

    /// Whether the tables decide by the flow's addresses: not for a packet to a group, nor from an address that is not a
    /// pod's now.
    private func isJudged(_ flow: Flow) -> Bool {
        let source = before.compiled.addresses.entry(of: flow.source).endpoint
        let destination = before.compiled.addresses.entry(of: flow.destination).endpoint
        return (source != .none || destination != .none) && !isOwn(flow.source)
    }

    private func previewed(_ flow: Flow, count: Int, last: Int64?) -> PreviewedFlow {
        let decision = after.compiled.evaluate(flow)
        func end(_ address: IPAddress, _ port: UInt16?) -> EventEnd {
            EventEnd(
                address: address.description, port: port.map { Int($0) },
                pod: (after.pod(owning: address) ?? before.pod(owning: address))?.description)
        }
        return PreviewedFlow(
            source: end(flow.source, nil), destination: end(flow.destination, flow.destinationPort),
            protocol: flow.ipProtocol.description, count: count, last: last.map { RFC3339.text(nanoseconds: $0) },
            verdict: decision.verdict, egress: decision.egress.map { DirectionAnswer(previewed: $0) },
            ingress: decision.ingress.map { DirectionAnswer(previewed: $0) })
    }

    /// The most frequent first.
    private static func sorted(_ flows: [PreviewedFlow]) -> [PreviewedFlow] {
        flows.sorted { ($1.count, $0.order) < ($0.count, $1.order) }
    }
}

extension PreviewedFlow {
    fileprivate var order: String { "\(source) \(destination) \(self.protocol)" }
}

extension PreviewChange {
    fileprivate var order: [String] {
        let number = PreviewEffect.allCases.firstIndex(of: effect) ?? 0
        return ["\(number)"]
            + [from.names, from.networks, to.names, to.networks, ports].map { $0.joined(separator: ",") }
            + [old, new, example]
    }
}

extension DirectionAnswer {
    fileprivate init(previewed decision: DirectionDecision) {
        self.init(
            verdict: decision.verdict, kind: decision.identity.kind.rawValue, reason: decision.reason,
            endpoint: decision.endpoint, identity: decision.identity, wouldDeny: decision.wouldDeny)
    }
}
