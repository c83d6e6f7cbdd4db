// SPDX-License-Identifier: Apache-2.0
import NetworkTypes
import PolicyModel

/// Addresses that neither of two maps can tell apart: a unit of both.
struct JointUnit: Sendable {
    struct Key: Hashable, Sendable {
        var party: ReachParty?
        var family: AddressFamily
        var old: ReachUnit.Key
        var new: ReachUnit.Key
        /// Apart from all others, where the maps name different nodes.
        var single: Int32 = -1
    }

    struct Member: Sendable {
        var old: ReachUnit.Member
        var new: ReachUnit.Member
    }

    var key: Key
    var members: [Member] = []

    var old: ReachUnit { ReachUnit(key: key.old) }
    var new: ReachUnit { ReachUnit(key: key.new) }

    private var hasHosts: Bool { old.hasHosts || new.hasHosts || key.single >= 0 }
    private var isOfPods: Bool { key.old.kind == .pods || key.new.kind == .pods }

    /// As ``ReachUnit/meetings(_:_:)``, for both maps at once.
    static func meetings(_ source: JointUnit, _ destination: JointUnit) -> [(ReachMeeting, ReachMeeting)] {
        guard source.isOfPods || destination.isOfPods else { return [] }
        let isSimple = !source.hasHosts && !destination.hasHosts
        var found: [(ReachMeeting, ReachMeeting)] = []
        var nodes: Set<[UInt32]> = []
        for a in source.members where !nodes.contains(a.nodes) {
            var others: Set<[UInt32]> = []
            for b in destination.members where a.old.pod < 0 || a.old.pod != b.old.pod {
                guard others.insert(b.nodes).inserted else { continue }
                let both = (
                    meeting(a.old, source.key.old, b.old, destination.key.old),
                    meeting(a.new, source.key.new, b.new, destination.key.new)
                )
                if !found.contains(where: { $0.0.isLike(both.0) && $0.1.isLike(both.1) }) { found.append(both) }
                if isSimple { return found }
            }
            if !others.isEmpty { nodes.insert(a.nodes) }
            // Regular units on one side alone have two combinations.
            let isRegular = source.key.single < 0 && destination.key.single < 0
            if isRegular, found.count == 2, source.hasHosts != destination.hasHosts { break }
        }
        return found
    }

    private static func meeting(
        _ a: ReachUnit.Member, _ source: ReachUnit.Key, _ b: ReachUnit.Member, _ destination: ReachUnit.Key
    ) -> ReachMeeting {
        ReachMeeting(
            source: a, destination: b,
            isToOwnNode: source.egress != ReachabilityMap.notJudged && b.hosts.contains(a.node),
            isFromOwnNode: destination.ingress != ReachabilityMap.notJudged && a.hosts.contains(b.node))
    }
}

extension JointUnit.Member {
    fileprivate var nodes: [UInt32] { [old.node, new.node] + old.hosts + [.max] + new.hosts }
}

extension ReachMeeting {
    fileprivate func isLike(_ other: ReachMeeting) -> Bool {
        isToOwnNode == other.isToOwnNode && isFromOwnNode == other.isFromOwnNode
    }
}

/// The units of two maps.
struct JointUnits {
    private(set) var units: [JointUnit] = []
    private(set) var onlyOld: [UnmatchedPod] = []
    private(set) var onlyNew: [UnmatchedPod] = []
    private var numbers: [JointUnit.Key: Int] = [:]
    private var singles: Int32 = 0
    private let maps: (old: ReachabilityMap, new: ReachabilityMap)
    /// Nodes with an address: it matters where a pod is only if one of them is its own.
    private let hosting: (old: Set<UInt32>, new: Set<UInt32>)

    /// - Parameter withPods: whether units of pods are wanted.
    init(_ old: ReachabilityMap, _ new: ReachabilityMap, withPods: Bool = true) {
        maps = (old, new)
        hosting = (Self.hosting(old), Self.hosting(new))
        if withPods { addPods() }
        addHosts()
        addOutside()
    }

    private mutating func add(_ member: JointUnit.Member, to key: JointUnit.Key) {
        let number = numbers[key] ?? units.count
        if number == units.count {
            numbers[key] = number
            units.append(JointUnit(key: key))
        }
        units[number].members.append(member)
    }

    private mutating func nextSingle() -> Int32 {
        singles += 1
        return singles - 1
    }

    // MARK: Pods

    private mutating func addPods() {
        let (old, new) = (Self.places(maps.old), Self.places(maps.new))
        onlyOld = old.keys.filter { new[$0] == nil }.map { UnmatchedPod($0) }
        onlyNew = new.keys.filter { old[$0] == nil }.map { UnmatchedPod($0) }
        for (name, before) in old.sorted(by: { $0.key < $1.key }) {
            guard let after = new[name] else { continue }
            for family in AddressFamily.allCases {
                let (first, second) = (
                    before.filter { $0.address.family == family }, after.filter { $0.address.family == family }
                )
                guard !first.isEmpty, !second.isEmpty else {
                    if !first.isEmpty { onlyOld.append(UnmatchedPod(name, family)) }
                    if !second.isEmpty { onlyNew.append(UnmatchedPod(name, family)) }
                    continue
                }
                for index in 0..<max(first.count, second.count) {
                    add(first[min(index, first.count - 1)], second[min(index, second.count - 1)])
                }
            }
        }
    }

    private static func hosting(_ map: ReachabilityMap) -> Set<UInt32> {
        Set(map.hosts.flatMap(\.hosts) + map.places.flatMap(\.hosts))
    }

    private static func places(_ map: ReachabilityMap) -> [EndpointName: [ReachabilityMap.Place]] {
        Dictionary(grouping: map.places) { map.pods[Int($0.pod)].endpointName }
    }

    private mutating func add(_ old: ReachabilityMap.Place, _ new: ReachabilityMap.Place) {
        var key = JointUnit.Key(
            party: .workload(maps.new.workloads[Int(new.pod)]), family: new.address.family,
            old: ReachUnit.Key(old), new: ReachUnit.Key(new))
        let member = JointUnit.Member(old: .init(old), new: .init(new))
        if !isRegular(member) || !old.hosts.isEmpty || !new.hosts.isEmpty { key.single = nextSingle() }
        add(member, to: key)
    }

    /// Whether both maps name the same nodes, where nodes matter.
    private func isRegular(_ member: JointUnit.Member) -> Bool {
        func name(_ map: ReachabilityMap, _ node: UInt32) -> String {
            node == ReachabilityMap.noNode ? "" : map.nodeNames[Int(node)]
        }
        let isOnSameNode =
            name(maps.old, member.old.node) == name(maps.new, member.new.node)
            || !hosting.old.contains(member.old.node) && !hosting.new.contains(member.new.node)
        return isOnSameNode
            && Set(member.old.hosts.map { name(maps.old, $0) }) == Set(member.new.hosts.map { name(maps.new, $0) })
    }

    // MARK: Nodes and all others

    private mutating func addHosts() {
        for address in Set(maps.old.hosts.map(\.address)).union(maps.new.hosts.map(\.address)).sorted() {
            // An address that is a pod's in one of the two is compared as that pod's.
            guard maps.old.place(at: address) == nil, maps.new.place(at: address) == nil else { continue }
            let (old, new) = (maps.old.other(at: address), maps.new.other(at: address))
            var key = JointUnit.Key(party: .nodes, family: address.family, old: old.key, new: new.key)
            let member = JointUnit.Member(old: old.member, new: new.member)
            if !isRegular(member) { key.single = nextSingle() }
            add(member, to: key)
        }
    }

    /// The prefixes of both, each less those of either inside it.
    private mutating func addOutside() {
        let classes = (maps.old.regionClasses, maps.new.regionClasses)
        let prefixes = Set((maps.old.regions + maps.new.regions).flatMap { [$0.prefix] + $0.inside }).sorted()
        var stack: [(prefix: CIDR, old: UInt32, new: UInt32)] = []
        var regions: [CIDR: (old: UInt32, new: UInt32, inside: [CIDR])] = [:]
        for prefix in prefixes {
            while let top = stack.last, !top.prefix.contains(prefix) { stack.removeLast() }
            if let around = stack.last { regions[around.prefix]?.inside.append(prefix) }
            let old = classes.0[prefix] ?? stack.last?.old ?? 0
            let new = classes.1[prefix] ?? stack.last?.new ?? 0
            stack.append((prefix, old, new))
            regions[prefix] = (old, new, [])
        }
        for prefix in prefixes where !CIDR.loopback.contains(where: { $0.contains(prefix) }) {
            guard let region = regions[prefix],
                let example = ReachabilityMap.freeAddress(
                    in: prefix, without: region.inside, isTaken: { maps.old.hasOwner($0) || maps.new.hasOwner($0) })
            else { continue }
            let key = JointUnit.Key(
                party: .outside, family: prefix.family, old: .init(other: region.old, .outside, prefix.family),
                new: .init(other: region.new, .outside, prefix.family))
            if numbers[key] == nil {
                add(JointUnit.Member(old: .init(address: example), new: .init(address: example)), to: key)
            }
        }
    }
}

extension ReachUnit.Key {
    fileprivate init(_ place: ReachabilityMap.Place) {
        self.init(
            family: place.address.family, addressClass: place.addressClass, ingress: place.ingress,
            egress: place.egress, party: nil, kind: .pods)
    }

    fileprivate init(other addressClass: UInt32, _ kind: ReachUnit.Kind, _ family: AddressFamily) {
        self.init(
            family: family, addressClass: addressClass, ingress: ReachabilityMap.notJudged,
            egress: ReachabilityMap.notJudged, party: nil, kind: kind)
    }
}

extension ReachUnit.Member {
    fileprivate init(_ place: ReachabilityMap.Place) {
        self.init(pod: place.pod, address: place.address, node: place.node, hosts: place.hosts)
    }
}

extension ReachabilityMap {
    fileprivate var regionClasses: [CIDR: UInt32] {
        Dictionary(regions.map { ($0.prefix, $0.addressClass) }) { first, _ in first }
    }

    /// What an address without a pod is here: a node's, or one outside.
    func other(at address: IPAddress) -> (key: ReachUnit.Key, member: ReachUnit.Member) {
        if let host = host(at: address) {
            return (
                .init(other: host.addressClass, .hosts, address.family), .init(address: address, hosts: host.hosts)
            )
        }
        let around = regions.filter { $0.prefix.contains(address) }
            .max { $0.prefix.prefixLength < $1.prefix.prefixLength }
        return (.init(other: around?.addressClass ?? 0, .outside, address.family), .init(address: address))
    }
}
