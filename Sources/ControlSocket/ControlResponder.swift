// SPDX-License-Identifier: Apache-2.0
import ControlProtocol
import HummingbirdCore
import KubernetesObjects
import Logging
import Manifests
import NIOCore
import PolicyModel
import RequestPolicy
import Requests

/// Turns requests into calls of the agent, and its results into responses.
struct ControlResponder: Sendable {
    let backend: any ControlBackend
    let scope: SocketScope
    let bodies: BodyReader
    let gate: ConnectionGate
    let logger: Logger
    /// Connections that may follow events at once: others stay free for short calls, above all the plugin's.
    let followers = Budget(ControlDefaults.followers)
    /// Calls that read the journal at once: each holds all of it.
    let journalReaders = Budget(4)
    /// Dry runs and previews at once: each may copy much of the policy.
    let rehearsals = Budget(2)
    let requestFollowers = Budget(ControlDefaults.requestFollowers)

    init(backend: any ControlBackend, scope: SocketScope, bodies: BodyReader, gate: ConnectionGate, logger: Logger) {
        self.backend = backend
        self.scope = scope
        self.bodies = bodies
        self.gate = gate
        self.logger = logger
    }

    func respond(to request: Request, channel: any Channel) async -> Response {
        gate.began(channel)
        do throws(ErrorAnswer) {
            let (path, method) = try route(request)
            try await scope.peers.check(channel, method: method)
            guard path != .events, path != .flows, path != .requestsFollow else {
                // The end of its body shows that the client leaves.
                gate.received(channel)
                return try await answer(path, method, request, [])
            }
            return try await bodies.withBody(of: request) { body throws(ErrorAnswer) in
                gate.received(channel)
                return try await answer(path, method, request, body)
            }
        } catch {
            return respond(with: error, to: request)
        }
    }

    private func route(_ request: Request) throws(ErrorAnswer) -> (ControlPath, ControlMethod) {
        guard let path = ControlPath(rawValue: request.uri.path), scope.serves(path) else {
            let known = scope.paths.map(\.rawValue).joined(separator: ", ")
            throw ErrorAnswer(.unknownPath, "no such path; the paths are \(known)")
        }
        guard let method = ControlMethod(rawValue: request.method.rawValue), path.methods.contains(method) else {
            let allowed = path.methods.map(\.rawValue).joined(separator: ", ")
            throw ErrorAnswer(.methodNotAllowed, "\(path.rawValue) answers \(allowed)")
        }
        return (path, method)
    }

    private func answer(
        _ path: ControlPath, _ method: ControlMethod, _ request: Request, _ body: [UInt8]
    ) async throws(ErrorAnswer) -> Response {
        if method == .get { return try await read(path, request) }
        return try await change(path, method, request, body)
    }

    /// The calls that change nothing.
    private func read(_ path: ControlPath, _ request: Request) async throws(ErrorAnswer) -> Response {
        switch path {
        case .status: try json(await backend.status())
        case .verify: try json(await backend.verify())
        case .endpoints: try json(await backend.endpoints())
        case .policies: try json(await backend.policies())
        case .counters: try json(await backend.counters())
        case .verdict: try await verdict(try Query(request, repeated: "header"))
        case .explain: try await explain(try Query(request, repeated: "header"))
        case .events: try followEvents(request)
        case .flows: try followFlows(request)
        case .requestsFollow: try followRequests(request)
        case .history: try await history(try Query(request))
        case .dump: text(try await backend.dump())
        case .describe: try await describe(try Query(request))
        case .unused: try await unused(try Query(request))
        case .resolved: try json(await backend.resolved())
        case .attachments: try json(await attachments(try Query(request)))
        case .version: try json(await backend.version())
        case .objects, .collect, .requestCounts, .resync, .preview:
            throw ErrorAnswer(.internalError, "\(path.rawValue) cannot be read")
        }
    }

    /// The calls that change what is in force or counted.
    private func change(
        _ path: ControlPath, _ method: ControlMethod, _ request: Request, _ body: [UInt8]
    ) async throws(ErrorAnswer) -> Response {
        switch (path, method) {
        case (.requestCounts, _):
            await backend.count(try counts(body))
            return Response(status: .noContent)
        case (.objects, .put):
            if try Query(request).isDryRun() { return try json(await dryRun(body)) }
            return try json(await apply(body))
        case (.objects, _): return try json(await backend.delete(try await keysToDelete(request, body)))
        case (.resolved, .put):
            let policy: ResolvedBody = try await bodies.decode(body, "the resolved policy")
            return try json(await backend.setResolved(policy))
        case (.resolved, _): return try json(await backend.setResolved(nil))
        case (.attachments, .put):
            return try json(await backend.attach(try await bodies.decode(body, "the attachment")))
        case (.attachments, _):
            let query = try Query(request)
            try query.allow(only: ["container", "ifname"])
            return try json(
                await backend.detach(container: query.required("container"), ifname: query.required("ifname")))
        case (.collect, _):
            return try json(await backend.collect(try await bodies.decode(body, "the list")))
        case (.resync, _): return try json(await backend.resync())
        case (.preview, _): return try await preview(try Query(request, repeated: "delete"), body)
        default: throw ErrorAnswer(.internalError, "\(path.rawValue) cannot be changed")
        }
    }

    private func verdict(_ query: Query) async throws(ErrorAnswer) -> Response {
        let asksKernel = try query.isSet("kernel")
        if let service = try ServiceQuestion(query: query, allowing: ["kernel"]) {
            var answer = try await backend.explain(service, request: try .asked(query, of: service.ipProtocol)).verdict
            if !asksKernel { answer.kernel = nil }
            return try json(answer)
        }
        let question = try FlowQuestion(query: query, allowing: ["kernel", "at"])
        let request = try HTTPRequest.asked(query, of: question.ipProtocol)
        guard let moment = try query.moment("at") else {
            return try json(await backend.verdict(question, request: request, asksKernel: asksKernel))
        }
        guard !asksKernel else { throw ErrorAnswer(.badRequest, "'at' is about the past, 'kernel' about the present") }
        return try await readingJournal { () async throws(ErrorAnswer) in
            try json(await backend.verdict(question, request: request, at: moment))
        }
    }

    private func explain(_ query: Query) async throws(ErrorAnswer) -> Response {
        if let service = try ServiceQuestion(query: query) {
            return try json(await backend.explain(service, request: try .asked(query, of: service.ipProtocol)))
        }
        let question = try FlowQuestion(query: query)
        return try json(await backend.explain(question, request: try .asked(query, of: question.ipProtocol)))
    }

    private func text(_ text: String) -> Response {
        Response(
            status: .ok, headers: [.contentType: "text/plain; charset=utf-8"],
            body: ResponseBody(byteBuffer: ByteBuffer(string: text)))
    }

    private func apply(_ body: [UInt8]) async throws(ErrorAnswer) -> ObjectsAnswer {
        let batch = try await bodies.batch(body)
        var answer = try await backend.apply(batch.objects)
        answer.notices = batch.notices.map(\.description)
        answer.warnings = batch.notices.filter { $0.reason == .notEnforced }.map(\.description)
        for warning in answer.warnings {
            logger.warning("policy not enforced", metadata: ["document": "\(warning)"])
        }
        return answer
    }

    private func dryRun(_ body: [UInt8]) async throws(ErrorAnswer) -> DryRunAnswer {
        let batch = try await bodies.batch(body)
        guard let share = rehearsals.take(1) else {
            throw ErrorAnswer(.busy, "too many dry runs at once; try again in a moment")
        }
        defer { withExtendedLifetime(share) {} }
        var answer = try await backend.dryRun(batch.objects)
        answer.notices = batch.notices.map(\.description)
        answer.warnings = batch.notices.filter { $0.reason == .notEnforced }.map(\.description)
        return answer
    }

    private func attachments(_ query: Query) async throws(ErrorAnswer) -> AttachmentsAnswer {
        try query.allow(only: ["container", "ifname"])
        var answer = await backend.attachments()
        if let container = query.optional("container") { answer.attachments.removeAll { $0.container != container } }
        if let ifname = query.optional("ifname") { answer.attachments.removeAll { $0.ifname != ifname } }
        return answer
    }

    private func keysToDelete(_ request: Request, _ body: [UInt8]) async throws(ErrorAnswer) -> [ObjectKey] {
        let query = try Query(request)
        if !query.isEmpty { return [try ObjectKey(query: query)] }
        return try await bodies.keys(body)
    }

    func json(_ value: some Encodable, status: Int = 200) throws(ErrorAnswer) -> Response {
        do {
            return Response(
                status: .init(code: status), headers: [.contentType: "application/json"],
                body: ResponseBody(byteBuffer: ByteBuffer(bytes: try ControlJSON.encode(value) + [UInt8(ascii: "\n")])))
        } catch {
            throw ErrorAnswer(.internalError, "the answer could not be written: \(error)")
        }
    }

    private func respond(with answer: ErrorAnswer, to request: Request) -> Response {
        logger.debug(
            "refused", metadata: ["path": "\(request.uri.path)", "code": "\(answer.error.code.rawValue)"])
        guard var response = try? json(answer, status: answer.error.code.status) else {
            return Response(status: .internalServerError)
        }
        if answer.error.code == .methodNotAllowed, let path = ControlPath(rawValue: request.uri.path) {
            response.headers[.allow] = path.methods.map(\.rawValue).joined(separator: ", ")
        }
        return response
    }

    private func counts(_ body: [UInt8]) throws(ErrorAnswer) -> RequestCounts {
        guard body.count <= ControlDefaults.requestCountsLimit else {
            throw ErrorAnswer(.bodyTooLarge, "the counts have more than \(ControlDefaults.requestCountsLimit) bytes")
        }
        let counts: RequestCounts = try ControlJSON.decode(body, "the counts")
        guard counts.denied.count <= RequestCounts.deniedLimit else {
            throw ErrorAnswer(.invalidBody, "'denied' has more than \(RequestCounts.deniedLimit) requests")
        }
        return counts
    }
}
