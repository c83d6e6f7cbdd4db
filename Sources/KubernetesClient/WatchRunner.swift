// SPDX-License-Identifier: Apache-2.0
import AsyncHTTPClient
import KubernetesWatch
import Logging
import NIOCore

/// Carries out the actions of a ``ResourceWatch`` over a connection.
actor WatchRunner {
    private var watch: ResourceWatch
    private let connection: APIServerConnection
    private let updates: UpdateQueue
    private let logger: Logger
    private var exchange: (id: RequestID, task: Task<Void, Never>)?
    private var timer: Task<Void, Never>?
    private var isStopped = false
    private var lastTold: String?

    init(_ watch: ResourceWatch, over connection: APIServerConnection, into updates: UpdateQueue, logger: Logger) {
        self.watch = watch
        self.connection = connection
        self.updates = updates
        self.logger = logger
    }

    func begin() { put(.begin) }

    func stop() {
        isStopped = true
        exchange?.task.cancel()
        timer?.cancel()
    }

    private func put(_ input: WatchInput) {
        guard !isStopped else { return }
        let before = watch.status.failures
        for action in watch.handle(input) { carryOut(action) }
        let status = watch.status
        if before > 0, status.failures == 0 {
            logger.notice("followed again", metadata: ["resource": "\(watch.resource)", "failures": "\(before)"])
            lastTold = nil
        }
        updates.note(status, of: watch.resource.kind)
    }

    private func carryOut(_ action: WatchAction) {
        switch action {
        case .send(let id, let request):
            exchange?.task.cancel()
            exchange = (id, Task { await self.run(request, id) })
        case .cancel(let id):
            guard let exchange, exchange.id == id else { return }
            exchange.task.cancel()
            self.exchange = nil
        case .setTimer(let id, let duration):
            timer?.cancel()
            timer = Task {
                try? await Task.sleep(for: duration)
                if !Task.isCancelled { self.put(.timer(id)) }
            }
        case .deliver(let events): updates.append(events, watch.takeVersions())
        case .complete: updates.complete(watch.resource.kind)
        case .credentialsRefused: Task { await connection.credentialsRefused() }
        case .failure(let failure): tell(failure)
        }
    }

    /// Logs each reason once, not each attempt.
    private func tell(_ failure: WatchFailure) {
        let text = "\(failure)"
        guard text != lastTold else { return }
        lastTold = text
        logger.warning(
            "the API server cannot be followed; known policy stays in force",
            metadata: ["resource": "\(watch.resource)", "error": "\(text)"])
    }

    private func run(_ request: WatchRequest, _ id: RequestID) async {
        do {
            let response = try await connection.send(
                APIServerConnection.Request(target: request.target, accept: request.accept))
            put(
                .head(
                    id,
                    ResponseHead(
                        status: Int(response.status.code),
                        contentType: response.headers.first(name: "content-type") ?? "",
                        retryAfter: response.headers.first(name: "retry-after").flatMap { Int($0) })))
            for try await buffer in response.body {
                put(.bytes(id, Array(buffer.readableBytesView)))
                // The consumer sets the pace.
                await updates.room()
                guard !Task.isCancelled else { return }
            }
            put(.end(id))
        } catch {
            guard !Task.isCancelled else { return }
            put(.failed(id, connection.words(error)))
        }
    }
}
