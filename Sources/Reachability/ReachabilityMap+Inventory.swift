// SPDX-License-Identifier: Apache-2.0
import ClusterInventory
import KubernetesObjects
import NetworkTypes
import PolicyModel

extension WorkloadKey {
    public init(_ name: WorkloadName) {
        self.init(namespace: name.namespace, kind: name.kind, name: name.name)
    }
}

extension ClusterInventory {
    /// The workload of each pod.
    public var workloadOfPod: [EndpointName: WorkloadKey] {
        var result: [EndpointName: WorkloadKey] = [:]
        for workload in workloads {
            let key = WorkloadKey(workload.name)
            for pod in workload.pods { result[pod] = key }
        }
        return result
    }
}

extension ClusterInventory {
    /// The Service with each address that only a Service has.
    public var serviceOfAddress: [IPAddress: EndpointName] {
        var result: [IPAddress: EndpointName] = [:]
        for service in services {
            let name = EndpointName(namespace: service.namespace, name: service.name)
            for address in service.addresses where result[address] == nil { result[address] = name }
        }
        for object in objects {
            switch object {
            case .pod(let pod): for address in pod.podIPs + pod.hostIPs { result[address] = nil }
            case .node(let node): for address in node.addresses { result[address] = nil }
            case .namespace, .networkPolicy, .tierPolicy, .authorizationPolicy: break
            }
        }
        return result
    }
}

extension ReachabilityMap {
    /// The map of an inventory, with its workloads.
    public init(_ inventory: ClusterInventory) throws(ReachabilityError) {
        try self.init(
            objects: inventory.objects, settings: inventory.settings, workloads: inventory.workloadOfPod)
        services = inventory.serviceOfAddress
    }
}
