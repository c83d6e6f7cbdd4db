// SPDX-License-Identifier: Apache-2.0
import ClusterState
import ControlProtocol
import NetworkTypes
import PolicyModel

/// Describes policies and pods: what the indexed selectors select now, by name, within bounds.
///
/// A describer is made for one question. It remembers what a selector selects, because many rules name the same pods.
public struct PolicyDescriber {
    /// How many names of pods a peer lists.
    public static let nameLimit = 10
    /// From how many pods the names are chosen: finding the very first of 150,000 would delay changes.
    static let sortLimit = 200

    let state: ClusterState
    let nameLimit: Int
    private var selections: [IndexedSubject: Selection] = [:]
    /// Of subjects of which only that was asked.
    private var emptiness: [IndexedSubject: Bool] = [:]
    private var answers: [IndexedSubject: PodsAnswer] = [:]
    /// Namespaces that each selector selects.
    private var matching: [IndexedSelector: [UInt32]] = [:]
    private lazy var live = state.liveNamespaces
    /// The pods that have a value of a label's key, by value and namespace.
    var values: [UInt32: [UInt32: [UInt32: Int]]] = [:]
    private var activeGroups: [UInt32]?

    /// The pods of some groups.
    struct Selection {
        var groups: [UInt32]
        var count: Int
        var isEmpty: Bool { groups.isEmpty }
    }

    /// - Parameters:
    ///   - state: the cluster after a step.
    ///   - nameLimit: how many names of pods a peer lists.
    package init(_ state: ClusterState, nameLimit: Int = Self.nameLimit) {
        self.state = state
        self.nameLimit = nameLimit
    }

    // MARK: What selectors select

    /// The groups whose pods a subject contains; remembered.
    mutating func selection(_ subject: IndexedSubject) -> Selection {
        if let known = selections[subject] { return known }
        let selection = select(subject)
        selections[subject] = selection
        return selection
    }

    /// Whether a subject contains no pod: known from the first group that it contains; remembered.
    mutating func isEmpty(_ subject: IndexedSubject) -> Bool {
        if let known = selections[subject] { return known.isEmpty }
        if let known = emptiness[subject] { return known }
        let (candidates, isInScope) = candidates(subject)
        let isEmpty = !candidates.contains { group in
            isInScope(group) && subject.pods.matches(state.labels(ofGroup: group))
        }
        emptiness[subject] = isEmpty
        return isEmpty
    }

    private mutating func select(_ subject: IndexedSubject) -> Selection {
        let (candidates, isInScope) = candidates(subject)
        let groups = candidates.filter { isInScope($0) && subject.pods.matches(state.labels(ofGroup: $0)) }
        return Selection(groups: groups, count: count(groups))
    }

    /// Groups among which are all that a subject contains, and whether one of them is in its namespaces. By the label
    /// that the fewest pods have, or by the namespaces.
    private mutating func candidates(_ subject: IndexedSubject) -> ([UInt32], isInScope: (UInt32) -> Bool) {
        let namespaces = namespaces(subject.namespaces)
        let inNamespaces = namespaces.reduce(0) { $0 + state.namespaces[Int($1)].groups.count }
        var candidates: [UInt32]?
        for requirement in subject.pods.requirements where requirement.operator == .isIn {
            let labeled = requirement.values.flatMap {
                state.groups(labeled: LabelPair(key: requirement.key, value: $0))
            }
            if labeled.count < (candidates?.count ?? inNamespaces) { candidates = labeled }
        }
        guard let candidates else {
            return (namespaces.flatMap { state.namespaces[Int($0)].groups }, { _ in true })
        }
        let groups = state.groups
        guard namespaces.count != 1 else { return (candidates, { groups[Int($0)].namespace == namespaces[0] }) }
        let scope = Set(namespaces)
        return (candidates, { scope.contains(groups[Int($0)].namespace) })
    }

    func count(_ groups: [UInt32]) -> Int { groups.reduce(0) { $0 + state.groups[Int($1)].members.count } }

    /// The namespaces of a scope, sorted.
    mutating func namespaces(_ scope: IndexedScope) -> [UInt32] {
        switch scope {
        case .namespace(let number): return [number]
        case .selector(let selector):
            if let known = matching[selector] { return known }
            let found = live.filter { selector.matches(state.labels(ofNamespace: $0)) }
            matching[selector] = found
            return found
        }
    }

    /// All namespaces whose pods can be peers.
    var liveNamespaces: [UInt32] { mutating get { live } }

    /// All groups with pods.
    var allGroups: [UInt32] {
        mutating get {
            if let activeGroups { return activeGroups }
            let groups = live.flatMap { state.namespaces[Int($0)].groups }
            activeGroups = groups
            return groups
        }
    }

    /// The groups whose pods have an identity.
    mutating func selection(_ identity: IndexedIdentity) -> Selection {
        let namespaces: [UInt32] =
            switch identity.namespaces {
            case .number(let number): [number]
            case .matching(let match): live.filter { match.matches(state.namespaces[Int($0)].name) }
            }
        let groups = namespaces.flatMap { namespace -> [UInt32] in
            switch identity.accounts {
            case .number(let account): state.groups(ofNamespace: namespace, account: account)
            case .matching(.present): state.namespaces[Int(namespace)].groups
            case .matching(let match):
                state.namespaces[Int(namespace)].groups.filter { match.matches(state.account(ofGroup: $0)) }
            }
        }
        return Selection(groups: groups, count: count(groups))
    }

    /// The pods of a subject.
    mutating func pods(_ subject: IndexedSubject) -> PodsAnswer {
        if let known = answers[subject] { return known }
        let answer = pods(selection(subject))
        answers[subject] = answer
        return answer
    }

    /// Their number, and some names.
    func pods(_ selection: Selection) -> PodsAnswer {
        let limit = max(Self.sortLimit, nameLimit)
        var names: [EndpointName] = []
        for group in selection.groups {
            names += state.groups[Int(group)].members.prefix(limit - names.count).map { state.endpointName(ofPod: $0) }
            if names.count >= limit { break }
        }
        names.sort()
        return PodsAnswer(count: selection.count, names: names.prefix(nameLimit).map(\.description))
    }

    func name(ofNamespace number: UInt32) -> String { state.namespaces[Int(number)].name }
}
