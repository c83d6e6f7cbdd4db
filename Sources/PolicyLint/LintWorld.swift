// SPDX-License-Identifier: Apache-2.0
import Documents
import KubernetesObjects
import PolicyModel

/// The pods and namespaces that are known to lint, also from workloads' templates.
struct LintWorld {
    struct KnownPod: Hashable {
        var namespace: String
        var labels: [String: String]
        var account: String
        var ports: [NamedPort]
    }

    /// Without those that have the node's network: no policy selects them.
    private(set) var pods: [KnownPod] = []
    /// Labels by name; a namespace that is only named has its name as label.
    private(set) var namespaces: [String: [String: String]] = [:]
    /// Namespaces whose objects are known.
    private(set) var described: Set<String> = []
    let isComplete: Bool

    init(_ objects: [LintObject], _ cluster: PolicyLint.Cluster) {
        isComplete = cluster.isComplete
        var seen: Set<KnownPod> = []
        let known = cluster.objects + objects.compactMap(\.object)
        var found = known.compactMap(Self.pod)
        // Manifests in git rarely hold pods: what runs them stands for them.
        found += objects.compactMap { object in
            WorkloadTemplate.pod(in: object.node).flatMap { Self.pod($0, in: object.namespace) }
        }
        for pod in found where seen.insert(pod).inserted { pods.append(pod) }
        for case .namespace(let namespace) in known {
            var labels = namespace.metadata.labels
            labels[Namespace.nameLabel] = namespace.metadata.name
            namespaces[namespace.metadata.name] = labels
            described.insert(namespace.metadata.name)
        }
        let named = pods.map(\.namespace) + known.map(\.metadata.namespace)
        for name in named where !name.isEmpty && namespaces[name] == nil {
            namespaces[name] = [Namespace.nameLabel: name]
        }
    }

    private static func pod(_ object: KubernetesObject) -> KnownPod? {
        guard case .pod(let pod) = object else { return nil }
        return Self.pod(pod, in: pod.metadata.namespace)
    }

    /// Nil if it has the node's network.
    private static func pod(_ pod: Pod, in namespace: String) -> KnownPod? {
        guard !pod.hostNetwork else { return nil }
        return KnownPod(
            namespace: namespace, labels: pod.metadata.labels, account: pod.serviceAccountName, ports: pod.namedPorts)
    }

    // MARK: What is selected

    func namespaces(in scope: NamespaceScope) -> [String] {
        switch scope {
        case .named(let name): [name]
        case .selector(let selector): namespaces.filter { selector.selects($0.value) }.map(\.key).sorted()
        }
    }

    func pods(of subject: PodSubject) -> [KnownPod] {
        let scope = Set(namespaces(in: subject.namespaces))
        return pods.filter { scope.contains($0.namespace) && subject.pods.selects($0.labels) }
    }

    func pods(of identity: PodIdentity) -> [KnownPod] {
        pods.filter { identity.namespace.matches($0.namespace) && identity.account.matches($0.account) }
    }

    /// Whether enough is known to say that a subject selects nothing: pods of the namespaces in question, or
    /// everything.
    func knows(_ scope: NamespaceScope) -> Bool {
        if isComplete { return true }
        let scope = Set(namespaces(in: scope))
        return pods.contains { scope.contains($0.namespace) }
    }

    // MARK: What was probably meant

    /// The sentence about a subject that selects no pod.
    func hint(_ subject: PodSubject) -> String {
        let scope = namespaces(in: subject.namespaces)
        let inScope = pods.filter { scope.contains($0.namespace) }
        if case .selector(let selector) = subject.namespaces, scope.isEmpty {
            return hint(selector, among: Array(namespaces.values), "namespace")
        }
        guard !inScope.isEmpty else {
            let names = scope.joined(separator: ", ")
            let like = scope.first.flatMap { NearestName.find($0, among: Set(pods.map(\.namespace)).sorted()) }
            return "there are no pods in \(names)" + (like.map { "; did you mean \($0)?" } ?? "")
        }
        return hint(subject.pods, among: inScope.map(\.labels), "pod")
    }

    private func hint(_ selector: LabelSelector, among sets: [[String: String]], _ what: String) -> String {
        for requirement in selector.requirements {
            let single = LabelSelector(matchExpressions: [requirement])
            guard !sets.contains(where: single.selects) else { continue }
            let keys = Set(sets.flatMap(\.keys)).sorted()
            let values = Set(sets.compactMap { $0[requirement.key] }).sorted()
            var text = "no \(what) there has \(requirement.words)"
            if values.isEmpty {
                if let like = NearestName.find(requirement.key, among: keys) { text += "; did you mean \(like)?" }
            } else if let value = requirement.values.first, requirement.operator == .in {
                let like = NearestName.find(value, among: values) ?? values.prefix(3).joined(separator: ", ")
                text += "; \(requirement.key) is \(like) there"
            }
            return text
        }
        return "no \(what) there has all of these labels: \(selector.requirements.map(\.words).joined(separator: ", "))"
    }

    /// The sentence about a port name that none of the pods has.
    func hint(port name: String, of pods: [KnownPod]) -> String {
        let names = Set(pods.flatMap(\.ports).map(\.name)).sorted()
        if names.isEmpty { return "their containers have no named ports" }
        let like = NearestName.find(name, among: names)
        return like.map { "did you mean \($0)?" } ?? "their ports are named \(names.prefix(5).joined(separator: ", "))"
    }
}

extension LabelSelector {
    /// Labels and expressions in one form, sorted.
    var requirements: [LabelRequirement] {
        matchLabels.sorted { $0.key < $1.key }.map {
            LabelRequirement(key: $0.key, operator: .in, values: [$0.value])
        } + matchExpressions
    }

    var isEmpty: Bool { matchLabels.isEmpty && matchExpressions.isEmpty }
}

extension LabelRequirement {
    /// `app=web`, `app in (a, b)`, `app`.
    var words: String {
        switch self.operator {
        case .in: values.count == 1 ? "\(key)=\(values[0])" : "\(key) in (\(values.joined(separator: ", ")))"
        case .notIn: "\(key) not in (\(values.joined(separator: ", ")))"
        case .exists: key
        case .doesNotExist: "no \(key)"
        }
    }
}
