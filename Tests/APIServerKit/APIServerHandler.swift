// SPDX-License-Identifier: Apache-2.0
import DocumentKit
import Documents
import Foundation
import KubernetesObjects
import NIOCore
import NIOHTTP1

/// One connection to an ``APIServer``.
final class APIServerHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    /// Objects may have changed.
    struct Look: Sendable {}

    /// Bytes for those who watch `path`.
    struct Prepared: Sendable {
        var path: String
        var bytes: [UInt8]
    }

    private struct Watch {
        var path: String
        var sent: Int
        var wantsBookmarks: Bool
        var fault: APIServerFault.Kind?
        var writer: APIServerWriter
        /// What was sent last, for repetition.
        var before: [UInt8]?
        var bookmarks: RepeatedTask?
    }

    private let server: APIServerContent
    private var number = 0
    private var head: HTTPRequestHead?
    private var body: [UInt8] = []
    private var watch: Watch?
    /// Bytes after which the connection is closed.
    private var bytesLeft: Int?
    private var isSilent = false

    init(_ server: APIServerContent) { self.server = server }

    func channelActive(context: ChannelHandlerContext) {
        let channel = context.channel
        number = server.change { state in
            state.nextChannel += 1
            state.channels[state.nextChannel] = channel
            return state.nextChannel
        }
        context.fireChannelActive()
    }

    func channelInactive(context: ChannelHandlerContext) {
        watch?.bookmarks?.cancel()
        watch = nil
        server.change { [number] state in
            state.channels[number] = nil
            state.watchers[number] = nil
            state.frozen.remove(number)
        }
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            self.head = head
            body = []
        case .body(let buffer): body += buffer.readableBytesView
        case .end:
            guard let head else { return }
            answer(head, context)
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event {
        case is Look: look(context)
        case let prepared as Prepared: if watch?.path == prepared.path { write(prepared.bytes, context) }
        default: context.fireUserInboundEventTriggered(event)
        }
    }

    private var isFrozen: Bool { isSilent || server.read { [number] in $0.frozen.contains(number) } }

    // MARK: Requests

    private func answer(_ head: HTTPRequestHead, _ context: ChannelHandlerContext) {
        guard let url = URLComponents(string: head.uri) else { return status(400, "BadRequest", context) }
        let query = Dictionary(
            (url.queryItems ?? []).map { ($0.name, $0.value ?? "") }, uniquingKeysWith: { first, _ in first })
        server.change { $0.requests.append("\(head.method) \(head.uri)") }
        let token = head.headers.first(name: "authorization").map { String($0.dropFirst("Bearer ".count)) } ?? ""
        guard server.read(\.tokens)?.contains(token) ?? true else { return status(401, "Unauthorized", context) }
        let isEvent = head.method == .POST && url.path.hasSuffix("/events")
        let verb: APIServerFault.Verb = isEvent ? .create : query["watch"] == nil ? .list : .watch
        let resource = url.path.split(separator: "/").last.map { String($0) } ?? ""
        guard server.read({ $0.mayDo("\(verb.rawValue) \(resource)", token: token) }) else {
            return status(
                403, "Forbidden", context, message: "\(resource) is forbidden: you cannot \(verb.rawValue) it")
        }
        let fault = server.change { $0.takeFault(verb, resource) }
        switch fault {
        case .status(let code, let reason, let retryAfter): return status(code, reason, context, retryAfter)
        case .unknownPath: return plain(404, "404 page not found", context)
        case .silence:
            isSilent = true
            return begin(200, "application/json", context)
        case .cut(let bytes): bytesLeft = bytes
        case .truncatedFrame, .oversizedFrame, .gone, .repeated, .reordered, nil: break
        }
        if isEvent { return create(context) }
        guard server.read({ $0.collections[url.path] != nil }) else {
            return plain(404, "404 page not found", context)
        }
        let writer = APIServerWriter(path: url.path, accept: head.headers["accept"].joined(separator: ","))
        if verb == .watch { return begin(url.path, query, writer, fault, context) }
        list(url.path, query, writer, context)
    }

    private func list(
        _ path: String, _ query: [String: String], _ writer: APIServerWriter, _ context: ChannelHandlerContext
    ) {
        if let pages = server.read({ $0.prepared[path] }) {
            let number = query["continue"].flatMap { Int($0.drop { $0 != "." }.dropFirst()) } ?? 0
            guard pages.indices.contains(number) else { return status(410, "Expired", context) }
            begin(200, writer.listType, context)
            write(pages[number], context)
            return end(context)
        }
        let page = server.change { state in
            state.page(path, limit: Int(query["limit"] ?? "") ?? 0, token: query["continue"] ?? "")
        }
        guard let page else { return status(410, "Expired", context) }
        begin(200, writer.listType, context)
        write(writer.list(page.items.map(\.object), version: page.version, next: page.next), context)
        end(context)
    }

    private func create(_ context: ChannelHandlerContext) {
        guard let event = try? JSONReader.read(body), let name = event["metadata"]?["name"]?.string else {
            return status(400, "BadRequest", context)
        }
        let isNew = server.change { state in
            guard !state.events.contains(where: { $0["metadata"]?["name"]?.string == name }) else { return false }
            state.events.append(event)
            return true
        }
        guard isNew else { return status(409, "AlreadyExists", context) }
        begin(201, "application/json", context)
        write(Array(event.json.utf8), context)
        end(context)
    }

    // MARK: Watches

    private func begin(
        _ path: String, _ query: [String: String], _ writer: APIServerWriter, _ fault: APIServerFault.Kind?,
        _ context: ChannelHandlerContext
    ) {
        let since = Int(query["resourceVersion"] ?? "") ?? 0
        guard since >= server.read(\.compacted) else { return status(410, "Expired", context) }
        begin(200, writer.watchType, context)
        watch = Watch(
            path: path, sent: since, wantsBookmarks: query["allowWatchBookmarks"] == "true", fault: fault,
            writer: writer)
        let channel = context.channel
        server.change { [number] in $0.watchers[number] = channel }
        switch fault {
        case .gone:
            write(writer.event("ERROR", Self.status(410, "Expired")), context)
            return end(context)
        case .truncatedFrame:
            write(writer.truncatedEvent, context)
        case .oversizedFrame(let bytes): write([UInt8](repeating: UInt8(ascii: "["), count: bytes), context)
        default: break
        }
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        watch?.bookmarks = context.eventLoop.scheduleRepeatedTask(
            initialDelay: server.bookmarkInterval, delay: server.bookmarkInterval
        ) { _ in bound.value.0.bookmark(bound.value.1) }
        if let seconds = query["timeoutSeconds"].flatMap({ Int64($0) }) {
            context.eventLoop.scheduleTask(in: .seconds(seconds)) {
                let (handler, context) = bound.value
                if handler.watch != nil { handler.end(context) }
            }
        }
        look(context)
    }

    private func bookmark(_ context: ChannelHandlerContext) {
        guard let watch, watch.wantsBookmarks, !isFrozen else { return }
        look(context)
        write(watch.writer.bookmark(self.watch?.sent ?? 0), context)
    }

    /// Sends what has changed.
    private func look(_ context: ChannelHandlerContext) {
        guard var watch, !isFrozen else { return }
        let (changes, version) = server.read { state in
            (state.history.filter { $0.version > watch.sent && $0.path == watch.path }, state.version)
        }
        watch.sent = version
        var lines = changes.map { watch.writer.event($0.type, $0.object) }
        if watch.fault == .reordered, lines.count > 1 { lines.swapAt(0, 1) }
        if watch.fault == .repeated {
            let earlier = watch.before.map { [$0] } ?? []
            watch.before = lines.last ?? watch.before
            lines = earlier + lines.flatMap { [$0, $0] }
        }
        self.watch = watch
        if !lines.isEmpty { write(Array(lines.joined()), context) }
    }

    // MARK: Answers

    private func begin(_ code: Int, _ type: String, _ context: ChannelHandlerContext, _ retryAfter: Int? = nil) {
        guard !isFrozen || isSilent else { return }
        var head = HTTPResponseHead(version: .http1_1, status: HTTPResponseStatus(statusCode: code))
        head.headers.add(name: "content-type", value: type)
        if let retryAfter { head.headers.add(name: "retry-after", value: "\(retryAfter)") }
        context.writeAndFlush(wrapOutboundOut(.head(head)), promise: nil)
    }

    private func write(_ whole: [UInt8], _ context: ChannelHandlerContext) {
        guard !isFrozen else { return }
        var bytes = whole
        if let bytesLeft, bytes.count >= bytesLeft {
            bytes = Array(bytes.prefix(bytesLeft))
            context.writeAndFlush(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(bytes: bytes)))), promise: nil)
            self.bytesLeft = nil
            context.close(mode: .all, promise: nil)
            return
        }
        if let left = bytesLeft { bytesLeft = left - bytes.count }
        context.writeAndFlush(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(bytes: bytes)))), promise: nil)
    }

    private func end(_ context: ChannelHandlerContext) {
        guard !isFrozen else { return }
        watch?.bookmarks?.cancel()
        watch = nil
        server.change { [number] in $0.watchers[number] = nil }
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
    }

    private func plain(_ code: Int, _ text: String, _ context: ChannelHandlerContext) {
        begin(code, "text/plain; charset=utf-8", context)
        write(Array(text.utf8), context)
        end(context)
    }

    private func status(
        _ code: Int, _ reason: String, _ context: ChannelHandlerContext, _ retryAfter: Int? = nil,
        message: String? = nil
    ) {
        begin(code, "application/json", context, retryAfter)
        write(Array(Self.status(code, reason, message).json.utf8), context)
        end(context)
    }

    private static func status(_ code: Int, _ reason: String, _ message: String? = nil) -> DocumentNode {
        DocumentNode.object([
            ("kind", .text("Status")), ("apiVersion", .text("v1")), ("status", .text("Failure")),
            ("reason", .text(reason)), ("message", .text(message ?? "the stand-in says \(reason)")),
            ("code", DocumentNode(.integer(Int64(code)))),
        ])
    }
}

extension String {
    var base64: String { Data(utf8).base64EncodedString() }
}
