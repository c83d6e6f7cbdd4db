// SPDX-License-Identifier: Apache-2.0
import Agent
import ControlProtocol
import DatapathEBPF
import DatapathNFTables
import Glibc
import Logging
import NIOCore
import PolicySources
import ServiceLifecycle

/// What the daemon does once its process is set up.
struct Run {
    let command: BulkheadD
    let setUp: ProcessSetUp
    let logger: Logger

    /// The code to exit with.
    func result() async -> Int32 {
        // The control socket has few clients.
        NIOSingletons.groupLoopCountSuggestion = 1
        do {
            if command.cleanup { return try cleanUp() }
            return command.once ? try await once() : try await serve()
        } catch {
            logger.critical("cannot go on", metadata: ["error": "\(error)"])
            return 1
        }
    }

    private func cleanUp() throws -> Int32 {
        try NFTablesDatapath.checkUnused()
        let removed =
            try EBPFDatapath.uninstall(bpffs: command.bpffs) + NFTablesDatapath.uninstall()
            + BridgeSourceCheck.uninstall()
        for name in removed { logger.info("removed", metadata: ["object": "\(name)"]) }
        return 0
    }

    private func once() async throws -> Int32 {
        let manifests = try directory()
        manifests?.stop()
        let agent = try await start(manifests)
        let failure = await agent.settle()
        let status = await agent.status()
        logger.info(
            "applied",
            metadata: [
                "objects": "\(status.manifests.objects)", "endpoints": "\(status.tables.endpoints)",
                "refused": "\(status.manifests.problems.count)",
            ])
        await agent.stop()
        return failure == nil && status.healthy ? 0 : 1
    }

    private func serve() async throws -> Int32 {
        let socket = try SocketFile(path: command.socket)
        // Asked before anything in the kernel is changed.
        try socket.prepare()
        let manifests = try directory()
        let agent = try await start(manifests)
        let daemon = Daemon(agent: agent, manifests: manifests, socket: socket, logger: logger)
        var configuration = ServiceGroupConfiguration(
            services: [daemon], gracefulShutdownSignals: [.sigterm, .sigint], logger: logger)
        // A client that stops half-way through a request is not waited for.
        configuration.maximumGracefulShutdownDuration = .seconds(3)
        try await ServiceGroup(configuration: configuration).run()
        logger.info("stopped; what is enforced stays in force")
        return 0
    }

    private func directory() throws -> ManifestDirectory? {
        try command.manifests.map { path throws in try ManifestDirectory(path: path) }
    }

    private func start(_ manifests: ManifestDirectory?) async throws -> any RunningAgent {
        let first = manifests.map { ManifestChange($0.initial) } ?? ManifestChange()
        return try await DatapathChoice(command: command, setUp: setUp, logger: logger).start(first)
    }
}
