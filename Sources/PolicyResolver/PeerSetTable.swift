// SPDX-License-Identifier: Apache-2.0
import ClusterState
import NetworkTypes
import PolicyModel

/// The peer sets that rules of local endpoints use, their member groups, and the index by which a group finds its peer
/// sets without trying every one.
struct PeerSetTable: Sendable {
    struct PeerSet: Sendable {
        var key: PeerSetKey
        var references: Int
        var anchors: [Anchor]
        /// Number of the namespace selector in `selectors`.
        var selector: UInt32?
        /// Member groups, sorted.
        var groups: [UInt32] = []
    }

    /// Where a group looks for peer sets: by a label that the selector requires, otherwise by namespace.
    struct Anchor: Hashable, Sendable {
        enum Scope: Hashable, Sendable {
            case namespace(UInt32)
            case selector(UInt32)
            case everywhere
        }
        var scope: Scope
        var pair: LabelPair?
        /// A service account, as a number of the state's strings; not together with ``pair``.
        var account: UInt32?
    }

    private(set) var sets: [PeerSet?] = []
    private var numbers: [PeerSetKey: UInt32] = [:]
    private var free: [UInt32] = []
    private var anchored: [Anchor: [UInt32]] = [:]
    /// Distinct namespace selectors in use, and the namespaces (sorted) that each matches; and the reverse.
    private var selectors = Interner<IndexedSelector>()
    private var liveSelectors: [UInt32] = []
    private var namespacesOfSelector: [UInt32: [UInt32]] = [:]
    private var selectorsOfNamespace: [UInt32: [UInt32]] = [:]
    /// The cache: peer sets (sorted) of each group; nil if the group is not active.
    private var setsOfGroup: [[PeerSetID]?] = []
    /// The prefixes in each set whose members change, and what this step changed.
    private var prefixes: [PeerSetID: [CIDR]] = [:]
    private var prefixChanges: [PeerSetID: MembershipChange] = [:]

    /// Groups that this step touched, with their peer sets before it.
    private var before: [UInt32: [PeerSetID]] = [:]
    private var added: [PeerSetID: PeerSetDescription] = [:]
    private var toRelease: [PeerSetID] = []

    var count: Int { numbers.count }

    func sets(ofGroup group: UInt32) -> [PeerSetID] {
        Int(group) < setsOfGroup.count ? setsOfGroup[Int(group)] ?? [] : []
    }

    // MARK: References

    /// The peer set with this key, with one more reference; a new set is created with its members.
    mutating func acquire(_ key: PeerSetKey, in state: ClusterState) -> PeerSetID {
        if let number = numbers[key] {
            sets[Int(number)]?.references += 1
            return PeerSetID(rawValue: number)
        }
        let number: UInt32
        if let old = free.popLast() {
            number = old
        } else {
            number = UInt32(sets.count)
            sets.append(nil)
        }
        numbers[key] = number
        let id = PeerSetID(rawValue: number)
        added[id] = key.description(in: state)
        prefixes[id] = key.members(in: state)
        var set = PeerSet(key: key, references: 1, anchors: [])
        if case .pods(let peers) = key {
            set.selector = retainSelector(of: peers, in: state)
            set.anchors = anchors(for: peers, selector: set.selector, in: state)
            for anchor in set.anchors { anchored[anchor, default: []].append(number) }
            set.groups = members(of: peers, selector: set.selector, in: state)
            for group in set.groups {
                touch(group)
                setsOfGroup[Int(group)]?.insertSorted(id)
            }
        }
        sets[Int(number)] = set
        return id
    }

    /// Removes a reference, at the end of the step.
    mutating func release(_ id: PeerSetID) { toRelease.append(id) }

    private mutating func retainSelector(of peers: PodPeers, in state: ClusterState) -> UInt32? {
        guard case .selector(let selector) = peers.scope else { return nil }
        let (number, isNew) = selectors.retain(selector)
        guard isNew else { return number }
        liveSelectors.insertSorted(number)
        var matching: [UInt32] = []
        for namespace in state.liveNamespaces where selector.matches(state.labels(ofNamespace: namespace)) {
            matching.append(namespace)
            selectorsOfNamespace[namespace, default: []].insertSorted(number)
        }
        namespacesOfSelector[number] = matching
        return number
    }

    private mutating func releaseSelector(_ number: UInt32) {
        guard selectors.release(number) != nil else { return }
        liveSelectors.removeSorted(number)
        for namespace in namespacesOfSelector.removeValue(forKey: number) ?? [] {
            selectorsOfNamespace[namespace]?.removeSorted(number)
            if selectorsOfNamespace[namespace]?.isEmpty == true { selectorsOfNamespace[namespace] = nil }
        }
    }

    // MARK: Membership

    /// The `In` requirement that the fewest pods meet, if any.
    private func anchorRequirement(of peers: PodPeers, in state: ClusterState) -> (IndexedRequirement, cost: Int)? {
        var best: (IndexedRequirement, cost: Int)?
        for requirement in peers.pods.requirements where requirement.operator == .isIn {
            var cost = 0
            for value in requirement.values {
                cost += state.groups(labeled: LabelPair(key: requirement.key, value: value)).count
            }
            if best.map({ cost < $0.cost }) ?? true { best = (requirement, cost) }
        }
        return best
    }

    private func anchors(for peers: PodPeers, selector: UInt32?, in state: ClusterState) -> [Anchor] {
        if case .number(let account) = peers.account {
            let scope: Anchor.Scope =
                if case .namespace(let namespace) = peers.scope { .namespace(namespace) } else { .everywhere }
            return [Anchor(scope: scope, pair: nil, account: account)]
        }
        if let (requirement, _) = anchorRequirement(of: peers, in: state) {
            let scope: Anchor.Scope =
                if case .namespace(let namespace) = peers.scope { .namespace(namespace) } else { .everywhere }
            return requirement.values.map {
                Anchor(scope: scope, pair: LabelPair(key: requirement.key, value: $0))
            }
        }
        switch peers.scope {
        case .namespace(let namespace): return [Anchor(scope: .namespace(namespace), pair: nil)]
        case .selector: return selector.map { [Anchor(scope: .selector($0), pair: nil)] } ?? []
        case .matching: return [Anchor(scope: .everywhere, pair: nil)]
        }
    }

    /// All active groups that match; sorted.
    private func members(of peers: PodPeers, selector: UInt32?, in state: ClusterState) -> [UInt32] {
        if case .namespace(let namespace) = peers.scope, case .number(let account) = peers.account {
            return state.groups(ofNamespace: namespace, account: account)
        }
        let namespaces: [UInt32] =
            switch peers.scope {
            case .namespace(let namespace): [namespace]
            case .selector: selector.flatMap { namespacesOfSelector[$0] } ?? []
            case .matching(let match): state.liveNamespaces.filter { match.matches(state.namespaces[Int($0)].name) }
            }
        var inNamespaces = 0
        for namespace in namespaces { inNamespaces += state.namespaces[Int(namespace)].groups.count }
        var result: [UInt32] = []
        func take(_ candidates: [UInt32]) {
            for group in candidates where isMember(group, of: peers, selector: selector, in: state) {
                result.append(group)
            }
        }
        if let (requirement, cost) = anchorRequirement(of: peers, in: state), cost < inNamespaces {
            for value in requirement.values {
                take(state.groups(labeled: LabelPair(key: requirement.key, value: value)))
            }
        } else {
            for namespace in namespaces { take(state.namespaces[Int(namespace)].groups) }
        }
        result.sort()
        return result
    }

    private func isMember(_ group: UInt32, of peers: PodPeers, selector: UInt32?, in state: ClusterState) -> Bool {
        let namespace = state.groups[Int(group)].namespace
        switch peers.scope {
        case .namespace(let own): guard own == namespace else { return false }
        case .selector:
            guard let selector, selectorsOfNamespace[namespace]?.containsSorted(selector) == true else { return false }
        case .matching(let match): guard match.matches(state.namespaces[Int(namespace)].name) else { return false }
        }
        switch peers.account {
        case nil: break
        case .number(let account): guard state.accountNumber(ofGroup: group) == account else { return false }
        case .matching(let match): guard match.matches(state.account(ofGroup: group)) else { return false }
        }
        if let port = peers.port, !state.ports(ofGroup: group).containsSorted(port) { return false }
        return peers.pods.requirements.isEmpty || peers.pods.matches(state.labels(ofGroup: group))
    }

    private mutating func touch(_ group: UInt32) {
        if before[group] == nil { before[group] = sets(ofGroup: group) }
    }

    /// Finds a group's peer sets again: it is new or gone, or its namespace has other labels.
    mutating func refresh(group: UInt32, in state: ClusterState) {
        while setsOfGroup.count < state.groups.count { setsOfGroup.append(nil) }
        touch(group)
        let old = setsOfGroup[Int(group)] ?? []
        let new = state.groups[Int(group)].isActive ? find(group, in: state) : nil
        for id in old where !(new?.containsSorted(id) ?? false) { sets[Int(id.rawValue)]?.groups.removeSorted(group) }
        for id in new ?? [] where !old.containsSorted(id) { sets[Int(id.rawValue)]?.groups.insertSorted(group) }
        setsOfGroup[Int(group)] = new
    }

    private func find(_ group: UInt32, in state: ClusterState) -> [PeerSetID] {
        var result: [PeerSetID] = []
        func take(_ anchor: Anchor) {
            for number in anchored[anchor] ?? [] {
                guard let set = sets[Int(number)], case .pods(let peers) = set.key,
                    isMember(group, of: peers, selector: set.selector, in: state)
                else { continue }
                result.append(PeerSetID(rawValue: number))
            }
        }
        let namespace = state.groups[Int(group)].namespace
        for pair in state.labels(ofGroup: group) {
            take(Anchor(scope: .namespace(namespace), pair: pair))
            take(Anchor(scope: .everywhere, pair: pair))
        }
        take(Anchor(scope: .namespace(namespace), pair: nil))
        let account = state.accountNumber(ofGroup: group)
        take(Anchor(scope: .namespace(namespace), pair: nil, account: account))
        take(Anchor(scope: .everywhere, pair: nil, account: account))
        take(Anchor(scope: .everywhere, pair: nil))
        for selector in selectorsOfNamespace[namespace] ?? [] { take(Anchor(scope: .selector(selector), pair: nil)) }
        result.sort()
        return result
    }

    /// Evaluates the namespace selectors for a namespace that is new or has other labels. Returns whether a different
    /// set of them matches.
    mutating func refresh(namespace: UInt32, in state: ClusterState) -> Bool {
        let old = selectorsOfNamespace[namespace] ?? []
        let labels = state.isLive(namespace: namespace) ? state.labels(ofNamespace: namespace) : nil
        var new: [UInt32] = []
        if let labels { for number in liveSelectors where selectors[number].matches(labels) { new.append(number) } }
        guard new != old else { return false }
        for number in old where !new.containsSorted(number) { namespacesOfSelector[number]?.removeSorted(namespace) }
        for number in new where !old.containsSorted(number) { namespacesOfSelector[number]?.insertSorted(namespace) }
        selectorsOfNamespace[namespace] = new.isEmpty ? nil : new
        return true
    }

    /// Finds the members of nodes' sets again: a node, its labels or its addresses changed.
    mutating func refreshNodes(in state: ClusterState) {
        for (id, old) in prefixes {
            guard let new = sets[Int(id.rawValue)]?.key.members(in: state), new != old else { continue }
            prefixes[id] = new
            prefixChanges[id] = MembershipChange(from: old, to: new)
        }
    }

    // MARK: End of a step

    /// Drops what nothing refers to any more and reports the changes of the step.
    mutating func finish(_ change: inout ResolvedChange, in state: ClusterState) {
        var freed: [UInt32] = []
        for id in toRelease {
            sets[Int(id.rawValue)]?.references -= 1
            guard let set = sets[Int(id.rawValue)], set.references == 0 else { continue }
            drop(id, set)
            freed.append(id.rawValue)
            if added.removeValue(forKey: id) == nil { change.removedPeerSets.append(id) }
        }
        change.removedPeerSets.sort()
        change.addedPeerSets = added
        change.members = prefixChanges
        for group in before.keys.sorted() {
            let old = before[group] ?? []
            let new = sets(ofGroup: group)
            guard old != new else { continue }
            let id = PeerGroupID(rawValue: group)
            if new.isEmpty {
                change.removedGroups.append(id)
                continue
            }
            change.groups[id] = new
            guard old.isEmpty else { continue }
            for pod in state.groups[Int(group)].members {
                for address in state.ownedAddresses(ofPod: pod) { change.addresses.append(AddressGroup(address, id)) }
            }
        }
        free += freed.sorted(by: >)
        before = [:]
        added = [:]
        prefixChanges = [:]
        toRelease = []
    }

    private mutating func drop(_ id: PeerSetID, _ set: PeerSet) {
        for group in set.groups {
            touch(group)
            setsOfGroup[Int(group)]?.removeSorted(id)
        }
        for anchor in set.anchors {
            anchored[anchor]?.removeAll { $0 == id.rawValue }
            if anchored[anchor]?.isEmpty == true { anchored[anchor] = nil }
        }
        if let selector = set.selector { releaseSelector(selector) }
        numbers[set.key] = nil
        sets[Int(id.rawValue)] = nil
        prefixes[id] = nil
        prefixChanges[id] = nil
    }
}
