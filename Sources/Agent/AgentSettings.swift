// SPDX-License-Identifier: Apache-2.0
import ControlProtocol
import KubernetesClient
import NodeNetwork
import PolicyResolver

/// What the agent is told once, at its start.
public struct AgentSettings: Sendable {
    /// The node whose pods it protects, as pods name it in `spec.nodeName`.
    public var nodeName: String
    /// The directory of manifests, for answers; nil where there is none.
    public var manifestDirectory: String?
    /// The directory of static guardrails, for answers; nil where there is none.
    public var guardrailDirectory: String?
    /// What was chosen about traffic from pods to their own node.
    public var policy: PolicySettings
    /// What the datapath is called in answers.
    public var datapathKind: String
    /// Why it is this one.
    public var datapathReason: String
    /// Whether the best datapath was not possible, and this one was taken instead.
    public var isFallback = false
    /// How often it is looked whether somebody else has changed what is programmed, where others can.
    public var watchInterval: Duration
    /// How long a pod may be without an interface of this node before that is told: its network is being made.
    public var interfaceGrace: Duration
    /// Removes what another datapath enforces in this node's kernel, once this one does; answers what it removed.
    public var removeOther: (@Sendable () throws -> [String])?
    /// Where what was pushed is kept over a restart; nil: nowhere.
    public var pushedFile: PushedFile?
    /// What tells of the cluster, for answers; nil where no API server is followed.
    public var cluster: ClusterFollower?
    /// Where it is kept what the container runtime has told of this node's pods; nil: nowhere.
    public var attachmentFile: AttachmentFile?
    /// Reads the node's links and routes afresh, on the thread that the agent runs on; nil: they are told alone.
    public var readNetwork: (@Sendable () throws(NodeNetworkError) -> NetworkState)?
    /// Whether bridge ports that are nobody's are closed, on bridges with pods.
    public var closesUnknownPorts: Bool
    /// Whether pods may send tunnel packets to nodes.
    public var allowsPodTunnels: Bool
    /// How the chained CNI plugin's installation stands, for the status.
    public var pluginStatus: (@Sendable () -> PluginStatus?)?

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
        pluginStatus: (@Sendable () -> PluginStatus?)? = nil
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
    }
}
