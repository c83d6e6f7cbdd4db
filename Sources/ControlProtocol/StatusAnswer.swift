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
    /// Whether all is as it should be: what enforces is in its place and holds the newest policy, no document is
    /// refused, no limit is exceeded, and none of ``conditions`` is a problem.
    public var healthy: Bool
    /// What is wrong with enforcement itself, the worst first: what `/healthz` and `/readyz` report, and what was lost.
    public var problems: [String]
    /// What holds for the node as a whole and must not be overlooked; problems first.
    public var conditions: [StatusCondition]
    public var datapath: DatapathStatus
    public var manifests: ManifestStatus
    /// Nil where no API server is followed.
    public var cluster: ClusterStatus?
    /// Nil where the daemon was given no directory of static guardrails.
    public var guardrails: ManifestStatus?
    public var policies: PolicyStatus
    public var pushed: PushedStatus
    public var tables: TableSizes
    public var limits: LimitStatus
    /// Clients that follow the events now.
    public var followers: Int
    /// Nil where no pod of this node is behind a bridge.
    public var bridges: BridgeStatus?
    /// Nil where the node has no tunnel devices.
    public var tunnels: TunnelStatus?
    /// Nil where the container runtime has told of no pod.
    public var attachments: AttachmentStatus?
    /// Nil where the chained CNI plugin is not kept installed.
    public var plugin: PluginStatus?

    public init(
        version: String, node: String, pid: Int, uptimeSeconds: Int, datapath: DatapathStatus,
        manifests: ManifestStatus, guardrails: ManifestStatus? = nil, policies: PolicyStatus, pushed: PushedStatus,
        tables: TableSizes, limits: LimitStatus, followers: Int, bridges: BridgeStatus? = nil,
        tunnels: TunnelStatus? = nil, cluster: ClusterStatus? = nil, attachments: AttachmentStatus? = nil,
        plugin: PluginStatus? = nil, problems: [String] = [], conditions: [StatusCondition] = []
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
    }
}

/// The policies in force, and what of them is not as an admin may expect.
public struct PolicyStatus: Codable, Sendable, Hashable {
    /// Policies in force, those in audit among them.
    public var count: Int
    /// Policies in audit: what they would deny is told and not stopped.
    public var audited: Int
    /// Packets (nftables: flows) that passed and that policies in audit would deny.
    public var wouldDeny: UInt64
    /// Policies with parts that are not understood; these deny what they may have been meant to.
    public var partial: Int
    /// Whether packets between pods and their own node are judged.
    public var judgesOwnNode: Bool
    /// Why they are, or aren't.
    public var ownNodeReason: String
    /// Local endpoints that are known by their interface alone, to no object.
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

/// Pods that are behind bridges of this node.
public struct BridgeStatus: Codable, Sendable, Hashable {
    /// Bridge ports behind which pods are.
    public var ports: Int
    /// Whether packets that stay within a bridge pass netfilter, so that policy holds for them
    /// (`net.bridge.bridge-nf-call-iptables` and `bridge-nf-call-ip6tables`, which the daemon switches on).
    public var filtering: Bool
    /// Frames dropped at bridge ports: an address that is not the pod's own, a tag, or what no pod sends.
    public var spoofed: UInt64
    /// Ports behind which pods can be, of which it is not known whose they are.
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

/// The node's tunnel devices: what comes out of them is taken to be from other nodes.
public struct TunnelStatus: Codable, Sendable, Hashable {
    /// UDP ports that they unwrap.
    public var udpPorts: [Int]
    /// IP protocols that they unwrap.
    public var protocols: [Int]
    /// Addresses of other nodes to which pods may send none of these either.
    public var nodes: Int
    /// Whether such packets of pods are dropped.
    public var guarded: Bool

    public init(udpPorts: [Int], protocols: [Int], nodes: Int, guarded: Bool) {
        self.udpPorts = udpPorts
        self.protocols = protocols
        self.nodes = nodes
        self.guarded = guarded
    }
}

/// The kernel's side.
public struct DatapathStatus: Codable, Sendable, Hashable {
    public enum State: String, Codable, Sendable {
        /// The kernel holds the policy that was compiled last.
        case programmed
        /// Writing failed; what was in force before stays, and the whole is written again after `retryInSeconds`.
        case retrying
    }
    /// `ebpf` or `nftables`.
    public var kind: String
    /// Why it is this one: what was asked for, or what the kernel was found to have or to lack.
    public var reason: String
    public var state: State
    /// What failed last, while `retrying`.
    public var error: String?
    /// Failed attempts in a row.
    public var failures: Int
    /// Seconds until the next attempt, while `retrying`.
    public var retryInSeconds: Double?
    /// Batches of changes that were programmed since the start.
    public var batches: Int
    /// 32-bit words stored for the last batch.
    public var lastWords: Int
    /// Grace periods waited for in the last batch.
    public var lastGracePeriods: Int
    /// Microseconds that the last batch took in the kernel.
    public var lastMicroseconds: Int
    /// Things that somebody else had changed in the kernel and that were put right, since the start.
    public var repaired: Int
    /// Why what another datapath enforced before could not be removed yet: it judges as well. Nil: nothing is left.
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
    /// Nil where the daemon was given none.
    public var directory: String?
    /// Objects read from the files and in force.
    public var objects: Int
    /// Documents that are refused now; what they replaced stays in force.
    public var problems: [Problem]
    /// Documents that have no effect, with the reason.
    public var notices: [String]
    /// Those of `notices` that are policies, of kinds that are not enforced.
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

/// What clients of the socket have put in force.
public struct PushedStatus: Codable, Sendable, Hashable {
    public var objects: Int
    /// Endpoints of the resolved policy.
    public var resolvedEndpoints: Int
    public init(objects: Int, resolvedEndpoints: Int) {
        self.objects = objects
        self.resolvedEndpoints = resolvedEndpoints
    }
}

/// How large the compiled policy is.
public struct TableSizes: Codable, Sendable, Hashable {
    /// Local endpoints.
    public var endpoints: Int
    /// Rules and other deciders that a cell can name.
    public var rules: Int
    /// Distinct ordered rule lists.
    public var programs: Int
    /// Selectors and address blocks in use, each once.
    public var peerSets: Int
    public var addressClasses: Int
    public var portClasses: Int
    /// Addresses and prefixes with an entry.
    public var addresses: Int
    /// Of all verdict matrices.
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

/// What does not fit the tables.
public struct LimitStatus: Codable, Sendable, Hashable {
    /// Local endpoints beyond the number that the tables hold, as `namespace/name`: they are not protected.
    public var unprotected: [String]
    /// Rule lists that are too large: the endpoints that have them are denied everything in that direction.
    public var deniedPrograms: Int
    public init(unprotected: [String], deniedPrograms: Int) {
        self.unprotected = unprotected
        self.deniedPrograms = deniedPrograms
    }
}
