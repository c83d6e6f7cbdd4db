// SPDX-License-Identifier: Apache-2.0
import ClusterState
import ControlProtocol
import NetworkTypes
import PolicyModel

extension PolicyDescriber {
    /// The policies with a name, in order.
    ///
    /// - Parameters:
    ///   - kind: nil: of any kind.
    ///   - namespace: nil: of any namespace.
    public func policies(kind: String?, namespace: String?, name: String) -> [PolicyReference] {
        state.policies.compactMap { $0?.reference }.filter { reference in
            reference.name == name && (kind == nil || reference.kind == kind)
                && (namespace == nil || reference.namespace == namespace)
        }.sorted()
    }

    /// A policy as a whole. Nil if there is no such policy.
    public mutating func describe(_ reference: PolicyReference) -> PolicyDescription? {
        guard let record = state.policies.lazy.compactMap({ $0 }).first(where: { $0.reference == reference }) else {
            return nil
        }
        return describe(record, subjects: selection(record.subject).groups)
    }

    /// - Parameter subjects: the groups of the pods in question, whose ports ingress rules name.
    mutating func describe(_ record: PolicyRecord, subjects: [UInt32]) -> PolicyDescription {
        var rules: [Direction: [RuleDescription]] = [:]
        for direction in Direction.allCases {
            let written = direction == .ingress ? record.ingress : record.egress
            var list: [RuleDescription] = []
            for (index, rule) in written.enumerated() {
                list.append(describe(rule, index, direction, isReport: record.isReport, subjects: subjects))
            }
            rules[direction] = list
        }
        var description = PolicyDescription(
            policy: PolicyName(record.reference), tier: record.order.layer.name,
            enforcement: (record.isInAudit ? Enforcement.audit : .enforce).rawValue, subject: words(record.subject),
            selects: pods(record.subject),
            isolates: Direction.allCases.filter(record.isolates.contains).map(\.rawValue),
            ingress: rules[.ingress] ?? [], egress: rules[.egress] ?? [])
        description.report = record.isReport ? true : nil
        if selection(record.subject).isEmpty { description.hint = hint(record.subject) }
        return description
    }

    private mutating func describe(
        _ rule: IndexedRule, _ index: Int, _ direction: Direction, isReport: Bool, subjects: [UInt32]
    ) -> RuleDescription {
        var description = RuleDescription(
            index: rule.writtenIndex ?? index, name: rule.name, action: isReport ? "report" : rule.action.rawValue)
        if let peers = rule.peers {
            var list: [PeerDescription] = []
            for peer in peers { list.append(describe(peer)) }
            description.peers = list
        }
        var conditions: [PeerConditionDescription] = []
        for condition in rule.conditions {
            var list: [PeerDescription] = []
            for peer in condition.peers { list.append(describe(peer)) }
            conditions.append(PeerConditionDescription(peers: list, excluded: condition.isExcluded))
        }
        description.conditions = conditions.isEmpty ? nil : conditions
        let destinations = rule.destinations.map { condition in
            (condition.isExcluded ? "not " : "") + condition.blocks.map(\.description).joined(separator: " or ")
        }
        description.destinations = destinations.isEmpty ? nil : destinations
        description.ports = ports(of: rule, direction, subjects: subjects)
        description.request = rule.request?.description
        return description
    }

    mutating func describe(_ peer: IndexedPeer) -> PeerDescription {
        switch peer {
        case .pods(let subject):
            var description = PeerDescription(text: words(subject))
            description.pods = pods(subject)
            if selection(subject).isEmpty { description.hint = hint(subject) }
            return description
        case .identity(let identity):
            var description = PeerDescription(text: words(identity))
            let selected = selection(identity)
            description.pods = pods(selected)
            if selected.isEmpty { description.hint = hint(identity) }
            return description
        case .nodes(let selector):
            var description = PeerDescription(text: words(nodes: selector))
            let addresses = state.nodeAddresses(matching: selector)
            description.addresses = addresses.prefix(nameLimit).map(\.description)
            if addresses.isEmpty { description.hint = hint(nodes: selector) }
            return description
        case .block(let block):
            var description = PeerDescription(text: block.description)
            description.cidr = block.cidr.description
            description.except = block.except.isEmpty ? nil : block.except.map(\.description)
            return description
        }
    }

    // MARK: Ports

    /// Numbers first, then names in written order; a name that several protocols may have occurs once.
    private mutating func ports(
        of rule: IndexedRule, _ direction: Direction, subjects: [UInt32]
    ) -> [PortDescription]? {
        guard let written = rule.ports else { return nil }
        var result: [PortDescription] = []
        var names: [UInt32] = []
        for port in written {
            switch port {
            case .range(let range): result.append(PortDescription(ports: [range.description]))
            case .named(let name): if !names.contains(name.name) { names.append(name.name) }
            }
        }
        guard !names.isEmpty else { return result }
        let owners = direction == .ingress ? subjects : peerGroups(of: rule)
        for name in names {
            let wanted = written.compactMap { port -> PortName? in
                if case .named(let named) = port, named.name == name { named } else { nil }
            }
            let numbers = numbers(of: wanted, in: owners)
            let hint = numbers.isEmpty ? portHint(wanted, in: owners, direction) : nil
            result.append(PortDescription(name: state.strings[name], ports: numbers, hint: hint))
        }
        return result
    }

    func numbers(of names: [PortName], in groups: [UInt32]) -> [String] {
        var found: Set<ProtocolPorts> = []
        for group in groups {
            for port in state.ports(ofGroup: group) where names.contains(port.name) {
                found.insert(ProtocolPorts(port.name.ipProtocol, PortRange(port.number)))
            }
        }
        return found.sorted().map(\.description)
    }

    /// The groups whose ports an egress rule's names mean. A block matches addresses, and those of pods have the pods'
    /// names.
    mutating func peerGroups(of rule: IndexedRule) -> [UInt32] {
        guard let peers = rule.peers else { return allGroups }
        var groups: Set<UInt32> = []
        for peer in peers {
            switch peer {
            case .pods(let subject): groups.formUnion(selection(subject).groups)
            case .block(let block): groups.formUnion(self.groups(in: block))
            case .identity, .nodes: break
            }
        }
        return groups.sorted()
    }

    private mutating func groups(in block: AddressBlock) -> [UInt32] {
        allGroups.filter { group in
            state.groups[Int(group)].members.contains { pod in
                state.pods[Int(pod)].addresses.contains(where: block.contains)
            }
        }
    }
}
