// SPDX-License-Identifier: Apache-2.0
import ClusterState
import KubernetesObjects
import PolicyModel

/// Why a selector selects nothing, and what was probably meant.
extension PolicyDescriber {
    /// The sentence for a subject or a peer that selects no pod.
    mutating func hint(_ subject: IndexedSubject) -> String {
        let namespaces = namespaces(subject.namespaces)
        if namespaces.isEmpty, case .selector(let selector) = subject.namespaces {
            return namespaceHint(selector)
        }
        let groups = namespaces.flatMap { state.namespaces[Int($0)].groups }
        let place = place(subject.namespaces)
        guard !groups.isEmpty else { return "there are no pods \(place)" }
        for requirement in subject.pods.requirements {
            if groups.contains(where: { requirement.isMet(by: state.labels(ofGroup: $0)) }) { continue }
            return podHint(requirement, in: Set(namespaces), groups, subject.namespaces)
        }
        return "each of its conditions holds for some pod \(place), and no pod meets all of them"
    }

    // MARK: Labels of pods

    private mutating func podHint(
        _ requirement: IndexedRequirement, in namespaces: Set<UInt32>, _ groups: [UInt32], _ scope: IndexedScope
    ) -> String {
        let key = state.strings[requirement.key]
        let place = place(scope)
        switch requirement.operator {
        case .isNotIn, .doesNotExist:
            return
                "every pod \(place) has the label \(state.text(IndexedSelector(requirements: [requirement.opposite])))"
        case .exists:
            let like = NearestName.find(key, among: keys(of: groups))
            return "no pod \(place) has a label \(key)" + (like.map { "; did you mean \($0)?" } ?? "")
        case .isIn: break
        }
        let wanted = requirement.values.map { state.strings[$0] }
        let label = state.text(IndexedSelector(requirements: [requirement]))
        let start = "label \(label) selects no pod \(place)"
        if let other = elsewhere(requirement, scope) { return "\(start)\(other)" }
        let known = values(ofKey: requirement.key)
        let inScope = known.filter { !$0.value.keys.allSatisfy { !namespaces.contains($0) } }
        if let found = nearest(wanted, among: Array(inScope.keys)) {
            return
                "\(start); did you mean \(key)=\(state.strings[found])\(owners(inScope[found] ?? [:], in: namespaces))?"
        }
        if let other = nearestKey(key, wanted, in: groups) { return "\(start); did you mean \(other)?" }
        if let found = nearest(wanted, among: Array(known.keys.sorted().prefix(Self.candidateLimit))) {
            return "\(start); did you mean \(key)=\(state.strings[found])\(owners(known[found] ?? [:], in: nil))?"
        }
        return start
    }

    /// How many values of other namespaces are compared with a misspelled one.
    private static var candidateLimit: Int { 1000 }

    /// Pods outside of the scope that do have the label.
    private func elsewhere(_ requirement: IndexedRequirement, _ scope: IndexedScope) -> String? {
        let groups = requirement.values.flatMap {
            state.groups(labeled: LabelPair(key: requirement.key, value: $0))
        }
        guard let first = groups.first else { return nil }
        let namespace = state.groups[Int(first)].namespace
        let count = count(groups.filter { state.groups[Int($0)].namespace == namespace })
        let found = "; \(Counted.pods(count)) in namespace \(name(ofNamespace: namespace)) \(Counted.have(count)) it"
        return switch scope {
        case .namespace: "\(found), which only a namespaceSelector selects"
        case .selector: "\(found), which the namespaceSelector does not select"
        }
    }

    private func nearest(_ wanted: [String], among values: [UInt32]) -> UInt32? {
        let names = values.map { state.strings[$0] }
        for text in wanted {
            if let found = NearestName.find(text, among: names) { return state.strings.number(of: found) }
        }
        return nil
    }

    /// ", which 3 pods in shop have".
    private func owners(_ counts: [UInt32: Int], in namespaces: Set<UInt32>?) -> String {
        let counts = counts.filter { namespaces?.contains($0.key) ?? true }
        guard
            let most = counts.max(by: { ($0.value, name(ofNamespace: $1.key)) < ($1.value, name(ofNamespace: $0.key)) })
        else { return "" }
        return ", which \(Counted.pods(most.value)) in \(name(ofNamespace: most.key)) \(Counted.have(most.value))"
    }

    /// A key that pods have, near to the one that none has: with the value, if they have that.
    private func nearestKey(_ key: String, _ wanted: [String], in groups: [UInt32]) -> String? {
        guard let found = NearestName.find(key, among: keys(of: groups).filter { $0 != key }),
            let number = state.strings.number(of: found)
        else { return nil }
        for text in wanted {
            guard let value = state.strings.number(of: text) else { continue }
            let pair = LabelPair(key: number, value: value)
            if groups.contains(where: { state.labels(ofGroup: $0).containsSorted(pair) }) { return "\(found)=\(text)" }
        }
        return "the label \(found)"
    }

    private func keys(of groups: [UInt32]) -> [String] {
        var keys: Set<UInt32> = []
        for group in groups { for pair in state.labels(ofGroup: group) { keys.insert(pair.key) } }
        return keys.filter { $0 != .max }.map { state.strings[$0] }
    }

    /// Pods by the value of a label and by namespace; remembered.
    private mutating func values(ofKey key: UInt32) -> [UInt32: [UInt32: Int]] {
        if let known = values[key] { return known }
        var found: [UInt32: [UInt32: Int]] = [:]
        for number in allGroups {
            let labels = state.labels(ofGroup: number)
            let index = labels.lowerBound(LabelPair(key: key, value: 0))
            guard index < labels.count, labels[index].key == key else { continue }
            let group = state.groups[Int(number)]
            found[labels[index].value, default: [:]][group.namespace, default: 0] += group.members.count
        }
        values[key] = found
        return found
    }

    // MARK: Namespaces

    private mutating func namespaceHint(_ selector: IndexedSelector) -> String {
        let all = liveNamespaces
        for requirement in selector.requirements {
            if all.contains(where: { requirement.isMet(by: state.labels(ofNamespace: $0)) }) { continue }
            let text = state.text(IndexedSelector(requirements: [requirement]))
            let start =
                "no namespace has \(requirement.operator == .isNotIn ? "labels that meet" : "the label") \(text)"
            let labels = all.map { (name(ofNamespace: $0), state.labels(ofNamespace: $0)) }
            return start + suggestion(requirement, among: labels, "namespace")
        }
        return "no namespace has all of the labels \(state.text(selector))"
    }

    /// "; did you mean team=web, which namespace shop has?".
    private func suggestion(
        _ requirement: IndexedRequirement, among owners: [(name: String, labels: [LabelPair])], _ what: String
    ) -> String {
        let key = state.strings[requirement.key]
        var values: [String: String] = [:]
        var keys: [String: String] = [:]
        for (name, labels) in owners {
            for pair in labels where pair.key != .max {
                keys[state.strings[pair.key]] = name
                guard pair.key == requirement.key else { continue }
                let value = state.strings[pair.value]
                values[value] = min(values[value] ?? name, name)
            }
        }
        for wanted in requirement.values.map({ state.strings[$0] }) {
            if let found = NearestName.find(wanted, among: Array(values.keys)) {
                return "; did you mean \(key)=\(found), which \(what) \(values[found] ?? "?") has?"
            }
        }
        let found = NearestName.find(key, among: keys.keys.filter { $0 != key })
        return found.map { "; did you mean the label \($0)?" } ?? ""
    }

    // MARK: Identities, nodes, ports

    /// The sentence for an identity that no pod has.
    mutating func hint(_ identity: IndexedIdentity) -> String {
        let namespaces: [UInt32]
        switch identity.namespaces {
        case .number(let number):
            guard state.namespaces[Int(number)].groups.isEmpty else {
                namespaces = [number]
                break
            }
            let wanted = name(ofNamespace: number)
            let others = liveNamespaces.filter { $0 != number && !state.namespaces[Int($0)].groups.isEmpty }
            let like = NearestName.find(wanted, among: others.map { name(ofNamespace: $0) })
            return "there are no pods in namespace \(wanted)" + (like.map { "; did you mean \($0)?" } ?? "")
        case .matching(let match):
            namespaces = liveNamespaces.filter { match.matches(name(ofNamespace: $0)) }
            if namespaces.isEmpty { return "no namespace is named \(match.written)" }
        }
        let accounts = Set(namespaces.flatMap { state.namespaces[Int($0)].groups }.map { state.account(ofGroup: $0) })
        let wanted =
            switch identity.accounts {
            case .number(let number): state.strings[number]
            case .matching(let match): match.written
            }
        let like = NearestName.find(wanted, among: Array(accounts))
        return "no pod there has the service account \(wanted)" + (like.map { "; did you mean \($0)?" } ?? "")
    }

    /// The sentence for nodes of which none is known.
    func hint(nodes selector: IndexedSelector) -> String {
        let nodes = state.nodeObjects
        for requirement in selector.requirements {
            let labels = nodes.map { node in (node.metadata.name, pairs(node.metadata.labels)) }
            if labels.contains(where: { requirement.isMet(by: $0.1) }) { continue }
            let text = state.text(IndexedSelector(requirements: [requirement]))
            return "no node has the label \(text)" + suggestion(requirement, among: labels, "node")
        }
        return nodes.isEmpty ? "no nodes are known" : "no node has all of the labels \(state.text(selector))"
    }

    private func pairs(_ labels: [String: String]) -> [LabelPair] {
        labels.compactMap { key, value in
            guard let key = state.strings.number(of: key), let value = state.strings.number(of: value) else {
                return nil
            }
            return LabelPair(key: key, value: value)
        }.sorted()
    }

    /// The sentence for a port name that no pod in question has.
    func portHint(_ names: [PortName], in groups: [UInt32], _ direction: Direction) -> String? {
        guard let first = names.first else { return nil }
        let wanted = state.strings[first.name]
        let who = direction == .ingress ? "no pod that it selects" : "no pod among its peers"
        var others: Set<String> = []
        for group in groups {
            for port in state.ports(ofGroup: group) {
                let name = state.strings[port.name.name]
                guard name == wanted else {
                    others.insert(name)
                    continue
                }
                return "\(who) has a port \(wanted) of \(first.ipProtocol); it is of \(port.name.ipProtocol)"
            }
        }
        let like = NearestName.find(wanted, among: Array(others))
        return "\(who) has a port named \(wanted)" + (like.map { "; did you mean \($0)?" } ?? "")
    }
}

extension IndexedRequirement {
    /// What every pod has if none meets a condition that excludes.
    fileprivate var opposite: IndexedRequirement {
        var opposite = self
        opposite.operator = self.operator == .isNotIn ? .isIn : .exists
        return opposite
    }
}
