// SPDX-License-Identifier: Apache-2.0
import Agent
import ConnectionTracking
import Datapath
import DatapathEBPF
import DatapathNFTables
import JournalFiles
import KubernetesClient
import Logging
import Netfilter
import NodeNetwork
import PolledThread

/// Opens the datapath of the option, or the best that the kernel supports, and starts an agent on it.
struct DatapathChoice {
    let command: BulkheadD
    let setUp: ProcessSetUp
    let logger: Logger
    let found: Found
    let cluster: ClusterFollower?
    let plugin: PluginKeeping?
    let journal: JournalWriter?

    /// The content of the directories at the start.
    struct Found {
        var manifests: ManifestChange
        var guardrails: ManifestChange
    }

    /// The reason for a datapath chosen by an option.
    private var asked: String { "--datapath \(command.datapath.rawValue)" }

    func start() async throws -> any RunningAgent {
        let thread = try KernelThread()
        switch command.datapath {
        case .ebpf: return try await ebpf(asked, thread)
        case .nftables: return try await nftables(asked, thread)
        case .auto: return try await best(thread)
        }
    }

    /// Loads, attaches and pins the real programs once; any failure leads to nftables.
    private func best(_ thread: KernelThread) async throws -> any RunningAgent {
        if let error = setUp.bpffsError { return try await instead("\(error)", thread) }
        let support = EBPFSupport()
        guard support.missing == nil else { return try await instead("\(support)", thread) }
        do {
            return try await ebpf("\(support)", thread)
        } catch AgentStartError.datapath(.inUse(let holder)) {
            throw DatapathError.inUse(holder)
        } catch AgentStartError.datapath(let error) {
            return try await instead("\(error)", thread)
        }
    }

    private func instead(_ reason: String, _ thread: KernelThread) async throws -> any RunningAgent {
        logger.warning("eBPF is not available: nftables enforces instead", metadata: ["reason": "\(reason)"])
        return try await nftables("eBPF is not available: \(reason)", thread, isFallback: true)
    }

    private func ebpf(
        _ reason: String, _ thread: KernelThread
    ) async throws -> any RunningAgent {
        var settings = settings(.ebpf, reason) { try NFTablesDatapath.uninstall() }
        settings.isOtherInForce = { try !NFTablesDatapath.installed().isEmpty }
        return try await started(
            Agent(
                settings: settings, thread: thread, datapath: EBPFDatapath(bpffs: command.bpffs), logger: logger),
            settings)
    }

    private func nftables(
        _ reason: String, _ thread: KernelThread, isFallback: Bool = false
    ) async throws -> any RunningAgent {
        var settings = settings(.nftables, reason) { [bpffs = command.bpffs] in
            try EBPFDatapath.uninstall(bpffs: bpffs, withUnpinned: false)
        }
        settings.isFallback = isFallback
        settings.isOtherInForce = { [bpffs = command.bpffs] in EBPFDatapath.isInForce(bpffs: bpffs) }
        let plane = NFTablesDatapath(settings: NFTablesSettings(rejects: command.reject))
        return try await started(
            Agent(settings: settings, thread: thread, datapath: plane, logger: logger), settings)
    }

    private func settings(
        _ kind: BulkheadD.DatapathKind, _ reason: String, removeOther: @escaping @Sendable () throws -> [String]
    ) -> AgentSettings {
        var settings = AgentSettings(
            nodeName: command.nodeName ?? "", manifestDirectory: command.manifests,
            guardrailDirectory: command.guardrails, policy: command.policySettings, datapathKind: kind.rawValue,
            datapathReason: reason,
            watchInterval: .seconds(command.watchInterval), removeOther: removeOther,
            pushedFile: PushedFile(path: PushedFile.path(beside: command.socket)), cluster: cluster,
            attachmentFile: AttachmentFile(path: AttachmentFile.path(beside: command.socket)),
            readNetwork: { () throws(NodeNetworkError) in try NetworkFollower.snapshot() },
            closesUnknownPorts: command.unknownPorts == .deny, allowsPodTunnels: command.allowPodTunnels,
            pluginStatus: { [plugin] in plugin?.status }, requests: command.requests.settings,
            journal: journal, selfProof: command.once ? 0 : command.selfProof,
            selfProofDelay: AgentSettings.usualSelfProofDelay,
            flows: command.once ? FlowSettings(.off) : command.recording.settings)
        // With a socket of its own each time: the datapath's is another thread's.
        settings.connections = { isWanted in
            try ConnectionTable.connections(NetfilterSocket(), where: isWanted).map {
                LiveConnection(flow: $0.flow, mark: $0.mark)
            }
        }
        settings.connectionLosses = {
            let counted = try ConnectionStatistics(NetfilterSocket())
            return ConnectionLosses(dropped: counted.dropped, clashed: counted.clashed, evicted: counted.evicted)
        }
        return settings
    }

    private func started<Plane: Datapath & ~Copyable>(
        _ agent: Agent<Plane>, _ settings: AgentSettings
    ) async throws -> any RunningAgent {
        try await agent.start(found.manifests, guardrails: found.guardrails)
        logger.info(
            "datapath", metadata: ["kind": "\(settings.datapathKind)", "reason": "\(settings.datapathReason)"])
        return agent
    }
}
