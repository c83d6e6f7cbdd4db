// SPDX-License-Identifier: Apache-2.0
import ClusterState
import KubernetesObjects
import NetworkTypes
import PolicyCompiler
import PolicyModel
import PolicyResolver

/// Who may reach whom in a whole cluster, exactly, from its objects alone.
///
/// The cluster is resolved once, for one virtual node whose endpoints are one pod of each group of pods that no policy
/// can tell apart. The compiler's own partition of all addresses and its own layout of programs then give every
/// verdict: two addresses of one class, and two ports of one column, never have different ones.
///
/// Answers differ from those of one node in one point, which they report: traffic between a pod and its own node. It is
/// judged as on that node where the pod's node is known.
public struct ReachabilityMap: Sendable {
    /// An address that a pod owns.
    struct Place: Sendable {
        /// An index of ``pods``.
        var pod: Int32
        var address: IPAddress
        var addressClass: UInt32
        var ingress: UInt32
        var egress: UInt32
        /// The pod's node; ``noNode`` if it is not known.
        var node: UInt32
        /// Nodes that have the same address as theirs.
        var hosts: [UInt32]
    }

    /// An address of a node, which no pod owns.
    struct Host: Sendable {
        var address: IPAddress
        var addressClass: UInt32
        /// The nodes that take packets to it in themselves.
        var hosts: [UInt32]
        /// Pods with their node's network that have it.
        var pods: [Int32]
    }

    /// A prefix, less the prefixes inside it that policies name.
    struct Region: Sendable {
        var prefix: CIDR
        var inside: [CIDR]
        var addressClass: UInt32
    }

    /// One direction's rules, shared by all pods with the same.
    struct ProgramState: Sendable {
        var direction: Direction
        var resolved: ResolvedDirection
        /// A pod that has it, for errors.
        var endpoint: EndpointName
        /// Nil before the first question.
        var lazy: LazyProgram?
        /// By class, and whether the class is that of the own node.
        var rows: [RowKey: Int] = [:]
    }

    struct RowKey: Sendable, Hashable {
        var addressClass: UInt32
        var isOwnNode: Bool
    }

    /// The program of a pod that no policy selects.
    static let unselected: UInt32 = 0
    /// In place of a program: no pod is there, and nothing is judged.
    static let notJudged = UInt32.max
    static let noNode = UInt32.max

    /// All pods, those without an address included.
    public internal(set) var pods: [Pod] = []
    /// The workload of each of ``pods``.
    public internal(set) var workloads: [WorkloadKey] = []
    /// Addresses of Services, which packets have only before a Service's backend is chosen.
    var services: [IPAddress: EndpointName] = [:]
    /// Names of nodes by number.
    var nodeNames: [String] = []
    /// In order of address.
    var places: [Place] = []
    var hosts: [Host] = []
    var regions: [Region] = []
    /// The peer sets of each class.
    var peerSets: [[PeerSetID]] = []
    var ownNodeSet: PeerSetID?
    var programs: [ProgramState] = []
    /// What two rows together say.
    var combinations: [Combination: Int] = [:]
    var accesses: [[PortAccess]] = []

    /// The families of the pods' addresses.
    public var families: Set<AddressFamily> {
        // In order of address, which is that of families.
        Set([places.first, places.last].compactMap { $0?.address.family })
    }

    /// - Parameters:
    ///   - objects: of several with one kind, namespace and name, the last one counts.
    ///   - settings: the daemons' settings.
    ///   - workloads: what each pod belongs to; a pod that is missing is a workload of its own.
    public init(
        objects: [KubernetesObject], settings: PolicySettings = PolicySettings(),
        workloads: [EndpointName: WorkloadKey] = [:]
    ) throws(ReachabilityError) {
        try self.init(ReachabilityBase(objects: objects, settings: settings), workloads: workloads)
    }

    /// - Parameters:
    ///   - base: the cluster.
    ///   - policies: more objects, none of them a pod or a node.
    public init(
        _ base: ReachabilityBase, adding policies: [KubernetesObject] = [], workloads: [EndpointName: WorkloadKey] = [:]
    ) throws(ReachabilityError) {
        var source = base.source
        source.add(policies)
        let change = source.resolve()
        try Self.check(change)
        let partition = AddressPartition(change)
        pods = source.pods
        self.workloads = pods.map { workloads[$0.endpointName] ?? WorkloadKey(pod: $0) }
        peerSets = partition.classes.map(\.peerSets)
        ownNodeSet = partition.ownNodeSet
        let nodes = NodeNumbers(source)
        nodeNames = nodes.names
        setPlaces(source, change, partition, nodes)
        setHosts(partition, nodes)
        setRegions(partition)
    }

    /// The compiler cannot tell more addresses apart than there are numbers for their classes.
    private static func check(_ change: ResolvedChange) throws(ReachabilityError) {
        var count = change.addresses.count
        for set in change.addedPeerSets.values {
            count += (set.blocks + set.bounds).reduce(0) { $0 + 1 + $1.except.count }
        }
        if count >= CompilerLimits.addressClasses - 64 { throw .tooManyAddresses(count) }
    }
}

extension WorkloadKey {
    /// A pod without an owner.
    init(pod: Pod) {
        self.init(namespace: pod.metadata.namespace, kind: "Pod", name: pod.metadata.name)
    }
}

extension Pod {
    /// Its name as policy sees it.
    var endpointName: EndpointName { EndpointName(namespace: metadata.namespace, name: metadata.name) }
}
