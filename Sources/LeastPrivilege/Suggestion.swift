// SPDX-License-Identifier: Apache-2.0
import ClusterInventory
import Documents
import KubernetesObjects
import NetworkTypes
import PolicyModel

/// Least privilege from seen flows: one NetworkPolicy for each workload, which allows what was seen and nothing else.
public struct Suggestion: Sendable {
    /// Ordered by workload.
    public var policies: [SuggestedPolicy] = []
    /// Workloads without a seen flow: nothing is suggested for them.
    public var unseen: [WorkloadName] = []
    /// Flows that no policy was made of, ordered.
    public var leftOut: [LeftOut] = []
    /// What the engine says about the policies, if they are enforced.
    public var effect = SuggestionEffect()

    private let inventory: ClusterInventory
    private let selectors: WorkloadSelectors
    private let ends: FlowEnds
    private let request: SuggestionRequest
    private var located: [FlowEnds.Located] = []
    /// Indices of ``located`` by the pods at their ends.
    private var flowsOfPod: [EndpointName: [Int]] = [:]
    private var members: [EndpointName: [EndpointName]] = [:]
    private var peers: [EndpointName: (peer: SuggestedPeer, notes: [String])] = [:]

    /// - Parameter flows: allowed flows, in any order.
    /// - Throws: ``SuggestionError``.
    public init(
        _ request: SuggestionRequest, flows: Set<SeenFlow>, inventory: ClusterInventory
    ) throws(SuggestionError) {
        self.request = request
        self.inventory = inventory
        selectors = WorkloadSelectors(inventory)
        ends = FlowEnds(inventory, selectors.pods)
        for flow in flows.sorted() {
            switch ends.locate(flow) {
            case .success(let flow): if !flow.isWithinOne { located.append(flow) }
            case .failure(let reason): leftOut.append(reason)
            }
        }
        (located, effect) = SuggestionEffect.allowed(located, inventory)
        for workload in inventory.workloads {
            for pod in workload.pods { members[pod] = workload.pods }
        }
        for (index, flow) in located.enumerated() {
            for case .pod(let pod) in [flow.from, flow.to] { flowsOfPod[pod, default: []].append(index) }
        }
        for workload in try targets() { add(workload) }
        leftOut = leftOut.filter(isAboutTarget)
        try effect.tryOut(policies, located, inventory)
    }

    private func targets() throws(SuggestionError) -> [Workload] {
        let inNamespace = inventory.workloads.filter { $0.name.namespace == request.namespace }
        if inNamespace.isEmpty { throw .noSuchNamespace(request.namespace) }
        let named = inNamespace.filter { request.workload == nil || $0.name.name == request.workload }
        let name = "\(request.namespace)/\(request.workload ?? "*")"
        if named.isEmpty { throw .noSuchWorkload(name) }
        let judged = named.filter { !$0.isHostNetwork }
        if judged.isEmpty { throw .hostNetwork(name) }
        return judged
    }

    private func isAboutTarget(_ left: LeftOut) -> Bool {
        [left.flow.source, left.flow.destination].contains { $0.pod?.namespace == request.namespace }
    }

    private mutating func add(_ workload: Workload) {
        let labels = selectors.labels(of: workload.pods)
        let selected = selectors.selected(by: labels, in: request.namespace)
        var ingress = SuggestedRules()
        var egress = SuggestedRules()
        var count = 0
        var notes: Set<String> = []
        for index in Set(selected.flatMap { flowsOfPod[$0] ?? [] }).sorted() {
            let flow = located[index]
            if case .pod(let pod) = flow.to, selected.contains(pod) {
                allow(flow.from, of: pod, flow.flow, in: &ingress, &notes)
            }
            if case .pod(let pod) = flow.from, selected.contains(pod) {
                allow(flow.to, of: pod, flow.flow, in: &egress, &notes)
            }
            count += 1
        }
        guard count > 0 else { return unseen.append(workload.name) }
        for other in selected.subtracting(workload.pods).sorted() {
            notes.insert("no label tells \(workload.name) and the pod \(other) apart: the policy selects both")
        }
        if ingress.isEmpty { notes.insert("no flow to it was seen: all ingress is denied, except from its own node") }
        if egress.isEmpty { notes.insert("no flow from it was seen: all egress is denied") }
        let spec = DocumentNode.object([
            ("podSelector", SuggestedPeer.selector(labels)),
            ("policyTypes", .array([.string("Ingress"), .string("Egress")])),
            ("ingress", .array(ingress.nodes("from", in: request.namespace))),
            ("egress", .array(egress.nodes("to", in: request.namespace))),
        ])
        let name = policyName(workload.name)
        policies.append(
            SuggestedPolicy(
                workload: workload.name, plain: Self.document(name, request.namespace, spec, isEnforced: true),
                document: Self.document(name, request.namespace, spec, isEnforced: request.isEnforced), flows: count,
                notes: notes.sorted()))
    }

    private mutating func allow(
        _ other: FlowEnds.End, of pod: EndpointName, _ flow: SeenFlow, in rules: inout SuggestedRules,
        _ notes: inout Set<String>
    ) {
        guard let number = flow.port else { return }
        let port = SuggestedRules.Port(ipProtocol: flow.ipProtocol, number: number)
        switch other {
        case .address(let address):
            // A pod and its own node are not judged by a NetworkPolicy.
            if ends.isOwnNode(address, of: pod), !inventory.settings.enforcesNetworkPolicyOnOwnNode { return }
            let length = address.family == .ipv4 ? request.prefixV4 : request.prefixV6
            rules.allow(.block(CIDR(address, prefixLength: length)), port)
        case .pod(let name):
            let known = peers[name] ?? peer(name)
            peers[name] = known
            notes.formUnion(known.notes)
            rules.allow(known.peer, port)
        }
    }

    private func peer(_ name: EndpointName) -> (peer: SuggestedPeer, notes: [String]) {
        let members = members[name] ?? [name]
        let labels = selectors.labels(of: members)
        let more = selectors.selected(by: labels, in: name.namespace).subtracting(members).sorted()
        return (
            .pods(namespace: name.namespace, labels: labels),
            more.map { "the selector of its peer \(name) selects the pod \($0) as well" }
        )
    }

    /// No policy of the cluster has the name.
    private func policyName(_ workload: WorkloadName) -> String {
        var taken = Set(
            inventory.objects.filter { $0.kind == .networkPolicy && $0.metadata.namespace == request.namespace }
                .map(\.metadata.name))
        taken.formUnion(policies.compactMap { $0.plain["metadata"]?["name"]?.string })
        let stem = "seen-\(workload.name)".prefix(230)
        let names = ["\(stem)", "\(stem)-\(workload.kind.lowercased())"] + (2...10_000).map { "\(stem)-\($0)" }
        return names.first { !taken.contains($0) } ?? "\(stem)"
    }

    private static func document(
        _ name: String, _ namespace: String, _ spec: DocumentNode, isEnforced: Bool
    ) -> DocumentNode {
        var metadata: [(String, DocumentNode)] = [("name", .string(name)), ("namespace", .string(namespace))]
        if !isEnforced {
            metadata.append(
                ("annotations", .object([(Enforcement.annotation, .string(Enforcement.audit.rawValue))])))
        }
        return .object([
            ("apiVersion", .string("networking.k8s.io/v1")), ("kind", .string("NetworkPolicy")),
            ("metadata", .object(metadata)), ("spec", spec),
        ])
    }
}
