// SPDX-License-Identifier: Apache-2.0

/// An HTTP/2 connection as a client has it that knows HTTP/2 beforehand, with frames of any content.
public final class NetHTTP2Client {
    public let connection: NetConnection
    public private(set) var reader = NetHTTP2Reader()

    /// Begins HTTP/2 on a connection on which nothing was sent.
    public init(_ connection: NetConnection) throws {
        self.connection = connection
        try connection.send(NetHTTP2Frame.preface + NetHTTP2Frame(NetHTTP2Frame.Kind.settings).bytes)
    }

    public func send(_ frames: NetHTTP2Frame...) throws { try connection.send(frames.flatMap(\.bytes)) }

    /// The fields of a request.
    public static func fields(
        _ method: String = "GET", _ path: String, authority: String = "shop", _ more: [NetHTTPMessage.Field] = []
    ) -> [NetHTTPMessage.Field] {
        [
            .init(":method", method), .init(":scheme", "http"), .init(":path", path), .init(":authority", authority),
        ] + more
    }

    /// Reads until the condition is true of what has come, or the connection ends.
    public func read(_ what: String, until condition: (NetHTTP2Reader) -> Bool) throws {
        try connection.read(what) { connection in
            reader.read(connection.take(connection.received.count))
            for question in reader.takeQuestions() { try connection.send(question.answer.bytes) }
            return condition(reader)
        }
        reader.read(connection.take(connection.received.count))
    }

    /// Sends a request and reads its whole response; one without a status if the stream is refused.
    public func ask(
        _ fields: [NetHTTPMessage.Field], body: [UInt8]? = nil, stream: UInt32
    ) throws -> NetHTTP2Reader.Message {
        try send(.headers(fields, stream: stream, ends: body == nil))
        if let body { try send(.data(body, stream: stream, ends: true)) }
        try read("the response on stream \(stream)") { $0.message(stream)?.isEnded ?? false }
        return reader.message(stream) ?? NetHTTP2Reader.Message(stream: stream)
    }
}
