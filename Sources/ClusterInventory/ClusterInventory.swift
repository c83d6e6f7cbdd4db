// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import NetworkTypes
import PolicyModel
import PolicyResolver

/// A cluster as an analysis sees it: the objects that policy needs, completed where manifests leave something out, and
/// the pods grouped by what runs them.
///
/// - Documents that run pods (Deployment, StatefulSet, …) become stand-in pods, unless unfinished pods of theirs are known.
/// - Pods without an address get one that occurs nowhere else (``InventedAddresses``). So do the nodes of host-network
///   pods that no object gives an address. Finished pods get none.
/// - Namespaces that are only named get an object with the label of their name.
public struct ClusterInventory: Sendable {
    /// Pods (stand-ins too), namespaces, nodes and policies, by key. Each key once.
    public private(set) var objects: [KubernetesObject]
    /// Ordered by namespace and name.
    public private(set) var services: [Service]
    /// Ordered by name. Each pod belongs to exactly one.
    public private(set) var workloads: [Workload]
    /// Where each policy is written: the document that counts.
    public private(set) var places: [ObjectKey: PolicyDocument]
    /// All documents of policies in written order, also those that were refused and have no effect.
    public private(set) var policyDocuments: [PolicyDocument]
    /// Pods whose addresses are invented, stand-ins included.
    public private(set) var invented: Set<EndpointName>
    /// How policies are read.
    public private(set) var settings: PolicySettings
    /// Documents of workloads that have no effect, because another one has their name.
    public private(set) var problems: [ManifestError]

    /// The inventory of one cluster, with usual addresses for what has none.
    ///
    /// - Throws: ``InventoryError``.
    public init(_ input: InventoryInput, settings: PolicySettings = PolicySettings()) throws(InventoryError) {
        var addresses = InventedAddresses()
        try self.init(input, settings: settings, addresses: &addresses)
    }

    /// The inventory of one cluster.
    ///
    /// - Parameter addresses: shared by inventories that are compared, so that a pod without address has the same
    ///   invented one in each of them.
    /// - Throws: ``InventoryError``.
    public init(
        _ input: InventoryInput, settings: PolicySettings = PolicySettings(), addresses: inout InventedAddresses
    ) throws(InventoryError) {
        self.settings = settings
        services = input.services.sorted { ($0.namespace, $0.name) < ($1.namespace, $1.name) }
        policyDocuments = input.policies
        var objects: [ObjectKey: KubernetesObject] = [:]
        var written: [ObjectKey] = []
        for object in input.objects {
            let key = object.key
            if objects.updateValue(object, forKey: key) == nil { written.append(key) }
        }

        var grouping = WorkloadGrouping(input)
        let standIns = StandInPods(beside: grouping, input.workloads)
        problems = standIns.problems
        for (workload, pods) in standIns.pods {
            grouping.add(pods, to: workload)
            for pod in pods { objects[KubernetesObject.pod(pod).key] = .pod(pod) }
        }
        for namespace in Self.namedNamespaces(objects.values, services) {
            let object = KubernetesObject.namespace(Namespace(named: namespace))
            if objects[object.key] == nil { objects[object.key] = object }
        }
        var completion = AddressCompletion(objects, services)
        try completion.run(&addresses)
        self.objects = Self.sorted(completion.objects, written)
        invented = completion.invented
        workloads = grouping.workloads(completion.objects)
        let known = completion.objects
        places = Dictionary(
            input.policies.lazy.filter { !$0.isRefused }.compactMap { document in
                document.key.flatMap { known[$0] == nil ? nil : ($0, document) }
            }, uniquingKeysWith: { first, _ in first })
    }

    /// By key. What is written is mostly in that order, in which a dictionary is not.
    private static func sorted(_ objects: [ObjectKey: KubernetesObject], _ written: [ObjectKey]) -> [KubernetesObject] {
        var keys = written
        if keys.count < objects.count {
            let known = Set(written)
            keys += objects.keys.filter { !known.contains($0) }
        }
        return keys.sorted().compactMap { objects[$0] }
    }

    private static func namedNamespaces(
        _ objects: some Collection<KubernetesObject>, _ services: [Service]
    ) -> Set<String> {
        var names = Set(services.lazy.map(\.namespace))
        for object in objects { names.insert(object.metadata.namespace) }
        names.remove("")
        return names
    }
}

/// Pods with one controller.
public struct Workload: Sendable, Hashable {
    public var name: WorkloadName
    /// Ordered; not empty.
    public var pods: [EndpointName]
    /// Whether its pods use their node's network.
    public var isHostNetwork: Bool
    /// Whether its pods are invented, because only the document that runs them is known. Finished pods beside them are
    /// not.
    public var isStandIn: Bool
    public init(name: WorkloadName, pods: [EndpointName], isHostNetwork: Bool = false, isStandIn: Bool = false) {
        self.name = name
        self.pods = pods
        self.isHostNetwork = isHostNetwork
        self.isStandIn = isStandIn
    }
}

/// Why a cluster cannot be completed.
public enum InventoryError: Error, Sendable, Hashable, CustomStringConvertible {
    /// All addresses of a family that may be invented are in use.
    case addressesExhausted(AddressFamily, networks: [CIDR])

    public var description: String {
        switch self {
        case .addressesExhausted(let family, let networks):
            "no free \(family == .ipv4 ? "IPv4" : "IPv6") address is left in "
                + networks.map(\.description).joined(separator: ", ")
                + " for pods that have none: name a larger or further one with --pod-cidr"
        }
    }
}

extension Namespace {
    fileprivate init(named name: String) {
        self.init(metadata: ObjectMeta(name: name, labels: [Self.nameLabel: name]))
    }
}
