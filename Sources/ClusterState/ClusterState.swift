// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import NetworkTypes
import PolicyModel
import PolicyTranslation

/// The cluster's objects as one indexed value. Indexing an event records what became dirty. The resolver reads these
/// records, and ``commit()`` clears them.
///
/// Numbers of strings, namespaces, groups, pods and policies that an event frees are reused only after the next commit,
/// so that what the resolver remembers stays valid until it has seen the change.
public struct ClusterState: Sendable {
    /// The node whose pods are local.
    public let nodeName: String
    let mesh: MeshSettings

    package internal(set) var strings = Interner<String>()
    var labelSets = Interner<[LabelPair]>()
    var portSets = Interner<[IndexedPort]>()

    package internal(set) var namespaces: [NamespaceRecord] = []
    var namespaceNumbers: [String: UInt32] = [:]
    var freeNamespaces: [UInt32] = []
    /// The most recent one: lists are ordered by namespace. Nil after each commit, which frees namespaces.
    var lastNamespace: (name: String, number: UInt32)?

    package internal(set) var groups: [PodGroup] = []
    var groupNumbers: [GroupKey: UInt32] = [:]
    var freeGroups: [UInt32] = []
    /// The pod of the most recent group: lists are ordered by name, so pods of one template follow one another and
    /// share their labels in memory. Nil after each commit, which frees groups.
    var lastGroup: LastGroup?
    /// Active groups by label, sorted.
    var groupsByPair: [LabelPair: [UInt32]] = [:]
    /// Active groups by namespace and service account, sorted.
    var groupsByAccount: [FullAccount: [UInt32]] = [:]
    /// How many active groups have a named port with this number.
    var portNumbers: [PortName: [UInt16: Int]] = [:]

    package internal(set) var pods: [PodRecord] = []
    var podNumbers: [ScopedName: UInt32] = [:]
    var freePods: [UInt32] = []
    /// This node's endpoints without an object: held, unknown and pushed ones.
    var withoutObject = EndpointsWithoutObject()
    /// The owners of addresses: numbers of ``pods``.
    var claims = ClaimTable()

    package internal(set) var policies: [PolicyRecord?] = []
    var policyNumbers: [PolicyReference: UInt32] = [:]
    var freePolicies: [UInt32] = []
    /// Policies that select pods by the labels of their namespace, in order of evaluation.
    package internal(set) var clusterPolicies: [UInt32] = []

    var nodes: [String: NodeRecord] = [:]
    /// Counts the changes of nodes' addresses.
    package internal(set) var nodesRevision: UInt64 = 0
    /// What the node delivers to itself, in addition to the addresses in objects.
    var local = LocalPrefixes()
    /// status.hostIPs of each pod of this node.
    var hostAddresses: [UInt32: [IPAddress]] = [:]
    /// How many pods of this node name each address as their host's.
    var hostAddressCounts: [IPAddress: Int] = [:]

    /// The container runtime's reports about this node's pods.
    var attached = AttachedPods()

    package internal(set) var changes = ClusterChanges()
    var released = Released()

    /// A pod's group with everything that selectors see of the pod.
    struct LastGroup: Sendable {
        var namespace: UInt32
        var labels: [String: String]
        var ports: [NamedPort]
        var account: String
        var group: UInt32
    }

    /// What the next commit frees.
    struct Released: Sendable {
        var strings: [UInt32] = []
        var namespaces: [UInt32] = []
        var pods: [UInt32] = []
        var policies: [UInt32] = []
    }

    public init(nodeName: String, mesh: MeshSettings = MeshSettings()) {
        self.nodeName = nodeName
        self.mesh = mesh
        // See `noNamespace`.
        namespaces = [NamespaceRecord(name: "", labels: labelSets.retain([.unknown]).number, references: 1)]
    }

    /// Indexes one event.
    public mutating func index(_ event: ObjectEvent) {
        switch event {
        case .set(.pod(let pod)): set(pod)
        case .set(.namespace(let namespace)): set(namespace)
        case .set(.node(let node)): set(node)
        case .set(let object):
            if let policy = Policy(object, mesh: mesh) { set(policy) }
        case .removed(let key):
            switch key.kind {
            case .pod: removePod(namespace: key.namespace, name: key.name)
            case .namespace: removeNamespace(key.name)
            case .node: removeNode(key.name)
            case .networkPolicy, .clusterNetworkPolicy, .adminNetworkPolicy, .baselineAdminNetworkPolicy,
                .authorizationPolicy:
                removePolicy(PolicyReference(key))
            }
        }
    }

    /// Clears the changes and frees the numbers that they released.
    package mutating func commit() {
        for group in changes.groups where !groups[Int(group)].isActive { free(group: group) }
        changes = ClusterChanges()
        lastGroup = nil
        lastNamespace = nil
        for number in released.namespaces where namespaces[Int(number)].references == 0 { free(namespace: number) }
        freePods += released.pods
        freePolicies += released.policies
        for number in released.strings { _ = strings.release(number) }
        released = Released()
    }
}

/// A name in a namespace.
struct ScopedName: Sendable, Hashable {
    var namespace: UInt32
    var name: String
}
