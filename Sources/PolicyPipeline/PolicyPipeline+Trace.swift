// SPDX-License-Identifier: Apache-2.0
import ClusterState
import CompiledPolicy
import KubernetesObjects
import NetworkTypes
import PolicyModel
import Requests

extension PolicyPipeline {
    /// How the tables decide about a flow, and what the other end lacks of what each rule asks for.
    public func trace(_ flow: Flow, throughService: Bool = false, request: HTTPRequest? = nil) -> FlowTrace {
        var trace = compiled.trace(flow, throughService: throughService, request: request)
        trace.egress.map { trace.egress = described($0) }
        trace.ingress.map { trace.ingress = described($0) }
        return trace
    }

    private func described(_ trace: DirectionTrace) -> DirectionTrace {
        let peer = PeerFacts(trace.peer, in: state)
        var trace = trace
        for tier in trace.tiers.indices {
            for rule in trace.tiers[tier].rules.indices { peer.describe(&trace.tiers[tier].rules[rule], in: state) }
        }
        for tier in trace.audit.indices {
            for rule in trace.audit[tier].rules.indices { peer.describe(&trace.audit[tier].rules[rule], in: state) }
        }
        return trace
    }
}

/// What is known of the other end of a flow.
private struct PeerFacts {
    let address: IPAddress
    /// The pod that has the address; nil: none, or one whose object is not known.
    let pod: Pod?
    let namespaceLabels: [String: String]

    init(_ address: IPAddress, in state: ClusterState) {
        self.address = address
        let pod = state.pod(owning: address).flatMap { state.object(ofPod: $0) }
        self.pod = pod
        namespaceLabels = pod.flatMap { state.object(ofNamespace: $0.metadata.namespace) }?.metadata.labels ?? [:]
    }

    /// The peers of one rule that are kept, those that come nearest first.
    private static let limit = 3

    func describe(_ rule: inout RuleTrace, in state: ClusterState) {
        guard !rule.meetsPeer, let place = rule.identity.place, let policy = state.policy(place.policy) else { return }
        let rules = place.direction == .ingress ? policy.ingress : policy.egress
        var misses: [PeerMiss] = []
        for (index, written) in rules.enumerated() where written.writtenIndex ?? index == place.index {
            misses += self.misses(of: written, in: state)
        }
        let nearest = misses.enumerated().sorted {
            ($0.element.unmet.count, $0.offset) < ($1.element.unmet.count, $1.offset)
        }
        rule.misses = nearest.prefix(Self.limit).map(\.element)
    }

    private func misses(of rule: IndexedRule, in state: ClusterState) -> [PeerMiss] {
        var all: [PeerMiss] = []
        if let peers = rule.peers { all += misses(of: peers, in: state) }
        for condition in rule.conditions where !condition.isExcluded { all += misses(of: condition.peers, in: state) }
        return all
    }

    /// Empty if one of them is met.
    private func misses(of peers: [IndexedPeer], in state: ClusterState) -> [PeerMiss] {
        var all: [PeerMiss] = []
        for peer in peers {
            let unmet = unmet(by: peer, in: state)
            if unmet.isEmpty { return [] }
            all.append(PeerMiss(unmet: unmet))
        }
        return all
    }

    private func unmet(by peer: IndexedPeer, in state: ClusterState) -> [UnmetCondition] {
        switch peer {
        case .block(let block):
            return block.contains(address)
                ? [] : [.init(.address, .anyOf([block.description]), got: address.description)]
        case .nodes(let selector):
            guard !state.nodeAddresses(matching: selector).contains(where: { $0.contains(address) }) else { return [] }
            let text = state.text(selector)
            let wanted = text.isEmpty ? "the addresses of nodes" : "the addresses of nodes \(text)"
            return [.init(.address, .anyOf([wanted]), got: address.description)]
        case .pods(let subject):
            guard let pod = policedPod else { return [.init(.address, .pod, got: address.description)] }
            return unmet(by: subject.namespaces, pod, in: state)
                + subject.pods.unmet(by: pod.metadata.labels, in: state) { .label($0) }
        case .identity(let identity):
            guard let pod = policedPod else { return [.init(.address, .pod, got: address.description)] }
            return unmet(by: identity, pod, in: state)
        }
    }

    /// Selectors never match a pod with its node's network.
    private var policedPod: Pod? { pod.flatMap { $0.hostNetwork ? nil : $0 } }

    private func unmet(by scope: IndexedScope, _ pod: Pod, in state: ClusterState) -> [UnmetCondition] {
        let own = pod.metadata.namespace
        switch scope {
        case .namespace(let number):
            let wanted = state.namespaces[Int(number)].name
            return wanted == own ? [] : [.init(.namespace, .anyOf([wanted]), got: own)]
        case .selector(let selector):
            return selector.unmet(by: namespaceLabels, in: state) { .namespaceLabel($0) }
        }
    }

    private func unmet(by identity: IndexedIdentity, _ pod: Pod, in state: ClusterState) -> [UnmetCondition] {
        var unmet: [UnmetCondition] = []
        func compare(_ subject: UnmetCondition.Subject, _ wanted: TextMatch, _ got: String) {
            if !wanted.matches(got) { unmet.append(.init(subject, .anyOf([wanted.written]), got: got)) }
        }
        switch identity.namespaces {
        case .number(let number):
            compare(.namespace, .exact(state.namespaces[Int(number)].name), pod.metadata.namespace)
        case .matching(let match): compare(.namespace, match, pod.metadata.namespace)
        }
        switch identity.accounts {
        case .number(let number): compare(.serviceAccount, .exact(state.strings[number]), pod.serviceAccountName)
        case .matching(let match): compare(.serviceAccount, match, pod.serviceAccountName)
        }
        return unmet
    }
}

extension IndexedSelector {
    /// The requirements that labels do not meet.
    fileprivate func unmet(
        by labels: [String: String], in state: ClusterState, _ subject: (String) -> UnmetCondition.Subject
    ) -> [UnmetCondition] {
        requirements.compactMap { requirement in
            let key = state.strings[requirement.key]
            let values = requirement.values.map { state.strings[$0] }.sorted()
            let got = labels[key]
            let (isMet, need): (Bool, UnmetCondition.Need) =
                switch requirement.operator {
                case .isIn: (got.map { values.contains($0) } ?? false, .anyOf(values))
                case .isNotIn: (got.map { !values.contains($0) } ?? true, .noneOf(values))
                case .exists: (got != nil, .present)
                case .doesNotExist: (got == nil, .absent)
                }
            return isMet ? nil : UnmetCondition(subject(key), need, got: got)
        }
    }
}

extension RuleIdentity {
    /// Where it is written; nil for what no policy writes.
    fileprivate var place: (policy: PolicyReference, direction: Direction, index: Int)? {
        switch self {
        case .rule(let policy, let direction, let index, _), .report(let policy, let direction, let index):
            (policy, direction, index)
        case .isolation, .ownNode, .noPolicy, .failsafe, .overLimit: nil
        }
    }
}
