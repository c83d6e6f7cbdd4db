// SPDX-License-Identifier: Apache-2.0
import ClusterState
import CompiledPolicy
import Explanations
import KubernetesObjects
import NetworkTypes
import PolicyModel
import PolicyPipeline
import PolicyResolver
import Requests

/// Verdicts over a whole cluster, from its objects alone. Egress is decided as on the source pod's node, ingress as on
/// the destination pod's node; a node's policy is compiled when a question first needs it.
public struct ClusterVerdict: Sendable {
    private let events: [ObjectEvent]
    let pods: [EndpointName: Pod]
    private let nodeAddresses: [String: [IPAddress]]
    /// The pod that owns each address.
    let owners: [IPAddress: EndpointName]
    private let settings: PolicySettings
    /// By node.
    var pipelines: [String: PolicyPipeline] = [:]

    /// Of several objects with one kind, namespace and name, the last one counts.
    ///
    /// - Parameter settings: settings for traffic between pods and their own node.
    public init(objects: [KubernetesObject], settings: PolicySettings = PolicySettings()) {
        var pods: [EndpointName: Pod] = [:]
        var nodes: [String: [IPAddress]] = [:]
        var events: [ObjectEvent] = []
        for object in objects {
            switch object {
            case .pod(var pod):
                if pod.nodeName.isEmpty { pod.nodeName = Self.standInNode(for: pod, number: pods.count) }
                pods[pod.endpointName] = pod
                events.append(.set(.pod(pod)))
            case .node(let node):
                nodes[node.metadata.name] = node.addresses
                events.append(.set(object))
            case .namespace, .networkPolicy, .tierPolicy, .authorizationPolicy: events.append(.set(object))
            }
        }
        self.events = events
        self.settings = settings
        self.pods = pods
        self.nodeAddresses = nodes
        self.owners = Self.owners(of: pods)
    }

    /// Manifests need not say where a pod runs, and its verdict hardly depends on it. Such pods are put on nodes with
    /// names that no Node has, together with pods that name the same host, at most a thousand on each.
    private static func standInNode(for pod: Pod, number: Int) -> String {
        "(\(pod.hostIPs.map(\.description).joined(separator: ",")) \(number / 1000))"
    }

    /// Decided by the same table as on the nodes.
    private static func owners(of pods: [EndpointName: Pod]) -> [IPAddress: EndpointName] {
        let claimants = pods.filter { !$0.value.hostNetwork && !$0.value.isFinished }.map { ($0.key, $0.value) }
        var table = ClaimTable()
        for (number, (_, pod)) in claimants.enumerated() {
            for address in Set(pod.podIPs) {
                _ = table.claim(address, by: UInt32(number)) { number in
                    let (name, pod) = claimants[Int(number)]
                    return Claim(
                        address: address, endpoint: name, source: .object, age: pod.metadata.createdAt)
                }
            }
        }
        return table.owners.mapValues { claimants[Int($0)].0 }
    }

    /// Whether policy allows the flow, and what decides.
    ///
    /// If both ends have several addresses, the answer is for the source's first address whose family the destination
    /// has.
    ///
    /// - Parameter request: the HTTP request that the flow carries; nil: the question is about the flow as a whole.
    /// - Throws: ``VerdictQuestionError``.
    public mutating func answer(
        _ question: FlowQuestion, request: HTTPRequest? = nil
    ) throws(VerdictQuestionError) -> ClusterDecision {
        let (from, to, ipProtocol, port) = (question.from, question.to, question.ipProtocol, question.port)
        if ipProtocol.hasPorts, port == nil { throw .portMissing(ipProtocol) }
        if !ipProtocol.hasPorts, port != nil { throw .portNotAllowed(ipProtocol) }
        if request != nil, ipProtocol != .tcp { throw .requestNotAllowed(ipProtocol) }
        let sources = try addresses(of: from)
        let destinations = try addresses(of: to)
        func flow(_ source: IPAddress) -> Flow? {
            destinations.first { $0.family == source.family }.map {
                Flow(source: source, destination: $0, ipProtocol: ipProtocol, destinationPort: port)
            }
        }
        guard let source = sources.first(where: { flow($0) != nil }), let first = flow(source) else {
            throw .noCommonFamily(from: from, to: to)
        }
        var decision = try decide(first, request, from: from, to: to)
        if case .pod = from, case .pod = to,
            let other = sources.first(where: { $0.family != source.family }).flatMap(flow)
        {
            decision.note = note(comparing: decision, with: other, request)
        }
        return decision
    }

    private mutating func note(
        comparing decision: ClusterDecision, with other: Flow, _ request: HTTPRequest?
    ) -> String? {
        let source = owners[other.source]
        let destination = owners[other.destination]
        var verdict = Verdict.allow
        if source == nil || source != destination {
            for node in Set([source, destination].compactMap { $0.flatMap { pods[$0]?.nodeName } }) {
                compile(node)
                guard let compiled = pipelines[node]?.compiled, !compiled.allows(other) else { continue }
                // Only for what is not simply allowed: it costs more.
                verdict = .both(verdict, compiled.evaluate(other, request: request).verdict)
            }
        }
        guard verdict != decision.verdict else { return nil }
        return "answer for \(decision.flow); \(other) has the verdict \(verdict.rawValue)"
    }
}

// MARK: - From ends to addresses

extension ClusterVerdict {
    /// Not empty.
    private func addresses(of end: FlowEnd) throws(VerdictQuestionError) -> [IPAddress] {
        switch end {
        case .address(let address): return [address]
        case .pod(let namespace, let name):
            let endpoint = EndpointName(namespace: namespace, name: name)
            guard let pod = pods[endpoint] else { throw .podNotFound(endpoint) }
            let claimed = !pod.isFinished ? claimedAddresses(of: pod) : []
            guard let first = claimed.first else { throw .podWithoutAddress(endpoint, phase: pod.phase) }
            if pod.hostNetwork { return claimed }
            let own = claimed.filter { owners[$0] == endpoint }
            if own.isEmpty, let owner = owners[first] { throw .addressTaken(endpoint, first, by: owner) }
            return own
        }
    }

    /// A host network pod has its host's addresses, from all objects that name them.
    private func claimedAddresses(of pod: Pod) -> [IPAddress] {
        pod.hostNetwork ? pod.hostAddresses(node: nodeAddresses[pod.nodeName] ?? []) : pod.podIPs
    }
}

// MARK: - From addresses to decisions

extension ClusterVerdict {
    private mutating func decide(
        _ flow: Flow, _ request: HTTPRequest?, from: FlowEnd, to: FlowEnd
    ) throws(VerdictQuestionError) -> ClusterDecision {
        let source = owners[flow.source]
        let destination = owners[flow.destination]
        if let source, source == destination {
            let decision = pods[source].map { evaluate(flow, request, on: $0.nodeName) }
            return ClusterDecision(
                verdict: .allow, flow: flow, egress: ClusterDirection(samePod: source, decision?.egress),
                ingress: ClusterDirection(samePod: source, decision?.ingress), isSelf: true)
        }
        let sourceNode = source.flatMap { pods[$0]?.nodeName }
        let destinationNode = destination.flatMap { pods[$0]?.nodeName }
        let atSource = sourceNode.map { evaluate(flow, request, on: $0) }
        let atDestination =
            destinationNode == sourceNode ? atSource : destinationNode.map { evaluate(flow, request, on: $0) }
        let egress = try direction(atSource?.egress, of: source, at: from, flow.source)
        let ingress = try direction(atDestination?.ingress, of: destination, at: to, flow.destination)
        return ClusterDecision(
            verdict: .both(egress.verdict, ingress.verdict), flow: flow, egress: egress, ingress: ingress,
            isSelf: false)
    }

    private mutating func evaluate(_ flow: Flow, _ request: HTTPRequest?, on node: String) -> Decision {
        compile(node)
        guard let pipeline = pipelines[node] else { preconditionFailure("compiled just now") }
        return pipeline.compiled.evaluate(flow, request: request)
    }

    mutating func compile(_ node: String) {
        guard pipelines[node] == nil else { return }
        var pipeline = PolicyPipeline(nodeName: node, settings: settings)
        _ = pipeline.apply(events)
        pipelines[node] = pipeline
    }

    private func direction(
        _ decision: DirectionDecision?, of owner: EndpointName?, at end: FlowEnd, _ address: IPAddress
    ) throws(VerdictQuestionError) -> ClusterDirection {
        if let decision { return ClusterDirection(decision, principal: { principal(of: $0) }) }
        if let owner { throw .undecided(owner) }
        if case .pod(let namespace, let name) = end {
            return ClusterDirection(hostNetworkPod: EndpointName(namespace: namespace, name: name))
        }
        return ClusterDirection(noPodAt: address)
    }
}

extension ClusterVerdict {
    /// The identity of the pod that owns an address; nil without one.
    private func principal(of address: IPAddress) -> String? {
        owners[address].flatMap { pods[$0] }?.principal(trustDomain: settings.mesh.trustDomains[0])
    }
}

extension Pod {
    /// `trust domain/ns/namespace/sa/account`, as authorization policies name a pod's identity.
    public func principal(trustDomain: String) -> String {
        "\(trustDomain)/ns/\(metadata.namespace)/sa/\(serviceAccountName)"
    }
}

extension ClusterDirection {
    fileprivate init(_ decision: DirectionDecision, principal: (IPAddress) -> String?) {
        self.init(
            verdict: decision.verdict, decided: true, kind: decision.identity.kind,
            reason: decision.reason(principal: principal),
            endpoint: decision.endpoint, identity: decision.identity, wouldDeny: decision.wouldDeny)
    }

    fileprivate init(samePod pod: EndpointName, _ decision: DirectionDecision?) {
        self.init(
            verdict: .allow, decided: false, kind: .samePod,
            reason: decision?.reason ?? DirectionDecision.alwaysToItself(pod), endpoint: pod)
    }

    fileprivate init(hostNetworkPod pod: EndpointName) {
        self.init(
            verdict: .allow, decided: false, kind: .hostNetwork,
            reason: "\(pod) uses its node's network and is subject to no policy", endpoint: pod)
    }

    fileprivate init(noPodAt address: IPAddress) {
        self.init(
            verdict: .allow, decided: false, kind: .noPod, reason: "no pod of this cluster has the address \(address)")
    }
}

extension Pod {
    var endpointName: EndpointName {
        EndpointName(namespace: metadata.namespace, name: metadata.name)
    }
}
