// SPDX-License-Identifier: Apache-2.0
import ControlProtocol
import KubernetesObjects

/// Which objects are in force, and the source of each. A guardrail overrides every other object of its key; a manifest
/// file or the API server overrides what clients of the socket push: a push of an owned object is refused, and an
/// object that was pushed before is taken over. An object that a guardrail overrides is a problem, and takes effect
/// when the guardrail is removed.
struct ObjectStore {
    /// The source of an object.
    enum Origin {
        case guardrail
        case manifest
        case cluster
        case socket
    }

    /// A watched directory of objects.
    enum Directory {
        case guardrails
        case manifests
    }

    /// Numbers of the policies in force.
    struct PolicyCounts {
        var all = 0
        var audited = 0
        /// With parts that are not understood.
        var partial = 0
    }

    private(set) var guardrails: [ObjectKey: KubernetesObject] = [:] { didSet { counts = nil } }
    private(set) var files: Set<ObjectKey> = []
    /// Policies of manifest files, which guardrails may override.
    private var filePolicies: [ObjectKey: KubernetesObject] = [:] { didSet { counts = nil } }
    /// Policies of the API server.
    private(set) var clusterPolicies: [ObjectKey: KubernetesObject] = [:] { didSet { counts = nil } }
    /// Whether an API server is the source of all pods, namespaces and nodes. Their keys are not kept.
    var followsCluster = false
    private(set) var pushed: [ObjectKey: KubernetesObject] = [:] { didSet { counts = nil } }
    /// Nil: to be counted again. Probes need it every few seconds.
    private var counts: PolicyCounts?

    /// In order, so that the same pushes give the same file.
    var pushedObjects: [KubernetesObject] { pushed.sorted { $0.key < $1.key }.map(\.value) }

    /// Policies of manifest files that a guardrail of the same key overrides, in order.
    var shadowed: [ObjectKey] { guardrails.keys.filter { filePolicies[$0] != nil }.sorted() }

    /// The same for the API server.
    var shadowedInCluster: [ObjectKey] { guardrails.keys.filter { clusterPolicies[$0] != nil }.sorted() }

    /// The source of the object that is in force; nil if there is none.
    func origin(of key: ObjectKey) -> Origin? {
        if guardrails[key] != nil { return .guardrail }
        if files.contains(key) { return .manifest }
        if clusterPolicies[key] != nil || (followsCluster && !key.kind.isPolicy) { return .cluster }
        return pushed[key] == nil ? nil : .socket
    }

    /// The policy that is in force under a key.
    func policy(_ key: ObjectKey) -> KubernetesObject? { guardrails[key] ?? underGuardrail(key) ?? pushed[key] }

    /// The policy under a key that would be in force without a guardrail.
    private func underGuardrail(_ key: ObjectKey) -> KubernetesObject? { filePolicies[key] ?? clusterPolicies[key] }

    /// All policies in force, in no order.
    var policies: [KubernetesObject] {
        Array(guardrails.values)
            + (Array(filePolicies) + Array(clusterPolicies)).filter { guardrails[$0.key] == nil }.map(\.value)
            + pushed.values.filter(\.kind.isPolicy)
    }

    mutating func countPolicies() -> PolicyCounts {
        if let counts { return counts }
        var new = PolicyCounts()
        for policy in policies {
            new.all += 1
            if policy.enforcement == .audit { new.audited += 1 }
            if !policy.unknownParts.isEmpty { new.partial += 1 }
        }
        counts = new
        return new
    }

    /// Applies changes of a directory.
    ///
    /// - Returns: what changes in force.
    mutating func take(_ events: [ObjectEvent], from directory: Directory) -> [ObjectEvent] {
        switch directory {
        case .guardrails: events.map { takeGuardrail($0) }
        case .manifests: events.compactMap { takeManifest($0) }
        }
    }

    private mutating func takeGuardrail(_ event: ObjectEvent) -> ObjectEvent {
        switch event {
        case .set(let object):
            guardrails[object.key] = object
            pushed[object.key] = nil
            return event
        case .removed(let key):
            guardrails[key] = nil
            return underGuardrail(key).map { .set($0) } ?? event
        }
    }

    /// Nil: a guardrail overrides it.
    private mutating func takeManifest(_ event: ObjectEvent) -> ObjectEvent? {
        let key: ObjectKey
        switch event {
        case .set(let object):
            key = object.key
            files.insert(key)
            pushed[key] = nil
            if key.kind.isPolicy { filePolicies[key] = object }
        case .removed(let removed):
            key = removed
            files.remove(key)
            filePolicies[key] = nil
        }
        return guardrails[key] == nil ? event : nil
    }

    /// Changes of the cluster.
    struct ClusterChange {
        /// Policies that take effect, change or are removed.
        var policies: [ObjectEvent] = []
        /// Pods, namespaces and nodes, for which there is no other source.
        var others: [ObjectEvent] = []
    }

    /// Applies what an API server reported.
    ///
    /// - Returns: what changes in force, without policies that a guardrail overrides.
    mutating func take(cluster events: [ObjectEvent]) -> ClusterChange {
        guard events.contains(where: \.key.kind.isPolicy) else { return ClusterChange(others: events) }
        var change = ClusterChange()
        for event in events {
            guard event.key.kind.isPolicy else {
                change.others.append(event)
                continue
            }
            if let policy = takeClusterPolicy(event) { change.policies.append(policy) }
        }
        return change
    }

    /// Nil: a guardrail overrides it.
    private mutating func takeClusterPolicy(_ event: ObjectEvent) -> ObjectEvent? {
        let key: ObjectKey
        switch event {
        case .set(let object):
            key = object.key
            clusterPolicies[key] = object
            pushed[key] = nil
        case .removed(let removed):
            key = removed
            clusterPolicies[key] = nil
        }
        return guardrails[key] == nil ? event : nil
    }

    /// Applies a push of objects, all or none.
    ///
    /// - Returns: what changes, and the answer.
    /// - Throws: an ``ErrorAnswer`` that names each object that a guardrail or file owns or that occurs twice.
    mutating func push(_ objects: [KubernetesObject]) throws(ErrorAnswer) -> ([ObjectEvent], ObjectsAnswer) {
        try refuseOwned(objects.map(\.key))
        var events: [ObjectEvent] = []
        var answer = ObjectsAnswer()
        for object in objects.sorted(by: { $0.key < $1.key }) {
            if pushed.updateValue(object, forKey: object.key) == object {
                answer.unchanged.append("\(object.key)")
            } else {
                events.append(.set(object))
                answer.applied.append("\(object.key)")
            }
        }
        return (events, answer)
    }

    /// Deletes pushed objects, all or none.
    mutating func delete(_ keys: [ObjectKey]) throws(ErrorAnswer) -> ([ObjectEvent], ObjectsAnswer) {
        try refuseOwned(keys)
        let missing = keys.filter { pushed[$0] == nil }.map { "\($0)" }
        guard missing.isEmpty else {
            throw ErrorAnswer(.notFound, "nothing was deleted; unknown objects: \(missing.joined(separator: ", "))")
        }
        let sorted = keys.sorted()
        for key in sorted { pushed[key] = nil }
        return (sorted.map { .removed($0) }, ObjectsAnswer(deleted: sorted.map { "\($0)" }))
    }

    /// Throws if a guardrail, a manifest file or the API server owns one of the objects, or one occurs twice.
    func refuseOwned(_ keys: [ObjectKey]) throws(ErrorAnswer) {
        var seen: Set<ObjectKey> = []
        let twice = keys.filter { !seen.insert($0).inserted }
        if !twice.isEmpty {
            throw ErrorAnswer(
                .invalidBody, "an object occurs more than once",
                problems: twice.map { Problem(object: "\($0)", field: "", reason: "occurs more than once") })
        }
        let owners: [(origin: Origin, reason: String, code: ErrorCode, message: String)] = [
            (
                .guardrail, "is a static guardrail of this node", .ownedByGuardrail,
                "a static guardrail overrides an object of that name"
            ),
            (.manifest, "is owned by a manifest file", .ownedByFile, "a manifest file owns an object of that name"),
            (.cluster, "is owned by the API server", .ownedByCluster, "the API server owns an object of that name"),
        ]
        let problems = owners.map { owner in
            keys.filter { origin(of: $0) == owner.origin }.map { Self.refusal($0, reason: owner.reason) }
        }
        guard let first = problems.firstIndex(where: { !$0.isEmpty }) else { return }
        throw ErrorAnswer(owners[first].code, owners[first].message, problems: problems.flatMap { $0 })
    }

    private static func refusal(_ key: ObjectKey, reason: String) -> Problem {
        Problem(object: "\(key)", field: "", reason: reason, hint: "change it there, or give the object another name")
    }
}
