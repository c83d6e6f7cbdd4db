// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import NetworkTypes
import PolicyModel

/// Gives addresses to the pods and nodes of a cluster that have none.
struct AddressCompletion {
    private(set) var objects: [ObjectKey: KubernetesObject]
    private(set) var invented: Set<EndpointName> = []
    private let services: [Service]

    /// The node of host-network pods that no node has.
    private static let standInNode = "stand-in-node"

    init(_ objects: [ObjectKey: KubernetesObject], _ services: [Service]) {
        self.objects = objects
        self.services = services
    }

    mutating func run(_ addresses: inout InventedAddresses) throws(InventoryError) {
        let pods = objects.values.compactMap { object -> Pod? in
            guard case .pod(let pod) = object, !pod.isFinished, pod.hostNetwork || pod.podIPs.isEmpty else {
                return nil
            }
            return pod
        }
        let families = addresses.families ?? Self.families(of: objects.values) ?? Set(AddressFamily.allCases)
        addresses.avoid(known: knownAddresses, policies: objects.values.flatMap(\.policyNetworks))
        try placeHostPods(pods.filter { $0.hostNetwork }, families, &addresses)
        let nameless = pods.filter { !$0.hostNetwork && $0.podIPs.isEmpty }
        for var pod in nameless.sorted(by: { EndpointName($0) < EndpointName($1) }) {
            pod.podIPs = try addresses.addresses(of: .pod(EndpointName(pod)), families)
            // It has an address as soon as it runs, and that is what is asked about.
            if pod.phase == .pending || pod.phase == .unknown { pod.phase = .running }
            invented.insert(EndpointName(pod))
            objects[EndpointName(pod).key] = .pod(pod)
        }
    }

    /// The families of a cluster that has pods with addresses: a second one would be fiction. Nil: it has none.
    static func families(of objects: some Collection<KubernetesObject>) -> Set<AddressFamily>? {
        var found: Set<AddressFamily> = []
        for case .pod(let pod) in objects where !pod.isFinished {
            for address in pod.podIPs where !found.contains(address.family) { found.insert(address.family) }
            if found.count == AddressFamily.allCases.count { break }
        }
        return found.isEmpty ? nil : found
    }

    private var knownAddresses: [IPAddress] {
        var known = services.flatMap(\.addresses)
        for object in objects.values {
            switch object {
            case .pod(let pod): known += pod.podIPs + pod.hostIPs
            case .node(let node): known += node.addresses
            case .namespace, .networkPolicy, .tierPolicy, .authorizationPolicy: break
            }
        }
        return known
    }

    // MARK: Host-network pods

    private mutating func placeHostPods(
        _ pods: [Pod], _ families: Set<AddressFamily>, _ addresses: inout InventedAddresses
    ) throws(InventoryError) {
        let nodes = objects.values.compactMap { object -> Node? in
            guard case .node(let node) = object else { return nil }
            return node
        }
        let usual = nodes.filter { !$0.addresses.isEmpty }.map(\.metadata.name).min()
        for var pod in pods where pod.hostIPs.isEmpty && pod.podIPs.isEmpty {
            if pod.nodeName.isEmpty { pod.nodeName = usual ?? Self.standInNode }
            let key = ObjectKey(kind: .node, namespace: "", name: pod.nodeName)
            var node = Node(metadata: ObjectMeta(name: pod.nodeName))
            if case .node(let known)? = objects[key] { node = known }
            if node.addresses.isEmpty {
                node.addresses = try addresses.addresses(of: .node(pod.nodeName), families)
                objects[key] = .node(node)
            }
            pod.hostIPs = node.addresses
            if pod.phase == .pending || pod.phase == .unknown { pod.phase = .running }
            invented.insert(EndpointName(pod))
            objects[EndpointName(pod).key] = .pod(pod)
        }
    }
}

extension KubernetesObject {
    /// The networks that a policy names.
    var policyNetworks: [CIDR] {
        switch self {
        case .networkPolicy(let policy):
            (policy.ingress + policy.egress).flatMap(\.peers).flatMap { peer -> [CIDR] in
                guard case .ipBlock(let cidr, let except) = peer else { return [] }
                return [cidr] + except
            }
        case .tierPolicy(let policy):
            (policy.ingress + policy.egress).flatMap(\.peers).flatMap { peer -> [CIDR] in
                guard case .networks(let networks) = peer else { return [] }
                return networks
            }
        case .authorizationPolicy(let policy): policy.rules.flatMap(\.networks)
        case .pod, .namespace, .node: []
        }
    }
}

extension AuthorizationRule {
    fileprivate var networks: [CIDR] {
        let written = conditions.filter { $0.key == .sourceIP || $0.key == .destinationIP }
            .flatMap { $0.values + $0.notValues }
        return (sources ?? []).flatMap { $0.ipBlocks + $0.notIpBlocks }
            + written.compactMap { text in
                (try? CIDR(text)) ?? (try? IPAddress(text)).map { CIDR(host: $0) }
            }
    }
}
