// SPDX-License-Identifier: Apache-2.0

/// Answer of `GET /v1/status`.
public struct StatusAnswer: Codable, Sendable, Hashable {
    /// Version of the daemon.
    public var version: String
    /// The node whose pods are protected.
    public var node: String
    /// Process id of the daemon.
    public var pid: Int
    /// Seconds since the daemon started.
    public var uptimeSeconds: Int
    /// Whether everything that enforces is in place and holds the newest policy, no document is refused, no limit is
    /// exceeded, and none of ``conditions`` is a problem.
    public var healthy: Bool
    /// What is wrong with enforcement itself, worst first: the answers of `/healthz` and `/readyz`, and what was lost.
    public var problems: [String]
    /// Conditions of the node as a whole that need attention; problems first.
    public var conditions: [StatusCondition]
    public var datapath: DatapathStatus
    public var manifests: ManifestStatus
    /// Nil without an API server.
    public var cluster: ClusterStatus?
    /// Nil without a directory of static guardrails.
    public var guardrails: ManifestStatus?
    public var policies: PolicyStatus
    public var pushed: PushedStatus
    public var tables: TableSizes
    public var limits: LimitStatus
    /// Clients that follow events now.
    public var followers: Int
    /// Nil if no pod of this node is behind a bridge.
    public var bridges: BridgeStatus?
    /// Nil if the node has no tunnel devices.
    public var tunnels: TunnelStatus?
    /// Nil if the container runtime has reported no pod.
    public var attachments: AttachmentStatus?
    /// Nil if the daemon does not install the chained CNI plugin.
    public var plugin: PluginStatus?
    /// Nil if no flow's requests decide and no proxy follows.
    public var requests: RequestStatus?
    /// What is recorded of flows.
    public var flows: FlowStatus?

    public init(
        version: String, node: String, pid: Int, uptimeSeconds: Int, datapath: DatapathStatus,
        manifests: ManifestStatus, guardrails: ManifestStatus? = nil, policies: PolicyStatus, pushed: PushedStatus,
        tables: TableSizes, limits: LimitStatus, followers: Int, bridges: BridgeStatus? = nil,
        tunnels: TunnelStatus? = nil, cluster: ClusterStatus? = nil, attachments: AttachmentStatus? = nil,
        plugin: PluginStatus? = nil, requests: RequestStatus? = nil, flows: FlowStatus? = nil, problems: [String] = [],
        conditions: [StatusCondition] = []
    ) {
        self.version = version
        self.node = node
        self.pid = pid
        self.uptimeSeconds = uptimeSeconds
        healthy =
            problems.isEmpty && datapath.state == .programmed && datapath.notReplaced == nil
            && manifests.problems.isEmpty
            && guardrails?.problems.isEmpty ?? true && limits.unprotected.isEmpty
            && limits.deniedPrograms == 0 && bridges?.problems.isEmpty ?? true && cluster?.isHealthy ?? true
            && plugin?.problem == nil && !conditions.contains(where: \.isProblem)
        self.problems = problems
        self.conditions = conditions.filter(\.isProblem) + conditions.filter { !$0.isProblem }
        self.datapath = datapath
        self.manifests = manifests
        self.guardrails = guardrails
        self.policies = policies
        self.pushed = pushed
        self.tables = tables
        self.limits = limits
        self.followers = followers
        self.bridges = bridges
        self.tunnels = tunnels
        self.cluster = cluster
        self.attachments = attachments
        self.plugin = plugin
        self.requests = requests
        self.flows = flows
    }
}

/// The policies in force, and what an administrator may not expect about them.
public struct PolicyStatus: Codable, Sendable, Hashable {
    /// Policies in force, including those in audit.
    public var count: Int
    /// Policies in audit: packets that they would deny are reported and pass.
    public var audited: Int
    /// Packets (nftables: flows) that passed and that policies in audit would deny.
    public var wouldDeny: UInt64
    /// Policies with parts that are not understood; they deny what these parts may be meant to deny.
    public var partial: Int
    /// Whether packets between pods and their own node are judged.
    public var judgesOwnNode: Bool
    /// Why they are judged or not.
    public var ownNodeReason: String
    /// Local endpoints that are known only by their interface, without a Pod object.
    public var unknownEndpoints: Int

    public init(
        count: Int, audited: Int, wouldDeny: UInt64, partial: Int, judgesOwnNode: Bool, ownNodeReason: String,
        unknownEndpoints: Int
    ) {
        self.count = count
        self.audited = audited
        self.wouldDeny = wouldDeny
        self.partial = partial
        self.judgesOwnNode = judgesOwnNode
        self.ownNodeReason = ownNodeReason
        self.unknownEndpoints = unknownEndpoints
    }
}

/// Pods behind bridges of this node.
public struct BridgeStatus: Codable, Sendable, Hashable {
    /// Bridge ports with a pod behind them.
    public var ports: Int
    /// Whether packets within a bridge pass netfilter, so that policy applies to them
    /// (`net.bridge.bridge-nf-call-iptables` and `bridge-nf-call-ip6tables`, which the daemon enables).
    public var filtering: Bool
    /// Frames dropped at bridge ports: an address that is not the pod's own, a tag, or what a pod may never send.
    public var spoofed: UInt64
    /// Ports that a pod can be behind, without a known pod.
    public var unknownPorts: Int
    /// What is not enforced, why, and what to do.
    public var problems: [String]

    public init(
        ports: Int, filtering: Bool = true, spoofed: UInt64 = 0, unknownPorts: Int = 0, problems: [String] = []
    ) {
        self.ports = ports
        self.unknownPorts = unknownPorts
        self.filtering = filtering
        self.spoofed = spoofed
        self.problems = problems
    }
}

/// The node's tunnel devices: packets from them appear to be from other nodes.
public struct TunnelStatus: Codable, Sendable, Hashable {
    /// UDP ports that they decapsulate.
    public var udpPorts: [Int]
    /// IP protocols that they decapsulate.
    public var protocols: [Int]
    /// Addresses of other nodes to which pods may not send such packets either.
    public var nodes: Int
    /// Whether such packets from pods are dropped.
    public var guarded: Bool

    public init(udpPorts: [Int], protocols: [Int], nodes: Int, guarded: Bool) {
        self.udpPorts = udpPorts
        self.protocols = protocols
        self.nodes = nodes
        self.guarded = guarded
    }
}

/// The state of the datapath.
public struct DatapathStatus: Codable, Sendable, Hashable {
    public enum State: String, Codable, Sendable {
        /// The kernel holds the newest compiled policy.
        case programmed
        /// Writing failed; the previous state stays in force, and everything is written again after `retryInSeconds`.
        case retrying
    }
    /// `ebpf` or `nftables`.
    public var kind: String
    /// Why it is this one: an option, or what the kernel has or lacks.
    public var reason: String
    public var state: State
    /// The last failure, while `retrying`.
    public var error: String?
    /// Failed attempts in a row.
    public var failures: Int
    /// Seconds until the next attempt, while `retrying`.
    public var retryInSeconds: Double?
    /// Batches of changes programmed since the start.
    public var batches: Int
    /// 32-bit words stored for the last batch.
    public var lastWords: Int
    /// Number of grace periods in the last batch.
    public var lastGracePeriods: Int
    /// Microseconds that the last batch took in the kernel.
    public var lastMicroseconds: Int
    /// Changes by others to Bulkhead's objects in the kernel that were repaired since the start.
    public var repaired: Int
    /// Why the other datapath could not be removed yet: it also judges. Nil if nothing is left.
    public var notReplaced: String?

    public init(
        kind: String, reason: String, state: State, error: String?, failures: Int, retryInSeconds: Double?,
        batches: Int,
        lastWords: Int, lastGracePeriods: Int, lastMicroseconds: Int, repaired: Int, notReplaced: String? = nil
    ) {
        self.kind = kind
        self.reason = reason
        self.state = state
        self.error = error
        self.failures = failures
        self.retryInSeconds = retryInSeconds
        self.batches = batches
        self.lastWords = lastWords
        self.lastGracePeriods = lastGracePeriods
        self.lastMicroseconds = lastMicroseconds
        self.repaired = repaired
        self.notReplaced = notReplaced
    }
}

/// The directory of manifests.
public struct ManifestStatus: Codable, Sendable, Hashable {
    /// Nil without a directory.
    public var directory: String?
    /// Objects read from the files and in force.
    public var objects: Int
    /// Documents that are refused now; their previous versions stay in force.
    public var problems: [Problem]
    /// Documents without effect, with the reason.
    public var notices: [String]
    /// The notices about policies of kinds that are not enforced.
    public var warnings: [String]
    public init(
        directory: String?, objects: Int, problems: [Problem], notices: [String], warnings: [String] = []
    ) {
        self.directory = directory
        self.objects = objects
        self.problems = problems
        self.notices = notices
        self.warnings = warnings
    }
}

/// What clients of the socket have pushed.
public struct PushedStatus: Codable, Sendable, Hashable {
    public var objects: Int
    /// Endpoints of the resolved policy.
    public var resolvedEndpoints: Int
    public init(objects: Int, resolvedEndpoints: Int) {
        self.objects = objects
        self.resolvedEndpoints = resolvedEndpoints
    }
}

/// The size of the compiled policy.
public struct TableSizes: Codable, Sendable, Hashable {
    /// Local endpoints.
    public var endpoints: Int
    /// Rules and other causes that a cell can name.
    public var rules: Int
    /// Distinct programs.
    public var programs: Int
    /// Selectors and address blocks in use, each once.
    public var peerSets: Int
    public var addressClasses: Int
    public var portClasses: Int
    /// Addresses and prefixes with an entry.
    public var addresses: Int
    /// Cells of all verdict matrices.
    public var cells: Int
    public init(
        endpoints: Int, rules: Int, programs: Int, peerSets: Int, addressClasses: Int, portClasses: Int,
        addresses: Int, cells: Int
    ) {
        self.endpoints = endpoints
        self.rules = rules
        self.programs = programs
        self.peerSets = peerSets
        self.addressClasses = addressClasses
        self.portClasses = portClasses
        self.addresses = addresses
        self.cells = cells
    }
}

/// What exceeds the tables.
public struct LimitStatus: Codable, Sendable, Hashable {
    /// Local endpoints over the limit of the tables, as `namespace/name`: they are not protected.
    public var unprotected: [String]
    /// Programs that are too large: their endpoints are denied everything in that direction.
    public var deniedPrograms: Int
    public init(unprotected: [String], deniedPrograms: Int) {
        self.unprotected = unprotected
        self.deniedPrograms = deniedPrograms
    }
}
