// SPDX-License-Identifier: Apache-2.0
import ControlProtocol
import KubernetesObjects
import PolicyDescriptions
import PolicyModel
import PolicyPipeline
import RequestPolicy

extension Agent where Plane: ~Copyable {
    /// A pod of the cluster, or an endpoint of this node, with everything that decides about it.
    public func describe(pod name: EndpointName) throws(ErrorAnswer) -> PodDescription {
        let endpoint = endpoints().endpoints.first { $0.namespace == name.namespace && $0.name == name.name }
        var describer = PolicyDescriber(pipeline.cluster)
        guard var description = describer.describe(pod: name) else {
            if let endpoint { return self.description(ofOnlyEndpoint: endpoint) }
            throw ErrorAnswer(.notFound, unknown(name))
        }
        try? takeHits()
        description.endpoint = endpoint
        complete(&description.ingress, .ingress, isHere: description.node != nil)
        complete(&description.egress, .egress, isHere: description.node != nil)
        let policies = (description.ingress.layers + description.egress.layers).flatMap(\.policies)
        description.changedAt = policies.compactMap(\.changedAt).max()
        description.notes += notes(about: name, isHere: description.node != nil)
        return description
    }

    /// Every policy that a name means.
    public func describe(policy asked: PolicyQuestion) throws(ErrorAnswer) -> PolicyDescriptionsAnswer {
        var describer = PolicyDescriber(pipeline.cluster)
        let found = describer.policies(kind: asked.kind, namespace: asked.namespace, name: asked.name)
        guard !found.isEmpty else { throw ErrorAnswer(.notFound, unknown(asked)) }
        try? takeHits()
        let selections = pipeline.policySelections
        var answer = PolicyDescriptionsAnswer(policies: [])
        for reference in found.prefix(Self.describedPolicies) {
            guard var description = describer.describe(reference) else { continue }
            let endpoints = selections[reference] ?? []
            description.endpoints = PodsAnswer(
                count: endpoints.count, names: endpoints.prefix(PolicyDescriber.nameLimit).map(\.description))
            complete(&description, isHere: !endpoints.isEmpty)
            if !endpoints.isEmpty { addDenied(to: &description) }
            answer.policies.append(description)
        }
        return answer
    }

    /// Policies of one name that an answer describes.
    private static var describedPolicies: Int { 50 }

    // MARK: What the objects do not say

    private func complete(_ direction: inout DirectionDescription, _ side: Direction, isHere: Bool) {
        for layer in direction.layers.indices {
            for policy in direction.layers[layer].policies.indices {
                complete(&direction.layers[layer].policies[policy], isHere: isHere)
            }
            let isolating = direction.layers[layer].isolatedBy.map(\.reference)
            guard isHere, !isolating.isEmpty else { continue }
            direction.layers[layer].denied = hits(of: .isolation(side, by: isolating))
        }
        direction.always = always(side)
    }

    func complete(_ policy: inout PolicyDescription, isHere: Bool) {
        let reference = policy.policy.reference
        let key = reference.objectKey
        let object = key.flatMap { inputs.store.policy($0) }
        policy.priority = object?.priority
        policy.origin = key.map { source(of: $0) }
        policy.createdAt = object.flatMap { PolicyTime.text($0.metadata.createdAt) }
        policy.changedAt = key.flatMap { history.times[$0] }
        let partial = object?.unknownParts ?? []
        policy.partial = partial.isEmpty ? nil : partial
        let problems = problems(of: reference)
        policy.problems = problems.isEmpty ? nil : problems
        policy.requests = requests.counts.byVerdict(of: reference)
        guard isHere else { return }
        for direction in Direction.allCases {
            let rules = direction == .ingress ? \PolicyDescription.ingress : \PolicyDescription.egress
            for index in policy[keyPath: rules].indices {
                let rule = policy[keyPath: rules][index]
                policy[keyPath: rules][index].hits = hits(of: reference.identity(of: rule, direction))
            }
        }
    }

    /// What a policy has denied because none of its rules allowed it. Reads all rules of the tables.
    private func addDenied(to policy: inout PolicyDescription) {
        let reference = policy.policy.reference
        let isolations = pipeline.compiled.rules.values.map(\.identity).filter { identity in
            if case .isolation(_, let by) = identity { by.contains(reference) } else { false }
        }
        for case .isolation(let direction, _) in isolations where policy.denied?[direction.rawValue] == nil {
            policy.denied = policy.denied ?? [:]
            policy.denied?[direction.rawValue] = sum(of: isolations, direction)
        }
    }

    private func sum(of isolations: [RuleIdentity], _ wanted: Direction) -> HitsAnswer? {
        var result: HitsAnswer?
        for case .isolation(wanted, let by) in isolations {
            guard let hits = hits(of: .isolation(wanted, by: by)) else { continue }
            guard var sum = result else {
                result = hits
                continue
            }
            sum.packets &+= hits.packets
            sum.bytes &+= hits.bytes
            sum.since = max(sum.since, hits.since)
            if hits.earlier != true { sum.earlier = nil }
            result = sum
        }
        return result
    }

    /// Reads the kernel's counters; without them, the last ones count.
    func takeHits() throws { counts.take(try datapath.ruleCounters()) }

    /// What a rule in the tables has counted; nil for one that is not.
    func hits(of rule: RuleIdentity) -> HitsAnswer? {
        guard counts.rules.isPresent(rule), let age = ruleAges[rule] else { return nil }
        let counter = counts.rules[rule]
        let all = requests.counts.requests(decidedBy: rule)
        // A proxy that starts again counts from zero.
        let requests = all >= age.requestsBefore ? all - age.requestsBefore : all
        return HitsAnswer(
            packets: counter.packets, bytes: counter.bytes, requests: requests == 0 ? nil : requests,
            since: age.since, earlier: age.isInherited ? true : nil)
    }

    // MARK: Facts of the node

    private func always(_ direction: Direction) -> [String] {
        let policy = settings.policy
        switch direction {
        case .ingress: return ["from its own node: always allowed (probes)"]
        case .egress:
            var result = ["to itself: always allowed"]
            if !policy.nodeDNS.isEmpty {
                let addresses = policy.nodeDNS.map(\.description).joined(separator: ", ")
                result.append("to \(addresses), port 53: always allowed (--node-dns)")
            }
            result.append(
                policy.enforcesNetworkPolicyOnOwnNode
                    ? "to its own node: judged by all tiers (--enforce-own-node), DHCP always allowed"
                    : "to its own node: judged by Admin and Baseline rules alone, DHCP always allowed")
            return result
        }
    }

    private func notes(about pod: EndpointName, isHere: Bool) -> [String] {
        var notes: [String] = []
        if !isHere {
            notes.append(
                "it is a pod of another node, which enforces this; packets are counted there, and the name of the node is "
                    + "not kept here")
        }
        if pipeline.endpointsOverLimit.contains(pod) {
            notes.append("it is not protected: this node has more pods than the tables hold")
        }
        if !phase.isClusterKnown { notes.append("the objects of the API server are not all known yet") }
        if phase.keepsPrevious {
            notes.append("the kernel keeps what a previous run left until all objects of the API server are known")
        }
        if let error = phase.error { notes.append("the kernel could not be programmed: \(error)") }
        return notes
    }

    /// Held, unknown and pushed endpoints have no object.
    private func description(ofOnlyEndpoint endpoint: EndpointAnswer) -> PodDescription {
        var description = PodDescription(namespace: endpoint.namespace, name: endpoint.name)
        description.node = settings.nodeName
        description.addresses = endpoint.addresses
        description.endpoint = endpoint
        description.notes = [
            endpoint.held == true
                ? "its object is not known yet: it is denied everything until then"
                : endpoint.unknown == true
                    ? "only its interface is known: policies for all pods hold for it, and no others"
                    : "its policy was pushed as resolved policy: GET /v1/resolved has the rules"
        ]
        return description
    }

    private func unknown(_ asked: PolicyQuestion) -> String {
        let known = pipeline.policySelections.keys.sorted()
        let text = "no policy \(asked)"
        if let other = known.first(where: { $0.name == asked.name }) {
            return "\(text); did you mean \(other.kind) \(other)?"
        }
        let like = NearestName.find(asked.name, among: known.map(\.name))
        guard let like, let meant = known.first(where: { $0.name == like }) else { return text }
        return "\(text); did you mean \(meant.kind) \(meant)?"
    }
}

extension PolicyName {
    var reference: PolicyReference { PolicyReference(kind: kind, namespace: namespace, name: name) }
}

extension PolicyReference {
    /// The identity of a described rule in the tables.
    fileprivate func identity(of rule: RuleDescription, _ direction: Direction) -> RuleIdentity {
        rule.action == "report"
            ? .report(self, direction, index: rule.index)
            : .rule(self, direction, index: rule.index, name: rule.name)
    }
}

extension RequestTotals {
    /// Requests that one rule has decided, whatever the verdict. Where no rule allows, each policy that isolates counts
    /// on its own.
    func requests(decidedBy rule: RuleIdentity) -> UInt64 {
        switch rule {
        case .rule(let policy, _, let index, _), .report(let policy, _, let index): sum(of: policy, rule: index)
        case .isolation(_, let by): by.reduce(0) { $0 &+ sum(of: $1, rule: -1) }
        case .ownNode, .noPolicy, .failsafe, .overLimit: 0
        }
    }

    private func sum(of policy: PolicyReference, rule: Int) -> UInt64 {
        guard policy.isOfAuthorization else { return 0 }
        return RequestCounts.Verdict.allCases.reduce(0) { sum, verdict in
            sum &+ (rules[Key(namespace: policy.namespace, name: policy.name, rule: rule, verdict: verdict)] ?? 0)
        }
    }
}
