// SPDX-License-Identifier: Apache-2.0
import ControlProtocol
import ControlSocket
import Glibc
import KubernetesClient
import Logging
import Manifests
import NodeNetwork
import ServiceLifecycle

/// The daemon as a whole: the sources and the clients of the agent.
public struct Daemon: Service {
    private let agent: any RunningAgent
    private let manifests: ManifestDirectory?
    private let guardrails: ManifestDirectory?
    private let cluster: ClusterFollower?
    private let recorder: EventRecorder?
    private let socket: SocketFile
    private let requests: RequestSocket?
    private let metrics: MetricsAddress?
    private let logger: Logger
    private let notifier: ServiceNotifier
    private let onReady: @Sendable () -> Void

    /// - Parameters:
    ///   - agent: already started.
    ///   - manifests, guardrails: the agent got their first updates at its start.
    ///   - cluster: as in the agent's settings.
    ///   - recorder: creates Events for the agent's reports; nil for none.
    ///   - requests: the socket of the node's proxy; nil for none.
    ///   - metrics: the address of metrics and probes; nil for none.
    ///   - onReady: runs once the control socket answers.
    public init(
        agent: any RunningAgent, manifests: ManifestDirectory?, guardrails: ManifestDirectory? = nil,
        cluster: ClusterFollower? = nil, recorder: EventRecorder? = nil, socket: SocketFile,
        requests: RequestSocket? = nil,
        metrics: MetricsAddress? = nil, logger: Logger,
        notifier: ServiceNotifier = ServiceNotifier(), onReady: @escaping @Sendable () -> Void = {}
    ) {
        self.agent = agent
        self.manifests = manifests
        self.guardrails = guardrails
        self.cluster = cluster
        self.recorder = recorder
        self.socket = socket
        self.requests = requests
        self.metrics = metrics
        self.logger = logger
        self.notifier = notifier
        self.onReady = onReady
    }

    /// Runs until it must stop or fails. Policy stays enforced.
    public func run() async throws {
        let (states, receiver) = AsyncStream.makeStream(
            of: Result<NetworkState, NodeNetworkError>.self, bufferingPolicy: .bufferingNewest(1))
        let network = try await agent.followNetwork { receiver.yield($0) }
        let (changes, told) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        let ruleset = try await agent.followRuleset { told.yield() }
        let served = await withTaskGroup(of: Void.self) { group in
            group.addTask { for await state in states { await agent.networkChanged(state) } }
            group.addTask { for await _ in changes { await agent.rulesetChanged() } }
            group.addTask { await serveMetrics() }
            group.addTask { await serveRequests() }
            group.addTask { await watch(manifests) { await agent.manifestsChanged($0) } }
            group.addTask { await watch(guardrails) { await agent.guardrailsChanged($0) } }
            group.addTask { await cluster?.run { await take($0) } }
            let reporting = Task { await report() }
            let (answering, answers) = AsyncStream.makeStream(of: Void.self)
            let notifying = Task { await notify(once: answering) }
            let served = await withGracefulShutdownHandler {
                await serve(answers)
            } onGracefulShutdown: {
                notifier.tell(.stopping, .status("stopping; policy stays in force"))
                notifying.cancel()
                // Followers of events would delay the end of the socket.
                Task { await agent.endFollowing() }
            }
            network.stop()
            receiver.finish()
            ruleset.stop()
            told.finish()
            cluster?.stop()
            reporting.cancel()
            notifying.cancel()
            await cluster?.connection.shutdown()
            // Each waits for its thread, which may be reading a large file.
            manifests?.stop()
            guardrails?.stop()
            await agent.stop()
            return served
        }
        try served.get()
    }

    /// Frees the memory of the lists' readers around the first compilation, which needs the most memory.
    private func take(_ update: ClusterUpdate) async {
        if update.stage == .complete { ProcessMemory.trim() }
        await agent.clusterChanged(update)
        if update.stage == .complete { ProcessMemory.trim() }
    }

    /// - Parameter answers: receives a value once the control socket answers.
    private func serve(_ answers: AsyncStream<Void>.Continuation) async -> Result<Void, any Error> {
        do {
            try await ControlServer(file: socket, backend: agent, logger: logger) {
                logger.info("ready", metadata: ["socket": "\(socket.path)"])
                answers.yield()
                onReady()
                ProcessMemory.forgetStart()
            }.run()
            return .success(())
        } catch {
            return .failure(error)
        }
    }

    /// Reports to the service manager from the moment that the control socket answers.
    private func notify(once answering: AsyncStream<Void>) async {
        for await _ in answering { break }
        guard !Task.isCancelled else { return }
        await ServiceReports(
            notifier: notifier, health: { [agent] in await agent.health() },
            isHealthy: { [agent] in await agent.status().healthy }
        ).run()
    }

    /// The time between two checks for reports about objects.
    private static let reportInterval: Duration = .seconds(10)

    private func report() async {
        guard let recorder else { return }
        while !Task.isCancelled {
            try? await Task.sleep(for: Self.reportInterval)
            guard !Task.isCancelled else { return }
            await recorder.record(await agent.reports())
        }
    }

    private func serveMetrics() async {
        guard let metrics else { return }
        await MetricsServer(address: metrics, backend: agent, logger: logger).run()
    }

    /// Its failure leaves the rest of the daemon as it is: flows that need the proxy are refused, and the status says so.
    private func serveRequests() async {
        guard let requests else { return }
        do {
            try await ControlServer(
                file: requests.file, backend: agent, scope: .requests(users: requests.users), logger: logger
            ).run()
        } catch {
            logger.error(
                "the proxy for requests cannot be served",
                metadata: ["socket": "\(requests.file.path)", "error": "\(error)"])
        }
    }

    private func watch(_ directory: ManifestDirectory?, _ changed: (ManifestChange) async -> Void) async {
        guard let directory else { return }
        for await update in directory.updates { await changed(ManifestChange(update)) }
    }
}

/// The socket that serves the node's proxy alone.
public struct RequestSocket: Sendable {
    public var file: SocketFile
    /// Users that may call, in addition to root and the daemon's own.
    public var users: Set<uid_t>
    public init(file: SocketFile, users: Set<uid_t> = []) {
        self.file = file
        self.users = users
    }
}

extension Daemon: CustomStringConvertible {
    /// For the log of the service group.
    public var description: String { "bulkheadd at \(socket.path)" }
}
