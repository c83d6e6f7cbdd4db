// SPDX-License-Identifier: Apache-2.0
import Agent
import Datapath
import DatapathEBPF
import DatapathNFTables
import Logging

/// Takes the datapath that was asked for, or the best that the kernel can, and starts an agent on it.
struct DatapathChoice {
    let command: BulkheadD
    let setUp: ProcessSetUp
    let logger: Logger

    private static let asked = "it was asked for"

    func start(_ first: ManifestChange) async throws -> any RunningAgent {
        let thread = try KernelThread()
        switch command.datapath {
        case .ebpf: return try await ebpf(Self.asked, first, thread)
        case .nftables: return try await nftables(Self.asked, first, thread)
        case .auto: return try await best(first, thread)
        }
    }

    private func best(_ first: ManifestChange, _ thread: KernelThread) async throws -> any RunningAgent {
        if let error = setUp.bpffsError { return try await nftables("eBPF is not possible: \(error)", first, thread) }
        let support = EBPFSupport()
        guard support.missing == nil else { return try await nftables("\(support)", first, thread) }
        do {
            return try await ebpf("\(support)", first, thread)
        } catch AgentStartError.datapath(.unsupported(let what, let remedy)) {
            return try await nftables("eBPF is not possible: \(what); \(remedy)", first, thread)
        }
    }

    private func ebpf(
        _ reason: String, _ first: ManifestChange, _ thread: KernelThread
    ) async throws -> any RunningAgent {
        let settings = settings(.ebpf, reason) { try NFTablesDatapath.uninstall() }
        return try await started(
            Agent(
                settings: settings, thread: thread, datapath: EBPFDatapath(bpffs: command.bpffs), logger: logger),
            first, settings)
    }

    private func nftables(
        _ reason: String, _ first: ManifestChange, _ thread: KernelThread
    ) async throws -> any RunningAgent {
        let settings = settings(.nftables, reason) { [bpffs = command.bpffs] in
            try EBPFDatapath.uninstall(bpffs: bpffs)
        }
        let plane = NFTablesDatapath(settings: NFTablesSettings(rejects: command.reject))
        return try await started(
            Agent(settings: settings, thread: thread, datapath: plane, logger: logger), first, settings)
    }

    private func settings(
        _ kind: BulkheadD.DatapathKind, _ reason: String, removeOther: @escaping @Sendable () throws -> [String]
    ) -> AgentSettings {
        AgentSettings(
            nodeName: command.nodeName ?? "", manifestDirectory: command.manifests, datapathKind: kind.rawValue,
            datapathReason: reason, watchInterval: .seconds(command.watchInterval), removeOther: removeOther,
            pushedFile: PushedFile(path: PushedFile.path(beside: command.socket)))
    }

    private func started<Plane: Datapath & ~Copyable>(
        _ agent: Agent<Plane>, _ first: ManifestChange, _ settings: AgentSettings
    ) async throws -> any RunningAgent {
        try await agent.start(first, kept: try settings.pushedFile?.read() ?? KeptPushes())
        logger.info(
            "datapath", metadata: ["kind": "\(settings.datapathKind)", "reason": "\(settings.datapathReason)"])
        return agent
    }
}
