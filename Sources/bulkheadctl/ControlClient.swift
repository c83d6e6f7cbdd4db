// SPDX-License-Identifier: Apache-2.0
import ControlProtocol
import Documents
import NIOCore
import NIOHTTP1

/// Calls the daemon through its socket, one connection per call.
struct ControlClient {
    typealias Connection = NIOAsyncChannel<HTTPClientResponsePart, HTTPClientRequestPart>

    /// Limit of bytes of an answer; a dump of large tables is the largest.
    private static let answerLimit = 1 << 30

    let socketPath: String
    /// Seconds in which an answer must begin; nil: as many as suit the call.
    var timeout: Int?

    /// The answer of a call, decoded.
    ///
    /// - Parameter invalid: the message for a body that the daemon finds invalid; nil: the daemon's own message.
    /// - Throws: ``CommandFailure`` with the daemon's message, or the reason why it could not be called.
    func ask<Answer: Decodable & Sendable>(
        _ type: Answer.Type, _ method: ControlMethod, _ path: ControlPath, query: [(String, String)] = [],
        body: [UInt8] = [], invalid: String? = nil
    ) async throws -> Answer {
        let bytes: [UInt8]
        do {
            bytes = try await ask(method, path, query: query, body: body)
        } catch let refusal as Refusal where refusal.answer.code == .invalidBody && invalid != nil {
            throw CommandFailure(refusal.text(invalid ?? ""))
        }
        return try JSON.answer(type, from: bytes)
    }

    /// The body of a call's answer.
    func ask(
        _ method: ControlMethod, _ path: ControlPath, query: [(String, String)] = [], body: [UInt8] = []
    ) async throws -> [UInt8] {
        var answer: [UInt8] = []
        try await send(method, path, query: query, body: body) { part in
            guard answer.count + part.readableBytes <= Self.answerLimit else {
                throw CommandFailure("the daemon's answer is too large")
            }
            answer.append(contentsOf: part.readableBytesView)
        }
        return answer
    }

    /// Passes on the answer's body part by part.
    ///
    /// - Parameter begins: is called when the daemon has accepted the call, before the first part.
    func send(
        _ method: ControlMethod, _ path: ControlPath, query: [(String, String)] = [], body: [UInt8] = [],
        begins: () -> Void = {}, receive: (ByteBuffer) throws -> Void
    ) async throws {
        let connection = try await ControlConnection.connect(socketPath)
        let deadline = AnswerDeadline(
            connection.channel, socketPath, seconds: timeout ?? (method == .get ? 15 : 120))
        defer { deadline.cancel() }
        try await connection.executeThenClose { inbound, outbound in
            var headers = HTTPHeaders([("host", "localhost"), ("connection", "close")])
            if !body.isEmpty || method == .put { headers.add(name: "content-length", value: "\(body.count)") }
            let head = HTTPRequestHead(
                version: .http1_1, method: HTTPMethod(rawValue: method.rawValue),
                uri: path.rawValue + Self.text(of: query), headers: headers)
            let content = body.isEmpty ? [] : [HTTPClientRequestPart.body(.byteBuffer(ByteBuffer(bytes: body)))]
            // The daemon may answer and close before everything is sent (a body that is too large): its answer then
            // counts.
            var unsent: (any Error)?
            do {
                try await outbound.write(contentsOf: [.head(head)] + content + [.end(nil)])
            } catch {
                unsent = error
            }
            do {
                try await Self.take(inbound, deadline, begins: begins, receive: receive)
            } catch {
                if let late = deadline.failure { throw late }
                throw unsent == nil || error is CommandFailure || error is Refusal ? error : unsent ?? error
            }
        }
    }

    private static func take(
        _ inbound: NIOAsyncChannelInboundStream<HTTPClientResponsePart>, _ deadline: AnswerDeadline,
        begins: () -> Void, receive: (ByteBuffer) throws -> Void
    ) async throws {
        var refusal: HTTPResponseStatus?
        var refused: [UInt8] = []
        for try await part in inbound {
            switch part {
            case .head(let head):
                deadline.cancel()
                refusal = head.status.code >= 400 ? head.status : nil
                if refusal == nil { begins() }
            case .body(let bytes) where refusal != nil: refused.append(contentsOf: bytes.readableBytesView)
            case .body(let bytes): try receive(bytes)
            case .end:
                if let refusal { throw failure(refusal, refused) }
                return
            }
        }
        throw CommandFailure("the daemon closed the connection before its answer was complete")
    }

    private static func failure(_ status: HTTPResponseStatus, _ body: [UInt8]) -> any Error {
        guard let answer = try? JSON.decode(ErrorAnswer.self, from: body) else {
            return CommandFailure("the daemon answered \(status.code) \(status.reasonPhrase)")
        }
        return Refusal(answer: answer.error)
    }

    /// `?name=value&…`, with everything but letters, digits and `-._~:` escaped.
    private static func text(of query: [(String, String)]) -> String {
        func escaped(_ value: String) -> String { PercentEncoding.encode(value, keeping: "-._~:") }
        return query.isEmpty ? "" : "?" + query.map { "\($0)=\(escaped($1))" }.joined(separator: "&")
    }
}

/// What the daemon refused, and why.
struct Refusal: Error, CustomStringConvertible {
    var answer: ErrorAnswer.Content

    var description: String { text(answer.message) }

    func text(_ message: String) -> String { message + answer.problems.map { "\n  \($0)" }.joined() }
}
