// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects

/// What a ``ClusterInventory`` is made of: the content of manifests or of an API server.
public struct InventoryInput: Sendable {
    /// Each key once.
    public var objects: [KubernetesObject]
    /// Each name once.
    public var services: [Service]
    /// Documents that run pods.
    public var workloads: [WorkloadTemplate]
    /// The controllers of pods.
    public var owners: [ObjectKey: OwnerReference]
    public var policies: [PolicyDocument]

    /// Of several extracts or services with the same name, the first one counts; of objects, the last one.
    public init(objects: [KubernetesObject] = [], services: [Service] = [], extracts: [DocumentExtract] = []) {
        self.objects = objects
        var named: Set<[String]> = []
        self.services = services.filter { named.insert([$0.namespace, $0.name]).inserted }
        workloads = extracts.flatMap(\.workloads)
        policies = extracts.flatMap(\.policies)
        owners = [:]
        for extract in extracts { owners.merge(extract.owners, uniquingKeysWith: { first, _ in first }) }
    }
}
