// SPDX-License-Identifier: Apache-2.0
import ClusterInventory
import KubernetesObjects
import NetworkTypes
import PolicyModel

/// The ends of recorded flows in the cluster as it is now.
struct FlowEnds {
    /// One end now.
    enum End: Hashable {
        /// A pod with an own address, or in its place another one of its workload.
        case pod(EndpointName)
        /// An address that no pod has for itself.
        case address(IPAddress)

        var isPod: Bool { if case .pod = self { true } else { false } }
    }

    /// A flow between ends that are there now.
    struct Located: Hashable {
        var from: End
        var to: End
        var flow: SeenFlow
        /// By the flow's own addresses where the pods still have them: verdicts of the families can differ.
        var question: FlowQuestion
        /// A pod reaches itself whatever its policies say, and a node is not judged. Two pods of a workload that are
        /// gone may be the same pod now, but the flow was between two.
        var isWithinOne: Bool
    }

    private let pods: [EndpointName: Pod]
    private let workloads: [EndpointName: Workload]
    private let owners: [IPAddress: EndpointName]
    private let services: [IPAddress: Service]
    private let nodes: [String: [IPAddress]]

    init(_ inventory: ClusterInventory, _ pods: [EndpointName: Pod]) {
        self.pods = pods
        workloads = Dictionary(
            inventory.workloads.map { (EndpointName(namespace: $0.name.namespace, name: $0.name.name), $0) },
            uniquingKeysWith: { first, _ in first })
        var owners: [IPAddress: EndpointName] = [:]
        var nodes: [String: [IPAddress]] = [:]
        for object in inventory.objects {
            switch object {
            case .node(let node): nodes[node.metadata.name] = node.addresses
            case .pod(let pod):
                let name = EndpointName(namespace: pod.metadata.namespace, name: pod.metadata.name)
                guard !pod.hostNetwork, !pod.isFinished, !inventory.invented.contains(name) else { continue }
                for address in pod.podIPs { owners[address] = name }
            case .namespace, .networkPolicy, .tierPolicy, .authorizationPolicy: continue
            }
        }
        self.owners = owners
        self.nodes = nodes
        services = Dictionary(
            inventory.services.flatMap { service in service.addresses.map { ($0, service) } },
            uniquingKeysWith: { first, _ in first })
    }

    /// The flow now.
    ///
    /// - Returns: or why it says nothing about what is there now.
    func locate(_ flow: SeenFlow) -> Result<Located, LeftOut> {
        func fail(_ reason: String) -> Result<Located, LeftOut> { .failure(LeftOut(flow: flow, reason: reason)) }
        if !flow.ipProtocol.hasPorts {
            return fail("a NetworkPolicy cannot name \(flow.ipProtocol): once enforced, the policies deny it")
        }
        if flow.port == nil { return fail("its port is not known") }
        if let service = services[flow.destination.address], owners[flow.destination.address] == nil {
            return fail("its destination is the Service \(service.namespace)/\(service.name), not a pod of it")
        }
        guard var from = locate(flow.source) else { return fail("pod \(flow.source.pod?.description ?? "") is gone") }
        guard let to = locate(flow.destination, besides: from) else {
            return fail("pod \(flow.destination.pod?.description ?? "") is gone")
        }
        if from == to { from = locate(flow.source, besides: to) ?? from }
        let question = FlowQuestion(
            from: end(from, flow.source.address), to: end(to, flow.destination.address), ipProtocol: flow.ipProtocol,
            port: flow.port)
        let isSame = recorded(flow.source) == recorded(flow.destination)
        return .success(
            Located(
                from: from, to: to, flow: flow, question: question, isWithinOne: isSame || (from == to && !from.isPod)))
    }

    private func recorded(_ end: SeenFlow.End) -> End {
        (end.pod ?? owners[end.address]).map { .pod($0) } ?? .address(end.address)
    }

    private func end(_ end: End, _ address: IPAddress) -> FlowEnd {
        switch end {
        case .address(let address): return .address(address)
        case .pod(let name):
            if owners[address] == name { return .address(address) }
            // Of the same family, if another pod stands for one that is gone.
            let same = pods[name]?.podIPs.first { $0.family == address.family && owners[$0] == name }
            if let same { return .address(same) }
            return .pod(namespace: name.namespace, name: name.name)
        }
    }

    /// Nil for a pod that is not there, and whose workload is not known.
    ///
    /// - Parameter other: what does not stand for a pod that is gone, if its workload has other pods.
    private func locate(_ end: SeenFlow.End, besides other: End? = nil) -> End? {
        guard let name = end.pod ?? owners[end.address] else { return .address(end.address) }
        if let pod = pods[name], !pod.isFinished { return pod.hostNetwork ? .address(end.address) : .pod(name) }
        guard let workload = workload(of: name) else { return nil }
        if workload.isHostNetwork { return .address(end.address) }
        let running = workload.pods.filter { pods[$0].map { !$0.isFinished } ?? false }.map { End.pod($0) }
        return running.first { $0 != other } ?? running.first
    }

    /// Of a pod that is gone, by the form of its name: `web-5d9c7b6f5-x2x4v`, `web-x2x4v`, `redis-0`.
    private func workload(of pod: EndpointName) -> Workload? {
        if let same = workloads[pod] { return same }
        var parts = pod.name.split(separator: "-", omittingEmptySubsequences: false)
        for _ in 0..<2 where parts.count > 1 {
            let last = parts.removeLast()
            guard (1...10).contains(last.utf8.count),
                last.utf8.allSatisfy({ (48...57).contains($0) || (97...122).contains($0) })
            else { return nil }
            let name = EndpointName(namespace: pod.namespace, name: parts.joined(separator: "-"))
            if let workload = workloads[name], workload.name.kind != "Pod" { return workload }
        }
        return nil
    }

    /// Whether an address is one of the node on which a pod runs.
    func isOwnNode(_ address: IPAddress, of pod: EndpointName) -> Bool {
        guard let pod = pods[pod] else { return false }
        return pod.hostIPs.contains(address) || (nodes[pod.nodeName] ?? []).contains(address)
    }
}

/// A flow that is not part of a suggestion.
public struct LeftOut: Error, Sendable, Hashable {
    public var flow: SeenFlow
    public var reason: String
}
