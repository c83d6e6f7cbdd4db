// SPDX-License-Identifier: Apache-2.0
import NetworkTypes

/// Calls the daemon and waits for its answer, up to a limit.
///
/// - Throws: ``Unreachable`` if there is no daemon, or it ended before its answer was complete; ``CNIError`` if the
///   answer is not from the daemon.
public typealias Exchange = (_ call: ControlCall, _ socket: String, _ milliseconds: Int) throws -> ControlReply

/// No process answers on the socket.
public struct Unreachable: Error, Sendable, Hashable {
    public var reason: String
    public init(_ reason: String) { self.reason = reason }
}

/// The clock by which deadlines are counted.
public struct PluginClock {
    /// Milliseconds since some moment.
    public var now: () -> Int
    public var sleep: (_ milliseconds: Int) -> Void
    public init(now: @escaping () -> Int, sleep: @escaping (_ milliseconds: Int) -> Void) {
        self.now = now
        self.sleep = sleep
    }
}

/// What the plugin does for one call.
public struct PluginCall {
    let request: CNIRequest
    let exchange: Exchange
    let clock: PluginClock
    /// For the runtime's log.
    let warn: (String) -> Void

    public init(
        _ request: CNIRequest, exchange: @escaping Exchange, clock: PluginClock, warn: @escaping (String) -> Void
    ) {
        self.request = request
        self.exchange = exchange
        self.clock = clock
        self.warn = warn
    }

    /// How long DEL, CHECK and GC wait.
    private static let patience = 5000
    /// How long STATUS waits for a daemon that restarts or has not programmed the kernel yet. When STATUS fails, the
    /// kubelet marks the Node not ready, and the node controller marks all its pods. The kubelet calls 5 s after the
    /// last answer, and considers the runtime dead after 30 s without one (`maxWaitForContainerRuntime` and
    /// `updateRuntimeUp` in pkg/kubelet/kubelet.go); this uses half of that.
    private static let statusPatience = 10000
    /// How soon ADD and STATUS look again for a daemon that was not there.
    private static let retry = 20
    private static let statusRetry = 100

    /// - Returns: what to print.
    /// - Throws: ``CNIError``.
    public func run() throws -> [UInt8] {
        switch request.command {
        case .add: return try add()
        case .delete: try delete()
        case .check: try check()
        case .status: try status()
        case .collect: try collect()
        case .version: break
        }
        return []
    }

    /// The result is passed on unchanged once the pod's policy is in the kernel.
    private func add() throws -> [UInt8] {
        guard let pod = request.pod, let previous = request.previous else { return [] }
        let settings = request.settings
        let end = clock.now() + settings.deadlineMilliseconds
        var reason = "bulkheadd was not called"
        while true {
            let left = end - clock.now()
            guard left > 0 else { return try expired(reason, previous) }
            let call = ControlCall.attach(
                request.attachment, pod: pod, network: request.network, result: previous,
                deadlineMilliseconds: left, onDeadline: settings.onDeadline)
            do {
                // The daemon keeps the deadline; it gets a moment to answer.
                let reply = try exchange(call, settings.socket, left + 1000)
                guard let failure = try reply.failure() else { return previous.text }
                guard failure.code == "stopping" else { throw failure.error() }
                reason = failure.message
            } catch let error as Unreachable {
                reason = error.reason
            }
            clock.sleep(min(Self.retry, max(0, end - clock.now())))
        }
    }

    private func expired(_ reason: String, _ previous: PreviousResult) throws -> [UInt8] {
        let settings = request.settings
        let what = "no answer from bulkheadd on \(settings.socket) within \(settings.deadlineMilliseconds) ms"
        guard settings.onDeadline == .allow else { throw CNIError(.tryAgainLater, what, details: reason) }
        warn("\(what) (\(reason)): the pod starts unprotected, because onDeadline is allow")
        return previous.text
    }

    /// A pod must be deleted even if the daemon is away: the daemon finds out by itself that the pod's interface is
    /// gone.
    private func delete() throws {
        do {
            let reply = try exchange(.detach(request.attachment), request.settings.socket, Self.patience)
            if let failure = try reply.failure() { throw failure.error() }
        } catch let error as Unreachable {
            warn("the pod's removal could not be reported to bulkheadd: \(error.reason)")
        }
    }

    private func check() throws {
        let reply = try ask(.look(at: request.attachment))
        guard case .sequence(let found) = try reply.json()["attachments"]?.value else {
            throw ControlReply.malformed("it has no list of attachments")
        }
        guard let attachment = found.first else {
            throw CNIError(.unknownContainer, "bulkheadd does not know the container \(request.attachment.container)")
        }
        guard let state = attachment["state"]?.string, case .sequence(let texts) = attachment["addresses"]?.value else {
            throw ControlReply.malformed("an attachment without state and addresses")
        }
        guard state == "programmed" else {
            throw CNIError(.notProgrammed, "the pod's policy is not in the kernel", details: "it is \(state)")
        }
        let programmed = Set(texts.compactMap { $0.string.flatMap { try? IPAddress($0) } })
        let expected = Set(request.previous?.addresses ?? [])
        guard programmed == expected else {
            let names = programmed.map(\.description).sorted().joined(separator: ", ")
            throw CNIError(
                .notProgrammed, "the pod's addresses differ from those of its policy",
                details: "its policy is for \(names)")
        }
    }

    private func status() throws {
        let end = clock.now() + Self.statusPatience
        while let problem = try problem(within: max(1, end - clock.now())) {
            let left = end - clock.now()
            guard left > 0 else { throw problem }
            clock.sleep(min(Self.statusRetry, left))
        }
    }

    /// A problem that time may solve; nil if pods can be started.
    ///
    /// - Throws: ``CNIError`` for a problem that time does not solve.
    private func problem(within milliseconds: Int) throws -> CNIError? {
        let reply: ControlReply
        do {
            reply = try exchange(.status, request.settings.socket, milliseconds)
        } catch let error as Unreachable {
            return CNIError(.notAvailable, "bulkheadd does not answer", details: error.reason)
        }
        if let failure = try reply.failure() { return CNIError(.notAvailable, failure.message) }
        guard let datapath = try reply.json()["datapath"], let state = datapath["state"]?.string else {
            throw ControlReply.malformed("a status without the datapath's state")
        }
        guard state != "programmed" else { return nil }
        return CNIError(
            .notAvailableLimited, "the kernel does not hold the current policy",
            details: datapath["error"]?.string ?? state)
    }

    private func collect() throws {
        _ = try ask(.collect(network: request.network, valid: request.valid))
    }

    private func ask(_ call: ControlCall) throws -> ControlReply {
        do {
            let reply = try exchange(call, request.settings.socket, Self.patience)
            if let failure = try reply.failure() { throw failure.error() }
            return reply
        } catch let error as Unreachable {
            throw CNIError(.tryAgainLater, "bulkheadd does not answer", details: error.reason)
        }
    }
}
