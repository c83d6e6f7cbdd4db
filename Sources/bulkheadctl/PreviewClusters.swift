// SPDX-License-Identifier: Apache-2.0
import ClusterInventory
import ControlProtocol
import KubernetesObjects
import PolicyModel
import PolicyResolver
import Reachability

/// The cluster before a change and after it.
struct PreviewClusters {
    private let command: PreviewCommand
    private let settings: PolicySettings
    private var addresses: InventedAddresses

    init(_ command: PreviewCommand) {
        self.command = command
        settings = PolicySettings(mesh: command.mesh.settings)
        addresses = InventedAddresses()
    }

    func answer(deleting keys: [ObjectKey]) async throws -> PreviewAnswer {
        var copy = self
        return try await copy.compare(deleting: keys)
    }

    private mutating func compare(deleting keys: [ObjectKey]) async throws -> PreviewAnswer {
        let base = try await command.cluster.read(with: command.manifests, isRecursive: true)
        var (old, new) = (base, base)
        if let path = command.old { old.apply(InventoryReading(files: [path], isRecursive: true)) }
        let paths = command.new.map { [$0] } ?? command.filename
        if !paths.isEmpty { new.apply(InventoryReading(files: paths, isRecursive: true)) }
        for key in keys { try new.remove(key) }
        if command.old == nil {
            // What is wrong with the cluster itself is said of the cluster after the change.
            old.problems = []
            old.notices = []
            old.warnings = []
        }
        addresses = InventedAddresses(command.podCIDR, comparing: [old.input, new.input])
        var before = try map(old)
        var after = try map(new)
        guard !before.pods.isEmpty || !after.pods.isEmpty else {
            throw CommandFailure(
                "there are no pods, and without pods no flow is judged: name their manifests with --manifests")
        }
        // One more shows that there are more.
        let difference = try ReachabilityDifference(&before, &after, limit: command.limit + 1)
        return PreviewAnswer(difference, limit: command.limit)
    }

    private mutating func map(_ reading: InventoryReading) throws -> ReachabilityMap {
        let inventory = try reading.inventory(
            settings: settings, ignoringProblems: command.ignoreProblems,
            consequence: "an object could be missing from the answer", addresses: &addresses)
        return try ReachabilityMap(inventory)
    }
}

extension InventoryReading {
    /// The cluster without an object.
    fileprivate mutating func remove(_ key: ObjectKey) throws {
        let count = input.objects.count
        input.objects.removeAll { $0.key == key }
        guard input.objects.count < count else { throw CommandFailure("there is no \(key) to delete") }
        input.policies.removeAll { $0.key == key }
    }
}

extension PreviewAnswer {
    /// The ports of a pair with the same verdicts by the same rules are one change.
    init(_ difference: ReachabilityDifference, limit: Int) {
        struct Key: Hashable {
            var from: ReachParty
            var to: ReachParty
            var old: Verdict
            var new: Verdict
            var mayBeEqual: Bool
            var egress: SideAnswer?
            var ingress: SideAnswer?
        }
        var order: [Key] = []
        var groups: [Key: [ReachChange]] = [:]
        for change in difference.changes.prefix(limit) {
            let key = Key(
                from: change.from, to: change.to, old: change.old, new: change.new, mayBeEqual: change.mayBeEqual,
                egress: change.newFlow.egress, ingress: change.newFlow.ingress)
            if groups[key] == nil { order.append(key) }
            groups[key, default: []].append(change)
        }
        let changes = order.flatMap { key in
            groups[key].map { [PreviewChange($0)] } ?? []
        }
        self.init(
            changes: PreviewEffect.allCases.flatMap { effect in changes.filter { $0.effect == effect } },
            leftOut: max(0, difference.changes.count - limit), onlyOld: difference.onlyOld.map(\.description),
            onlyNew: difference.onlyNew.map(\.description))
    }
}

extension PreviewChange {
    /// - Parameter group: not empty; alike but for the ports.
    fileprivate init(_ group: [ReachChange]) {
        let first = group[0]
        let flow = first.newFlow
        self.init(
            from: PreviewParty(first.from), to: PreviewParty(first.to),
            ports: PortSpan.normalized(group.map(\.ports)).map(\.description), old: first.old, new: first.new,
            mayBeEqual: first.mayBeEqual, example: flow.flow.description,
            egress: flow.egress.map { DirectionAnswer($0, at: flow.from) },
            ingress: flow.ingress.map { DirectionAnswer($0, at: flow.to) })
    }
}

extension PreviewParty {
    fileprivate init(_ party: ReachParty) {
        switch party {
        case .workload(let key): self.init(names: ["\(key)"])
        case .nodes: self.init(names: ["node"])
        case .outside: self.init(names: ["outside"])
        }
    }
}

extension DirectionAnswer {
    fileprivate init(_ side: SideAnswer, at pod: EndpointName?) {
        let endpoint = pod ?? EndpointName(namespace: "", name: "node")
        self.init(
            verdict: side.verdict, kind: side.rule.kind.rawValue, reason: side.reason(at: endpoint),
            endpoint: pod, identity: side.rule, wouldDeny: side.wouldDeny)
    }
}
