// SPDX-License-Identifier: Apache-2.0
import ControlProtocol
import JournalFiles
import KubernetesClient
import NetworkTypes
import NodeNetwork
import PolicyResolver

/// The settings of the agent, fixed at its start.
public struct AgentSettings: Sendable {
    /// ``selfProofDelay`` of the daemon.
    public static let usualSelfProofDelay = Proving.settleTime

    /// The node whose pods it protects, as in the `spec.nodeName` of pods.
    public var nodeName: String
    /// The directory of manifests, for answers; nil if there is none.
    public var manifestDirectory: String?
    /// The directory of static guardrails, for answers; nil if there is none.
    public var guardrailDirectory: String?
    /// Settings for traffic from pods to their own node.
    public var policy: PolicySettings
    /// The name of the datapath in answers.
    public var datapathKind: String
    /// Why it is this one.
    public var datapathReason: String
    /// Whether the best datapath was not available, so that this one is used.
    public var isFallback = false
    /// How often to check whether others have changed what is programmed, if they can.
    public var watchInterval: Duration
    /// How long a pod may be without an interface of this node before that is reported: its network is being created.
    public var interfaceGrace: Duration
    /// Removes what another datapath enforces in this node's kernel, once this one does; returns what it removed.
    public var removeOther: (@Sendable () throws -> [String])?
    /// Whether another datapath of a run before is in this node's kernel; nil: there is no other one.
    public var isOtherInForce: (@Sendable () throws -> Bool)?
    /// Where pushes are saved for a restart; nil: nowhere.
    public var pushedFile: PushedFile?
    /// The source of the cluster's objects, for answers; nil without an API server.
    public var cluster: ClusterFollower?
    /// Where the container runtime's reports about this node's pods are saved; nil: nowhere.
    public var attachmentFile: AttachmentFile?
    /// Reads the node's links and routes again, on the agent's thread; nil: they are only reported.
    public var readNetwork: (@Sendable () throws(NodeNetworkError) -> NetworkState)?
    /// Whether bridge ports without a known pod are closed, on bridges with pods.
    public var closesUnknownPorts: Bool
    /// Whether pods may send tunnel packets to nodes.
    public var allowsPodTunnels: Bool
    /// The state of the chained CNI plugin's installation, for the status.
    public var pluginStatus: (@Sendable () -> PluginStatus?)?
    /// How requests are handed to the node's proxy.
    public var requests: RequestSettings
    /// Finds the Services that questions name; at first those of the API server.
    public var services: (any ServiceSource)?
    /// Keeps what changes; nil: nothing does.
    public var journal: JournalWriter?
    /// The share of one processor, in percent, for the comparison of the kernel's answers with policy; 0: none.
    public var selfProof: Double
    /// How long after the start the first comparison waits.
    public var selfProofDelay: Duration
    /// The shortest time between two comparisons of all tables with policy, and until the first one.
    public var comparisonInterval: Duration = .seconds(600)
    /// What is recorded of flows.
    public var flows: FlowSettings
    /// Lists connections that the kernel tracks, those whose flow is wanted; nil: none are known. Called on any thread.
    public var connections: (@Sendable (_ isWanted: (Flow) -> Bool) throws -> [LiveConnection])?
    /// Reads what connection tracking has lost; nil: that is unknown.
    public var connectionLosses: (@Sendable () throws -> ConnectionLosses)?

    public init(
        nodeName: String, manifestDirectory: String? = nil, guardrailDirectory: String? = nil,
        policy: PolicySettings = PolicySettings(), datapathKind: String = "ebpf",
        datapathReason: String = "", watchInterval: Duration = .seconds(5),
        interfaceGrace: Duration = .seconds(15),
        removeOther: (@Sendable () throws -> [String])? = nil, pushedFile: PushedFile? = nil,
        cluster: ClusterFollower? = nil,
        attachmentFile: AttachmentFile? = nil,
        readNetwork: (@Sendable () throws(NodeNetworkError) -> NetworkState)? = nil,
        closesUnknownPorts: Bool = false, allowsPodTunnels: Bool = false,
        pluginStatus: (@Sendable () -> PluginStatus?)? = nil, requests: RequestSettings = RequestSettings(),
        journal: JournalWriter? = nil, selfProof: Double = 0, selfProofDelay: Duration = .zero,
        flows: FlowSettings = FlowSettings()
    ) {
        self.nodeName = nodeName
        self.manifestDirectory = manifestDirectory
        self.guardrailDirectory = guardrailDirectory
        self.policy = policy
        self.datapathKind = datapathKind
        self.datapathReason = datapathReason
        self.watchInterval = watchInterval
        self.interfaceGrace = interfaceGrace
        self.removeOther = removeOther
        self.pushedFile = pushedFile
        self.cluster = cluster
        self.attachmentFile = attachmentFile
        self.readNetwork = readNetwork
        self.closesUnknownPorts = closesUnknownPorts
        self.allowsPodTunnels = allowsPodTunnels
        self.pluginStatus = pluginStatus
        self.requests = requests
        services = cluster.map { ServiceLookup($0.connection) }
        self.journal = journal
        self.selfProof = selfProof
        self.selfProofDelay = selfProofDelay
        self.flows = flows
    }
}
