// SPDX-License-Identifier: Apache-2.0
import ClusterState
import ControlProtocol
import PolicyModel

/// What selects nothing in the cluster as it is known now.
extension PolicyDescriber {
    /// Entries of each list of an answer.
    public static let unusedLimit = 100
    /// Entries whose near misses are searched: the search takes time.
    static let hintLimit = 50

    /// Adds the policies and peers that select nothing, in order of the policies' names, to an answer.
    ///
    /// - Parameter isWanted: whether a policy is asked about.
    public mutating func addEmpty(to answer: inout UnusedAnswer, of isWanted: (PolicyReference) -> Bool) {
        let records = state.policies.compactMap { $0 }.filter { isWanted($0.reference) }.sorted {
            $0.reference < $1.reference
        }
        var hints = 0
        var left = (subjects: 0, peers: 0)
        for record in records {
            if isEmpty(record.subject) {
                if answer.selectNothing.count < Self.unusedLimit {
                    hints += 1
                    let hint = hints <= Self.hintLimit ? self.hint(record.subject) : "it selects no pod"
                    answer.selectNothing.append(
                        EmptySubject(
                            policy: PolicyName(record.reference), subject: words(record.subject), hint: hint))
                } else {
                    left.subjects += 1
                }
            }
            for empty in emptyPeers(of: record) {
                guard answer.peers.count < Self.unusedLimit else {
                    left.peers += 1
                    continue
                }
                hints += 1
                answer.peers.append(entry(empty, of: record, withHint: hints <= Self.hintLimit))
            }
        }
        if left.subjects > 0 { answer.leftOut["selectNothing"] = left.subjects }
        if left.peers > 0 { answer.leftOut["peers"] = left.peers }
    }

    /// A part of a rule that selects nothing.
    private enum Part {
        case peer(IndexedPeer)
        /// With the groups whose ports are meant.
        case port([PortName], [UInt32])
    }

    private struct Empty {
        var direction: Direction
        var index: Int
        var rule: IndexedRule
        var part: Part
    }

    private mutating func emptyPeers(of record: PolicyRecord) -> [Empty] {
        var result: [Empty] = []
        for direction in Direction.allCases {
            let rules = direction == .ingress ? record.ingress : record.egress
            for (index, rule) in rules.enumerated() {
                for part in emptyParts(of: rule, direction, record.subject) {
                    result.append(Empty(direction: direction, index: index, rule: rule, part: part))
                }
            }
        }
        return result
    }

    private mutating func emptyParts(
        of rule: IndexedRule, _ direction: Direction, _ subject: IndexedSubject
    ) -> [Part] {
        var parts: [Part] = []
        for peer in (rule.peers ?? []) + rule.conditions.flatMap(\.peers) where isEmpty(peer) {
            parts.append(.peer(peer))
        }
        var names: [UInt32: [PortName]] = [:]
        for case .named(let name) in rule.ports ?? [] { names[name.name, default: []].append(name) }
        guard !names.isEmpty else { return parts }
        let owners = direction == .ingress ? selection(subject).groups : peerGroups(of: rule)
        // Without pods, their selector is what is wrong.
        guard !owners.isEmpty else { return parts }
        for (_, wanted) in names.sorted(by: { $0.key < $1.key }) where numbers(of: wanted, in: owners).isEmpty {
            parts.append(.port(wanted, owners))
        }
        return parts
    }

    private mutating func isEmpty(_ peer: IndexedPeer) -> Bool {
        switch peer {
        case .pods(let subject): isEmpty(subject)
        case .identity(let identity): selection(identity).isEmpty
        case .nodes(let selector): state.nodeAddresses(matching: selector).isEmpty
        case .block: false
        }
    }

    private mutating func entry(_ empty: Empty, of record: PolicyRecord, withHint: Bool) -> EmptyPeer {
        let number = empty.rule.writtenIndex ?? empty.index
        let rule = RuleAnswer(
            record.isReport
                ? .report(record.reference, empty.direction, index: number)
                : .rule(record.reference, empty.direction, index: number, name: empty.rule.name))
        switch empty.part {
        case .port(let names, let owners):
            return EmptyPeer(
                rule: rule, peer: "port \(state.strings[names[0].name])",
                hint: portHint(names, in: owners, empty.direction) ?? "")
        case .peer(let peer) where withHint:
            let description = describe(peer)
            return EmptyPeer(rule: rule, peer: description.text, hint: description.hint ?? "")
        case .peer(let peer):
            let text =
                switch peer {
                case .pods(let subject): words(subject)
                case .identity(let identity): words(identity)
                case .nodes(let selector): words(nodes: selector)
                case .block(let block): block.description
                }
            return EmptyPeer(rule: rule, peer: text, hint: "it selects nothing")
        }
    }
}
