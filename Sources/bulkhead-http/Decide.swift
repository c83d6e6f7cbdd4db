// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Dispatch
import Glibc
import NIOCore
import NIOPosix
import RequestDecider
import RequestPolicy

/// Answers HAProxy's questions until it is stopped.
struct Decide: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Answers HAProxy's questions about connections and requests.",
        discussion: """
            Follows bulkheadd for the policy. While bulkheadd is away, the last policy decides, also after a restart; \
            before any policy is known, everything is denied. Denied requests are lines of JSON on standard output.
            """)

    @Option(help: ArgumentHelp("The socket for HAProxy's questions.", valueName: "path"))
    var spopSocket = "/run/bulkhead-http/decider.sock"

    @Option(help: ArgumentHelp("The socket on which bulkheadd tells the policy.", valueName: "path"))
    var requestsSocket = "/run/bulkhead/requests/requests.sock"

    @Option(help: ArgumentHelp("The file in which the last policy is kept.", valueName: "path"))
    var policyFile = "/run/bulkhead-http/policy.jsonl"

    @Option(
        help: ArgumentHelp(
            "HAProxy's own socket, to see whether it runs and to end connections that a new policy denies.",
            valueName: "path"))
    var haproxySocket = "/run/bulkhead-http/haproxy.sock"

    @Option(help: ArgumentHelp("The UDP port of 127.0.0.1 for HAProxy's log.", valueName: "port"))
    var logPort = 15002

    @Option(
        help: ArgumentHelp(
            "The address and port for metrics and probes; :9469 is every address.", valueName: "host:port"))
    var metricsAddress: String?

    @Flag(help: "Also print a line for each allowed request.")
    var logAllowed = false

    func validate() throws {
        guard metricsAddress == nil || SocketAddress.parsed(metricsAddress) != nil else {
            throw ValidationError(
                "--metrics-address needs an address and a port, such as 127.0.0.1:9469, or only a port, such as :9469")
        }
        guard (1...65535).contains(logPort) else { throw ValidationError("--log-port is between 1 and 65535") }
    }

    func run() async throws {
        signal(SIGPIPE, SIG_IGN)
        umask(0o077)
        let file = PolicyFile(path: policyFile)
        let served: Result<Void, any Error>
        do {
            served = .success(try await serve(file))
        } catch {
            served = .failure(error)
        }
        // The next decider begins with what this one learned last.
        await file.settle()
        try served.get()
    }

    /// Answers until a signal ends it.
    private func serve(_ file: PolicyFile) async throws {
        let decider = SharedDecider(file.read(), recordsAllowed: logAllowed)
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let presence = ProxyPresence(path: haproxySocket, decider: decider, group: group)
        let follower = Follower(path: requestsSocket, decider: decider, file: file, presence: presence, group: group)
        let sessions = PassedSessions(path: haproxySocket, decider: decider, group: group)
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { await follower.run(sessions) }
            // What was kept may be old: the daemon has a moment to tell what is new before anything is answered.
            await decider.waitForPolicy(milliseconds: 1000)
            let questions = try await Self.bound("\(spopSocket) (--spop-socket)") { try await listen(group, decider) }
            let log = try await Self.bound("127.0.0.1:\(logPort) (--log-port)") {
                try await ReportHandler.bind(port: logPort, decider, group)
            }
            if let address = SocketAddress.parsed(metricsAddress) {
                _ = try await Self.bound("\(metricsAddress ?? "") (--metrics-address)") {
                    try await MetricsHandler.bind(address, decider, group)
                }
            }
            Self.say("answers on \(spopSocket)")
            tasks.addTask { await CountsPoster(path: requestsSocket, decider: decider, group: group).run() }
            await Self.untilStopped()
            tasks.cancelAll()
            try await questions.close()
            try await log.close()
        }
    }

    private struct CannotListen: Error, CustomStringConvertible {
        let place: String
        let cause: any Error
        var description: String { "cannot listen on \(place): \(cause)" }
    }

    /// - Parameter place: Where, and the option that says so.
    private static func bound(
        _ place: String, _ bind: () async throws -> any Channel
    ) async throws -> any Channel {
        do {
            return try await bind()
        } catch {
            throw CannotListen(place: place, cause: error)
        }
    }

    private func listen(_ group: any EventLoopGroup, _ decider: SharedDecider) async throws -> any Channel {
        try removeOldSocket()
        let channel = try await ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 256)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(QuestionHandler(decider))
                }
            }
            .bind(unixDomainSocketPath: spopSocket).get()
        // HAProxy is another user in the same pod, and the directory is the pod's alone.
        chmod(spopSocket, 0o666)
        return channel
    }

    /// Of an earlier run. Anything else at the path stays.
    private func removeOldSocket() throws {
        var facts = stat()
        guard lstat(spopSocket, &facts) == 0 else { return }
        guard facts.st_mode & S_IFMT == S_IFSOCK else {
            throw ValidationError("--spop-socket \(spopSocket) exists and is not a socket")
        }
        unlink(spopSocket)
    }

    private static func untilStopped() async {
        signal(SIGTERM, SIG_IGN)
        signal(SIGINT, SIG_IGN)
        await withCheckedContinuation { continuation in
            let sources = [SIGTERM, SIGINT].map { DispatchSource.makeSignalSource(signal: $0, queue: .main) }
            let once = Once { continuation.resume() }
            for source in sources {
                source.setEventHandler {
                    once.run()
                    for source in sources { source.cancel() }
                }
                source.resume()
            }
        }
    }

    /// Writes a line for people to standard error.
    static func say(_ text: String) {
        let line = Array("bulkhead-http: \(text)\n".utf8)
        _ = line.withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }
}

extension SocketAddress {
    /// "127.0.0.1:80", "[::1]:80", or ":80" for every address; nil for anything else.
    static func parsed(_ text: String?) -> SocketAddress? {
        guard let text, let colon = text.lastIndex(of: ":"), let port = Int(text[text.index(after: colon)...]),
            (1...65535).contains(port)
        else { return nil }
        if text.startIndex == colon { return try? SocketAddress(ipAddress: "::", port: port) }
        let host = text[..<colon].drop { $0 == "[" }
        return try? SocketAddress(ipAddress: String(host.last == "]" ? host.dropLast() : host), port: port)
    }
}
