// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import PolicyModel

/// Pods grouped by what runs them.
struct WorkloadGrouping {
    private var pods: [WorkloadName: [EndpointName]] = [:]
    /// Those with a pod that is not finished.
    private var live: Set<WorkloadName> = []
    private var standIns: Set<WorkloadName> = []
    /// The controllers of documents that run pods.
    private var controllers: [WorkloadName: OwnerReference] = [:]
    /// Such documents without a controller: they are what they say, whatever their name looks like.
    private var independent: Set<WorkloadName> = []

    /// Steps from a pod to what runs it. Kubernetes has at most three.
    private static let stepLimit = 4

    init(_ input: InventoryInput) {
        for template in input.workloads {
            if let owner = template.owner {
                controllers[template.name] = owner
            } else {
                independent.insert(template.name)
            }
        }
        for object in input.objects {
            guard case .pod(let pod) = object else { continue }
            let workload = workload(of: pod, owner: input.owners[object.key])
            pods[workload, default: []].append(EndpointName(pod))
            if !pod.isFinished { live.insert(workload) }
        }
    }

    /// Whether a pod has this name.
    var podNames: Set<EndpointName> { Set(pods.values.joined()) }

    /// Whether a pod shows what the workload's pods are like. A finished one has no address: the next run has.
    func hasLivePods(_ workload: WorkloadName) -> Bool { live.contains(workload) }

    func pods(of workload: WorkloadName) -> [EndpointName] { pods[workload] ?? [] }

    mutating func add(_ standIns: [Pod], to workload: WorkloadName) {
        pods[workload, default: []] += standIns.map { EndpointName($0) }
        self.standIns.insert(workload)
    }

    func workloads(_ objects: [ObjectKey: KubernetesObject]) -> [Workload] {
        pods.sorted { $0.key < $1.key }.map { name, pods in
            let pods = pods.sorted()
            let isHostNetwork = pods.allSatisfy { pod in
                guard case .pod(let object)? = objects[pod.key] else { return false }
                return object.hostNetwork
            }
            return Workload(name: name, pods: pods, isHostNetwork: isHostNetwork, isStandIn: standIns.contains(name))
        }
    }

    // MARK: From owners to workloads

    private func workload(of pod: Pod, owner: OwnerReference?) -> WorkloadName {
        let metadata = pod.metadata
        guard let owner, owner.kind != "Node" else { return .pod(pod, mirroredOn: owner?.name) }
        let direct = WorkloadName(namespace: metadata.namespace, kind: owner.kind, name: owner.name)
        return workload(behind: direct, labels: metadata.labels)
    }

    /// Follows controllers as far as documents name them, then as far as names show them.
    ///
    /// - Parameter labels: of a pod.
    func workload(behind direct: WorkloadName, labels: [String: String]) -> WorkloadName {
        var name = direct
        for _ in 0..<Self.stepLimit {
            guard let owner = controllers[name] else { break }
            name.kind = owner.kind
            name.name = owner.name
        }
        guard !independent.contains(name) else { return name }
        switch name.kind {
        case "ReplicaSet": return name.controllerOfReplicaSet(labels) ?? name
        case "Job": return name.controllerOfJob ?? name
        default: return name
        }
    }
}

extension WorkloadName {
    /// A pod that nothing runs; a static pod is named after its node, and each node has one.
    fileprivate static func pod(_ pod: Pod, mirroredOn node: String?) -> WorkloadName {
        var name = pod.metadata.name
        if let node, name.hasSuffix("-\(node)"), name.count > node.count + 1 { name.removeLast(node.count + 1) }
        return WorkloadName(namespace: pod.metadata.namespace, kind: "Pod", name: name)
    }

    /// A Deployment names its ReplicaSets after itself and the hash of their template, which is a label of their pods;
    /// an Argo Rollout does the same with a label of its own.
    fileprivate func controllerOfReplicaSet(_ labels: [String: String]) -> WorkloadName? {
        let marks = [("pod-template-hash", "Deployment"), ("rollouts-pod-template-hash", "Rollout")]
        for (label, kind) in marks {
            guard let hash = labels[label], !hash.isEmpty, name.hasSuffix("-\(hash)"), name.count > hash.count + 1
            else { continue }
            return WorkloadName(namespace: namespace, kind: kind, name: String(name.dropLast(hash.count + 1)))
        }
        return nil
    }

    /// A CronJob names its Jobs after itself and the time of their schedule, in minutes (before Kubernetes 1.21 in
    /// seconds) since 1970. A number that is a date, such as 20260102, is not one of these times.
    fileprivate var controllerOfJob: WorkloadName? {
        guard let dash = name.lastIndex(of: "-"), dash > name.startIndex else { return nil }
        let digits = name[name.index(after: dash)...]
        guard digits.utf8.allSatisfy({ (48...57).contains($0) }), let time = UInt64(digits) else { return nil }
        guard (26_000_000...90_000_000).contains(time) || (1_500_000_000...5_000_000_000).contains(time) else {
            return nil
        }
        return WorkloadName(namespace: namespace, kind: "CronJob", name: String(name[..<dash]))
    }
}

extension EndpointName {
    init(_ pod: Pod) { self.init(namespace: pod.metadata.namespace, name: pod.metadata.name) }

    var key: ObjectKey { ObjectKey(kind: .pod, namespace: namespace, name: name) }
}
