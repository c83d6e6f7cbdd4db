// SPDX-License-Identifier: Apache-2.0
import ClusterState
import KubernetesObjects
import NetworkTypes
import PolicyModel
import PolicyResolver

/// A cluster's objects, indexed once for several maps that differ by policies.
public struct ReachabilityBase: Sendable {
    let source: ReachabilitySource

    /// - Parameters:
    ///   - objects: of several with one kind, namespace and name, the last one counts.
    ///   - settings: the daemons' settings.
    public init(objects: [KubernetesObject], settings: PolicySettings = PolicySettings()) {
        source = ReachabilitySource(objects, settings)
    }
}

/// A cluster's objects, indexed as for a node that hosts one pod of each group.
struct ReachabilitySource {
    /// No Kubernetes node can have this name.
    private static let virtualNode = "(every node)"

    var pods: [Pod] = []
    var nodes: [Node] = []
    private(set) var state: ClusterState
    private let settings: PolicySettings
    /// The pod with each number of ``state``.
    private var podOfNumber: [UInt32: Int] = [:]
    /// The numbers of ``pods`` in ``state``.
    private(set) var numbers: [UInt32] = []

    /// Pods lose their nodes here: all are remote, and no node is the own one. Questions put both back.
    init(_ objects: [KubernetesObject], _ settings: PolicySettings) {
        self.settings = settings
        state = ClusterState(nodeName: Self.virtualNode, mesh: settings.mesh)
        var nodes: [String: Node] = [:]
        var indices: [EndpointName: Int] = [:]
        for object in objects {
            switch object {
            case .pod(let pod):
                if let index = indices[pod.endpointName] {
                    pods[index] = pod
                } else {
                    indices[pod.endpointName] = pods.count
                    pods.append(pod)
                }
                state.index(.set(.pod(pod.placed(on: ""))))
            case .node(let node):
                nodes[node.metadata.name] = node
                state.index(.set(object))
            case .namespace, .networkPolicy, .tierPolicy, .authorizationPolicy: state.index(.set(object))
            }
        }
        self.nodes = nodes.values.sorted { $0.metadata.name < $1.metadata.name }
        numbers = pods.map { state.number(ofPod: $0.endpointName) ?? .max }
        for (index, number) in numbers.enumerated() { podOfNumber[number] = index }
    }

    /// Adds objects other than pods and nodes.
    mutating func add(_ policies: [KubernetesObject]) { for object in policies { state.index(.set(object)) } }

    /// The resolved policy of one pod of each group, and of every pod of a group where rules read the pod's address.
    mutating func resolve() -> ResolvedChange {
        let readers = state.policies.compactMap { $0 }.filter { $0.ingress.contains { !$0.destinations.isEmpty } }
        var local: [UInt32] = []
        for group in state.groups.indices where state.groups[group].isActive {
            let owning = state.groups[group].members.lazy.filter { [state] in !state.ownedAddresses(ofPod: $0).isEmpty }
            if readers.contains(where: { state.selects($0, group: UInt32(group)) }) {
                local += Array(owning)
            } else if let first = owning.first {
                local.append(first)
            }
        }
        for number in local {
            guard let index = podOfNumber[number] else { continue }
            state.index(.set(.pod(pods[index].placed(on: Self.virtualNode))))
        }
        var resolver = PolicyResolver(settings: settings)
        return resolver.resolve(state)
    }

    /// The group of a pod; nil if no policy applies to it.
    func group(ofPod index: Int) -> UInt32? {
        let number = numbers[index]
        guard number != .max, state.pods[Int(number)].hasGroup else { return nil }
        return state.pods[Int(number)].group
    }

    func ownedAddresses(ofPod index: Int) -> [IPAddress] { state.ownedAddresses(ofPod: numbers[index]) }
}

extension Pod {
    /// Without its host's addresses, which would be the virtual node's.
    fileprivate func placed(on node: String) -> Pod {
        var pod = self
        pod.nodeName = node
        pod.hostIPs = []
        return pod
    }
}

/// Nodes by number, and who has which address.
struct NodeNumbers {
    private(set) var names: [String] = []
    private var numbers: [String: UInt32] = [:]
    /// The nodes that take packets to an address in themselves: the address is in their object, or one of their pods
    /// names it as its host's.
    private(set) var hosts: [IPAddress: [UInt32]] = [:]
    /// Pods with their node's network by address.
    private(set) var hostPods: [IPAddress: [Int32]] = [:]

    init(_ source: ReachabilitySource) {
        var addresses: [String: [IPAddress]] = [:]
        for node in source.nodes {
            addresses[node.metadata.name] = node.addresses
            add(node.metadata.name, node.addresses)
        }
        for (index, pod) in source.pods.enumerated() {
            let name = Self.name(of: pod)
            add(name, pod.hostIPs)
            guard pod.hostNetwork, !pod.isFinished else { continue }
            for address in pod.hostAddresses(node: addresses[name] ?? []) {
                hostPods[address, default: []].append(Int32(index))
            }
        }
    }

    private mutating func add(_ name: String, _ addresses: [IPAddress]) {
        let number = numbers[name] ?? UInt32(names.count)
        if Int(number) == names.count {
            names.append(name)
            numbers[name] = number
        }
        for address in addresses where !(hosts[address]?.contains(number) ?? false) {
            hosts[address, default: []].append(number)
        }
    }

    /// Pods whose node is not known are on the node with the same addresses.
    private static func name(of pod: Pod) -> String {
        guard pod.nodeName.isEmpty else { return pod.nodeName }
        return "(\(pod.hostIPs.map(\.description).joined(separator: ",")))"
    }

    func number(of pod: Pod) -> UInt32 { numbers[Self.name(of: pod)] ?? ReachabilityMap.noNode }
}
