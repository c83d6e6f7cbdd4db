// SPDX-License-Identifier: Apache-2.0
import Documents
import Findings
import KubernetesObjects
import NetworkTypes
import PolicyModel
import PolicyTranslation

/// Checks of one policy's selectors and port names against the pods that are known.
struct SelectorChecks {
    let object: LintObject
    let world: LintWorld
    private let mesh: MeshSettings

    init(_ object: LintObject, _ world: LintWorld, _ mesh: MeshSettings) {
        self.object = object
        self.world = world
        self.mesh = mesh
    }

    var findings: [Finding] {
        guard let decoded = object.object, let policy = Policy(decoded, mesh: mesh) else { return [] }
        var found: [Finding] = []
        // An empty selector means all pods, also those to come.
        let isForAll = policy.subject.pods.isEmpty
        let selected = world.pods(of: policy.subject)
        if selected.isEmpty, !isForAll, world.knows(policy.subject.namespaces) {
            found.append(
                object.finding(
                    .selectsNothing, "The policy selects no pod: \(world.hint(policy.subject)).",
                    at: selectorPath, fix: "Correct the selector, or remove the policy."))
        }
        for direction in Direction.allCases {
            let rules = direction == .ingress ? policy.ingress : policy.egress
            for (index, rule) in rules.enumerated() {
                found += peers(of: rule, index, direction)
                found += ports(of: rule, index, direction, subject: selected)
            }
        }
        // Rules with several parts name the same peer more than once.
        var seen: Set<Finding> = []
        return found.filter { seen.insert($0).inserted }
    }

    private var selectorPath: FieldPath {
        switch object.kind {
        case "NetworkPolicy": .of(.field("spec"), .field("podSelector"))
        case "AuthorizationPolicy": .of(.field("spec"), .field("selector"))
        default: .of(.field("spec"), .field("subject"))
        }
    }

    private func path(_ rule: PolicyRule, _ index: Int, _ direction: Direction, peer: Int? = nil) -> FieldPath {
        guard object.kind != "AuthorizationPolicy" else {
            return .of(.field("spec"), .field("rules"), .index(rule.writtenIndex ?? index))
        }
        let path = FieldPath.of(.field("spec"), .field(direction.rawValue), .index(index))
        guard let peer, object.kind == "NetworkPolicy" else { return path }
        return path.appending(.field(direction == .ingress ? "from" : "to")).appending(.index(peer))
    }

    // MARK: Peers

    private func peers(of rule: PolicyRule, _ index: Int, _ direction: Direction) -> [Finding] {
        let included = rule.conditions.filter { !$0.isExcluded }.flatMap(\.peers)
        return ((rule.peers ?? []) + included).enumerated().compactMap { number, peer in
            guard let hint = hint(peer) else { return nil }
            return object.finding(
                .peerMatchesNothing, "The peer matches no pod: \(hint).",
                at: path(rule, index, direction, peer: number),
                fix: "Correct the labels, or remove the peer.")
        }
    }

    /// Nil if the peer matches something, or too little is known to say so.
    private func hint(_ peer: PolicyPeer) -> String? {
        switch peer {
        case .pods(let subject):
            guard !subject.pods.isEmpty || isMistyped(subject.namespaces), world.pods(of: subject).isEmpty,
                world.knows(subject.namespaces) || isMistyped(subject.namespaces)
            else { return nil }
            return world.hint(subject)
        case .identity(let identity):
            guard world.pods(of: identity).isEmpty, case .exact(let namespace) = identity.namespace,
                world.knows(.named(namespace))
            else { return nil }
            let accounts = Set(world.pods.filter { $0.namespace == namespace }.map(\.account)).sorted()
            let known = accounts.isEmpty ? "there are no pods" : "the pods run as \(accounts.joined(separator: ", "))"
            return "in namespace \(namespace) \(known), not as \(identity.account.written)"
        case .nodes, .block: return nil
        }
    }

    /// Whether a selector of namespaces selects none of those that are known, although its keys are known. Names alone
    /// say nothing: files may leave namespaces out.
    private func isMistyped(_ scope: NamespaceScope) -> Bool {
        guard case .selector(let selector) = scope, !selector.isEmpty, world.namespaces(in: scope).isEmpty else {
            return false
        }
        if world.isComplete { return true }
        let keys = Set(world.described.flatMap { world.namespaces[$0]?.keys.map(\.self) ?? [] })
        let isKnown = selector.requirements.allSatisfy { requirement in
            requirement.key != Namespace.nameLabel && keys.contains(requirement.key)
        }
        return isKnown && world.described.count > 1
    }

    // MARK: Ports

    private func ports(
        of rule: PolicyRule, _ index: Int, _ direction: Direction, subject: [LintWorld.KnownPod]
    ) -> [Finding] {
        let names = (rule.ports ?? []).compactMap { port -> (String, IPProtocol)? in
            guard case .named(let name, let ipProtocol) = port else { return nil }
            return (name, ipProtocol)
        }
        let owners = direction == .ingress ? subject : peerPods(of: rule)
        guard !names.isEmpty, !owners.isEmpty else { return [] }
        let isAnyProtocol = object.kind != "NetworkPolicy"
        return Set(names.map(\.0)).sorted().compactMap { name in
            let wanted = Set(names.filter { $0.0 == name }.map(\.1))
            let serving = owners.flatMap(\.ports).filter { $0.name == name }
            guard !serving.contains(where: { isAnyProtocol || wanted.contains($0.ipProtocol) }) else { return nil }
            let who = direction == .ingress ? "that the policy selects" : "among the rule's peers"
            let hint =
                serving.first.map { "the port of this name is \($0.ipProtocol)" } ?? world.hint(port: name, of: owners)
            return object.finding(
                .unservedPort, "No pod \(who) has a container port named \(name): \(hint).",
                at: path(rule, index, direction).appending(.field("ports")),
                fix: "Write the name of a container port of these pods, or the number.")
        }
    }

    /// The pods whose ports an egress rule names.
    private func peerPods(of rule: PolicyRule) -> [LintWorld.KnownPod] {
        (rule.peers ?? []).flatMap { peer -> [LintWorld.KnownPod] in
            guard case .pods(let subject) = peer else { return [] }
            return world.pods(of: subject)
        }
    }
}
