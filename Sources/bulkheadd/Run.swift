// SPDX-License-Identifier: Apache-2.0
import Agent
import BridgeGuard
import ControlProtocol
import ControlSocket
import DatapathEBPF
import DatapathNFTables
import FoundationEssentials
import Glibc
import KubernetesClient
import KubernetesObjects
import Logging
import Manifests
import NIOCore
import NodeNetwork
import RequestSteering
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
            logger.critical("bulkheadd cannot start", metadata: ["error": "\(error)"])
            // The service manager keeps it until the next try, when the log of this one is no longer in its summary.
            ServiceNotifier().tell(.status("cannot start: \(error)"))
            return 1
        }
    }

    private func cleanUp() throws -> Int32 {
        let lock = try NamespaceLock()
        defer { withExtendedLifetime(lock) {} }
        try NFTablesDatapath.checkUnused()
        let listsLinks = EBPFDatapath.canListLinks
        if !listsLinks {
            logger.warning(
                "links that are not pinned there were not searched for, which requires CAP_SYS_ADMIN",
                metadata: ["bpffs": "\(command.bpffs)"])
        }
        // First, because a pod that starts now must not wait for a daemon that never comes.
        let removed =
            try command.plugin.directories.installation.remove()
            + EBPFDatapath.uninstall(bpffs: command.bpffs, withUnpinned: listsLinks)
            + NFTablesDatapath.uninstall()
            + BridgeSourceCheck.uninstall()
            + RequestSteering.uninstall()
        for name in removed { logger.info("removed", metadata: ["object": "\(name)"]) }
        return 0
    }

    private func once() async throws -> Int32 {
        let lock = try takeLock()
        defer { withExtendedLifetime(lock) {} }
        let directories = try Directories(command)
        directories.stop()
        let agent = try await start(directories)
        let failure = await agent.settle()
        let status = await agent.status()
        let sources = [status.manifests, status.guardrails].compactMap(\.self)
        logger.info(
            "applied",
            metadata: [
                "objects": "\(sources.reduce(0) { $0 + $1.objects })", "endpoints": "\(status.tables.endpoints)",
                "refused": "\(sources.reduce(0) { $0 + $1.problems.count })",
            ])
        await agent.stop()
        return failure == nil && status.healthy ? 0 : 1
    }

    private func serve() async throws -> Int32 {
        let socket = try SocketFile(path: command.socket)
        let requests = RequestSocket(
            file: try SocketFile(path: command.requests.socketPath(beside: command.socket)),
            users: command.requests.settings.users)
        // Before anything in the kernel changes.
        try socket.prepare()
        let lock = try takeLock()
        defer { withExtendedLifetime(lock) {} }
        let cluster = try access().map { access in
            ClusterFollower(
                APIServerConnection(access, userAgent: "bulkheadd/\(BuildVersion.text)"), logger: logger)
        }
        let directories = try Directories(command)
        let plugin = try PluginKeeping(command, logger)
        defer { plugin?.stop() }
        let agent = try await start(directories, cluster, plugin)
        let recorder = cluster.map { EventRecorder($0.connection, node: command.nodeName ?? "", logger: logger) }
        let daemon = Daemon(
            agent: agent, manifests: directories.manifests, guardrails: directories.guardrails, cluster: cluster,
            recorder: recorder, socket: socket, requests: requests, metrics: command.metricsAddress, logger: logger,
            onReady: { plugin?.start() })
        var configuration = ServiceGroupConfiguration(
            services: [daemon], gracefulShutdownSignals: [.sigterm, .sigint], logger: logger)
        // The shutdown does not wait for a client that stops halfway through a request.
        configuration.maximumGracefulShutdownDuration = .seconds(3)
        try await ServiceGroup(configuration: configuration).run()
        logger.info("stopped; policy stays in force")
        return 0
    }

    /// Before anything in the kernel changes: another daemon may enforce here, with either datapath.
    private func takeLock() throws(NamespaceLockError) -> NamespaceLock {
        let lock = try NamespaceLock()
        if let problem = lock.problem {
            logger.warning(
                "a second bulkheadd in this network namespace would not be noticed", metadata: ["reason": "\(problem)"])
        }
        if let path = setUp.mounted { logger.notice("mounted a BPF file system", metadata: ["path": "\(path)"]) }
        return lock
    }

    /// The API server to follow; nil without the option.
    private func access() throws(AccessError) -> ClusterAccess? {
        if let file = command.kubeconfig { return try Kubeconfig.read(file, context: command.context) }
        guard command.inCluster else { return nil }
        return try ClusterAccess.inCluster(environment: ProcessInfo.processInfo.environment)
    }

    private func start(
        _ directories: Directories, _ cluster: ClusterFollower? = nil, _ plugin: PluginKeeping? = nil
    ) async throws -> any RunningAgent {
        try await DatapathChoice(
            command: command, setUp: setUp, logger: logger, found: directories.found, cluster: cluster, plugin: plugin,
            journal: command.journal.start(command, logger)
        ).start()
    }
}

/// The watched directories of the options.
private struct Directories {
    var guardrails: ManifestDirectory?
    var manifests: ManifestDirectory?

    init(_ command: BulkheadD) throws {
        guardrails = try command.guardrails.map { path throws in
            try Self.check(path, "--guardrails")
            return try ManifestDirectory(
                path: path, kinds: ObjectKind.policies, keepsLastOnEmpty: command.keepLastOnEmpty)
        }
        manifests = try command.manifests.map { path throws in
            try Self.check(path, "--manifests")
            return try ManifestDirectory(path: path, keepsLastOnEmpty: command.keepLastOnEmpty)
        }
    }

    private static func check(_ path: String, _ option: String) throws(SetUpError) {
        var facts = stat()
        guard stat(path, &facts) == 0 else {
            throw SetUpError(
                what: "\(option) \(path): \(String(cString: strerror(errno)))",
                remedy: "create the directory, or name another one")
        }
        guard facts.st_mode & S_IFMT == S_IFDIR else {
            throw SetUpError(
                what: "\(option) \(path) is not a directory", remedy: "name the directory that contains the files")
        }
    }

    var found: DatapathChoice.Found {
        DatapathChoice.Found(
            manifests: manifests.map { ManifestChange($0.initial) } ?? ManifestChange(),
            guardrails: guardrails.map { ManifestChange($0.initial) } ?? ManifestChange())
    }

    func stop() {
        guardrails?.stop()
        manifests?.stop()
    }
}
