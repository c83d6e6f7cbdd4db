// SPDX-License-Identifier: Apache-2.0
import ClusterInventory
import ClusterVerdicts
import ControlProtocol
import KubernetesObjects
import NetworkTypes
import PolicyModel
import PolicyResolver

/// A cluster as its manifests or its API server describe it.
struct OfflineCluster {
    var verdicts: ClusterVerdict
    private var services: [Service]
    private var pods: [EndpointName: Pod] = [:]
    private var workloads: [Workload]

    /// - Parameter settings: the daemons' settings.
    /// - Throws: ``CommandFailure`` if documents are refused and that may not be ignored. Refused documents, and
    ///   policies that are not enforced, are reported on standard error either way.
    init(_ reading: InventoryReading, ignoringProblems: Bool, settings: PolicySettings) throws {
        var addresses = InventedAddresses()
        let inventory = try reading.inventory(
            settings: settings, ignoringProblems: ignoringProblems,
            consequence: "a policy could be missing from the verdict", addresses: &addresses)
        verdicts = ClusterVerdict(objects: inventory.objects, settings: settings)
        services = inventory.services
        workloads = inventory.workloads
        for object in inventory.objects {
            guard case .pod(let pod) = object else { continue }
            pods[EndpointName(namespace: pod.metadata.namespace, name: pod.metadata.name)] = pod
        }
    }

    /// The answer to one question; for a Service's name or address, the decisions of its backend pods.
    mutating func answer(_ query: VerdictQuery) throws -> VerdictAnswer { try explain(query).verdict }

    /// The same with everything that was tried on the way to it.
    mutating func explain(_ query: VerdictQuery) throws -> ExplainAnswer {
        guard let service = try service(query.to), let port = query.port else { return try decide(query, query.to) }
        let backends = try backends(of: service, query.ipProtocol, port)
        var explained: [ExplainAnswer] = []
        for (pod, port) in backends {
            var asked = query
            asked.port = port
            explained.append(
                try decide(asked, .flow(.pod(namespace: pod.metadata.namespace, name: pod.metadata.name))))
        }
        return ExplainAnswer(
            about: "Service \(service.namespace)/\(service.name)",
            explained: zip(backends, explained).map { backend, answer in
                ("\(backend.0.metadata.namespace)/\(backend.0.metadata.name)", backend.1, answer)
            })
    }

    private mutating func decide(_ query: VerdictQuery, _ to: VerdictQuery.End) throws -> ExplainAnswer {
        var query = query
        query.to = end(to)
        query.from = end(query.from)
        guard let question = query.question else { throw query.serviceError }
        let decision = try verdicts.answer(question, request: query.request)
        let trace = verdicts.trace(of: decision, request: query.request)
        return ExplainAnswer(verdict: VerdictAnswer(decision), egress: trace.egress, ingress: trace.ingress)
    }

    /// A workload's name stands for its first pod that is not finished, unless a pod has the name.
    private func end(_ end: VerdictQuery.End) -> VerdictQuery.End {
        guard case .flow(.pod(let namespace, let name)) = end,
            pods[EndpointName(namespace: namespace, name: name)] == nil,
            let members = workloads.first(where: { $0.name.namespace == namespace && $0.name.name == name })?.pods,
            let pod = members.first(where: { !isFinished($0) }) ?? members.first
        else { return end }
        return .flow(.pod(namespace: pod.namespace, name: pod.name))
    }

    private func isFinished(_ name: EndpointName) -> Bool {
        pods[name]?.isFinished ?? false
    }

    private func service(_ end: VerdictQuery.End) throws -> Service? {
        switch end {
        case .service(let namespace, let name):
            guard let service = services.first(where: { $0.namespace == namespace && $0.name == name }) else {
                throw CommandFailure("no Service \(namespace)/\(name) in the manifests")
            }
            return service
        case .flow(.address(let address)): return services.first { $0.addresses.contains(address) }
        case .flow(.pod): return nil
        }
    }

    /// The pods that it selects, each with the port that receives a packet.
    private func backends(
        of service: Service, _ ipProtocol: IPProtocol, _ number: UInt16
    ) throws -> [(Pod, UInt16)] {
        let name = "Service \(service.namespace)/\(service.name)"
        guard let port = service.ports.first(where: { $0.number == number && $0.ipProtocol == ipProtocol }) else {
            let known = service.ports.map { "\($0.number)/\("\($0.ipProtocol)".lowercased())" }.joined(separator: ", ")
            throw CommandFailure("\(name) has no such port; it has \(known.isEmpty ? "none" : known)")
        }
        guard !service.selector.isEmpty else {
            throw CommandFailure("\(name) has no selector, and endpoints are not read: ask for one of its backends")
        }
        let backends = pods.sorted { $0.key < $1.key }.map(\.value).compactMap { pod -> (Pod, UInt16)? in
            guard pod.metadata.namespace == service.namespace, !pod.podIPs.isEmpty, pod.phase == .running,
                service.selector.allSatisfy({ pod.metadata.labels[$0.key] == $0.value })
            else { return nil }
            switch port.target {
            case .number(let number): return (pod, number)
            case .named(let name):
                return pod.namedPorts.first { $0.name == name && $0.ipProtocol == ipProtocol }.map { (pod, $0.number) }
            }
        }
        guard !backends.isEmpty else { throw CommandFailure("\(name) has no backend pod in the manifests") }
        return backends
    }
}
