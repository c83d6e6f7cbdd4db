// SPDX-License-Identifier: Apache-2.0
import ClusterVerdicts
import CompiledPolicy
import ControlProtocol
import KubernetesObjects
import NetworkTypes
import PolicyModel
import PolicyResolver
import Requests

extension Agent where Plane: ~Copyable {
    /// What the pods' nodes decide. The compiled tables judge this node's pods; the same policies, compiled for them
    /// alone outside of this actor, judge those of other nodes: a question must not delay a change.
    public func verdict(
        _ question: FlowQuestion, request: HTTPRequest? = nil, asksKernel: Bool = false
    ) async throws(ErrorAnswer) -> VerdictAnswer {
        if asksKernel { await waitUntilReadyToAsk() }
        let asked = try ask(question, request)
        // At once: before anything changes the tables that have decided.
        let kernel = asksKernel ? compareWithKernel(asked.flows, question) : nil
        let service = try await serviceAsked(asked, question, request)
        if var answer = service.answer?.verdict {
            if !asksKernel { answer.kernel = nil }
            return answer
        }
        var answer = asked.elsewhere.isEmpty ? asked.answer(decidedElsewhere: [:]) : await Self.decide(asked)
        answer.kernel = kernel
        answer.add(note: service.problem)
        return answer
    }

    private nonisolated static func decide(_ asked: AskedVerdict) async -> VerdictAnswer {
        var cluster = ClusterVerdict(objects: asked.objects, settings: asked.settings)
        var decided: [Flow: ClusterDecision] = [:]
        for flow in asked.flows {
            decided[flow] = try? cluster.answer(FlowQuestion(about: flow), request: asked.request)
        }
        return asked.answer(decidedElsewhere: decided)
    }

    /// Everything that an answer needs, and the decisions of this node's tables.
    func ask(_ question: FlowQuestion, _ request: HTTPRequest?) throws(ErrorAnswer) -> AskedVerdict {
        let sources = try addresses(of: question.from, "from")
        let destinations = try addresses(of: question.to, "to")
        var flows: [Flow] = []
        for source in sources {
            guard !flows.contains(where: { $0.source.family == source.family }),
                let destination = destinations.first(where: { $0.family == source.family })
            else { continue }
            flows.append(
                Flow(
                    source: source, destination: destination, ipProtocol: question.ipProtocol,
                    destinationPort: question.port))
        }
        guard let first = flows.first else {
            throw ErrorAnswer(.badRequest, "'from' and 'to' have no address family in common")
        }
        let (source, destination) = (end(question.from, first.source), end(question.to, first.destination))
        let elsewhere = [source, destination].compactMap { end in
            if case .elsewhere(let pod) = end { pod } else { nil }
        }
        var asked = AskedVerdict(
            flows: flows, source: source, destination: destination, elsewhere: elsewhere, thisNode: settings.nodeName)
        asked.settings = settings.policy
        asked.request = request
        asked.local = flows.map { pipeline.compiled.evaluate($0, request: request) }
        for address in flows.flatMap({ [$0.source, $0.destination] }) {
            asked.principals[address] = principal(of: address)
        }
        if !elsewhere.isEmpty {
            let pods = flows.flatMap { [$0.source, $0.destination] }.compactMap { pipeline.pod(owning: $0) }
            asked.objects = pipeline.objects(about: pods) + inputs.store.policies
        }
        if phase.keepsPrevious {
            asked.unknown =
                "the kernel keeps what a previous run left until all objects of the API server are known"
        }
        return asked
    }

    /// The identity of the pod that owns an address; nil without one.
    func principal(of address: IPAddress) -> String? {
        pipeline.pod(owning: address).flatMap { pipeline.object(ofPod: $0) }?
            .principal(trustDomain: settings.policy.mesh.trustDomains[0])
    }

    /// The owner of an address, and the node that decides about it.
    private func end(_ end: FlowEnd, _ address: IPAddress) -> AskedVerdict.End {
        let owner = pipeline.compiled.endpoints[pipeline.compiled.addresses.entry(of: address).endpoint]
        if let owner { return .here(owner.name) }
        if case .pod(let namespace, let name) = end {
            let pod = EndpointName(namespace: namespace, name: name)
            if pipeline.endpointsOverLimit.contains(pod) {
                return .undecided("\(pod) is not protected: this node has more pods than the tables hold", pod)
            }
            if pipeline.object(ofPod: pod)?.hostNetwork ?? false { return .hostNetwork(pod) }
        }
        if let pod = pipeline.pod(owning: address) { return .elsewhere(pod) }
        if !phase.isClusterKnown {
            return .undecided(
                "it is not known yet whether a pod has \(address): the API server is still being read", nil)
        }
        let node = isOwnAddress(address) ? settings.nodeName : pipeline.node(withAddress: address)
        return .nobody(address, node: node)
    }

    func addresses(of end: FlowEnd, _ name: String) throws(ErrorAnswer) -> [IPAddress] {
        switch end {
        case .address(let address): return [address]
        case .pod(let namespace, let podName):
            let pod = EndpointName(namespace: namespace, name: podName)
            guard let addresses = pipeline.addresses(ofPod: pod) else {
                throw ErrorAnswer(.notFound, "'\(name)': \(unknown(pod))")
            }
            guard !addresses.isEmpty else {
                throw ErrorAnswer(
                    .notFound, "'\(name)': the pod \(pod) has no address: it has not started yet, or has finished")
            }
            return addresses
        }
    }

    func unknown(_ pod: EndpointName) -> String {
        let known =
            settings.cluster == nil
            ? "no pod \(pod) among the objects that this node's bulkheadd knows" : "no pod \(pod) in the cluster"
        if !phase.isClusterKnown { return "\(known), whose objects are not all known yet" }
        let like = pipeline.pods(like: pod).map(\.description)
        return like.isEmpty ? known : "\(known); did you mean \(like.joined(separator: " or "))?"
    }
}
