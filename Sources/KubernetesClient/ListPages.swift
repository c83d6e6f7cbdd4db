// SPDX-License-Identifier: Apache-2.0
import Documents
import KubernetesObjects
import NIOCore

/// A whole answer of an API server.
package struct ServerAnswer: Sendable {
    package var status: Int
    /// Seconds of `Retry-After`; nil if absent or not a number.
    package var retryAfter: Int?
    package var body: [UInt8]
    package init(status: Int, retryAfter: Int? = nil, body: [UInt8]) {
        self.status = status
        self.retryAfter = retryAfter
        self.body = body
    }
}

/// Lists of an API server, page by page.
struct ListPages: Sendable {
    /// How long to wait for a page.
    var patience: Duration
    /// Before the first repetition of a request that the server could not answer now; doubles each time.
    var pause: Duration = .milliseconds(500)
    /// Objects of a page.
    var pageSize = 500
    let fetch: @Sendable (String) async throws -> ServerAnswer

    /// Lists of one resource that a server may give up before it is given up.
    private static let listLimit = 3
    /// Requests of one page, if the server is busy.
    private static let tryLimit = 4
    /// Seconds that a server may ask to wait.
    private static let longestWait = 10

    /// Why a list has to begin again: the server no longer has its state.
    private struct Expired: Error {}

    /// What `read` makes of each item of a list. Only one page at a time is kept as documents.
    func items<T>(
        path: String, of resource: String, _ read: (DocumentNode) -> T?
    ) async throws(ClusterListingError) -> [T] {
        var lists = 0
        while true {
            lists += 1
            do {
                return try await list(path, resource, read)
            } catch is Expired where lists < Self.listLimit {
                continue
            } catch {
                throw Self.listingError(error, resource)
            }
        }
    }

    private static func listingError(_ error: any Error, _ resource: String) -> ClusterListingError {
        switch error {
        case let error as ClusterListingError: error
        case is Expired: .refused(resource: resource, status: 410, message: "the list expires before it is read")
        default: .unreachable("\(error)")
        }
    }

    private func list<T>(
        _ path: String, _ resource: String, _ read: (DocumentNode) -> T?
    ) async throws -> [T] {
        var items: [T] = []
        var token = ""
        repeat {
            var target = "\(path)?limit=\(pageSize)"
            if !token.isEmpty { target += "&continue=" + PercentEncoding.encode(token, keeping: "-._~") }
            let body = try await page(target, resource)
            let node: DocumentNode
            do {
                node = try JSONReader.read(body, limits: JSONReader.Limits(size: .max, values: .max))
            } catch {
                throw ClusterListingError.unreadable(resource: resource, reason: "\(error)")
            }
            guard let metadata = node["metadata"] else {
                throw ClusterListingError.unreadable(resource: resource, reason: "the list has no metadata")
            }
            if case .sequence(let page)? = node["items"]?.value { items += page.compactMap(read) }
            let next = metadata["continue"]?.string ?? ""
            guard next.isEmpty || next != token else {
                throw ClusterListingError.unreadable(resource: resource, reason: "a page continues with itself")
            }
            token = next
        } while !token.isEmpty
        return items
    }

    /// The body of an answer that is a list.
    private func page(_ target: String, _ resource: String) async throws -> [UInt8] {
        var pause = pause
        var tries = 0
        while true {
            tries += 1
            let answer = try await inTime(target)
            switch answer.status {
            case 200: return answer.body
            case 410: throw Expired()
            case 401 where tries == 1:
                // Credentials are read again.
                continue
            case 429 where tries < Self.tryLimit, 500...599 where tries < Self.tryLimit:
                let wanted = Duration.seconds(min(answer.retryAfter ?? 0, Self.longestWait))
                try await Task.sleep(for: max(pause, wanted))
                pause *= 2
            case 401: throw ClusterListingError.unauthorized(message: answer.message)
            case 403: throw ClusterListingError.forbidden(resource: resource, message: answer.message)
            default:
                throw ClusterListingError.refused(
                    resource: resource, status: answer.status, message: answer.message)
            }
        }
    }

    private func inTime(_ target: String) async throws -> ServerAnswer {
        let patience = patience
        return try await withThrowingTaskGroup(of: ServerAnswer.self) { group in
            group.addTask { try await fetch(target) }
            group.addTask {
                try await Task.sleep(for: patience)
                throw ClusterListingError.unreachable("no answer within \(patience)")
            }
            defer { group.cancelAll() }
            guard let first = try await group.next() else { throw CancellationError() }
            return first
        }
    }
}

extension ServerAnswer {
    /// The reason that the server gives for a refusal.
    fileprivate var message: String {
        String(((try? JSONReader.read(body))?["message"]?.string ?? "").prefix(500))
    }
}

extension APIServerConnection {
    /// Bytes of an answer. A page has 500 objects; most have a few thousand bytes, and none has more than two million.
    private static let answerLimit = 256 << 20

    /// The answer to a GET.
    ///
    /// - Throws: ``ClusterListingError`` in words, for the errors of connections.
    func answer(to target: String) async throws -> ServerAnswer {
        do {
            let response = try await send(Request(target: target))
            if response.status == .unauthorized { await credentialsRefused() }
            let body = try await response.body.collect(upTo: Self.answerLimit)
            return ServerAnswer(
                status: Int(response.status.code),
                retryAfter: response.headers.first(name: "retry-after").flatMap { Int($0) },
                body: Array(body.readableBytesView))
        } catch is CancellationError {
            throw CancellationError()
        } catch {
            throw ClusterListingError.unreachable(words(error))
        }
    }
}
