// SPDX-License-Identifier: Apache-2.0

/// Answers HTTP/2 requests, once all of each is there: 200, a short body and a trailer. After `/stream` or `/ws` at the end
/// of a path, the answer begins with the request's header, and the test sends the rest.
public struct NetHTTP2Answerer: NetAnswerer {
    private var reader = NetHTTP2Reader()
    private var streaming: Set<UInt32> = []

    /// The trailer of each answer.
    public static let trailer = NetHTTPMessage.Field("x-sum", "1")

    /// What the server sends first: it takes WebSocket (SETTINGS_ENABLE_CONNECT_PROTOCOL, RFC 8441).
    static let settings = NetHTTP2Frame(NetHTTP2Frame.Kind.settings, payload: [0, 8, 0, 0, 0, 1])

    public init() {}

    public mutating func answer(_ bytes: [UInt8]) -> [UInt8]? {
        reader.read(bytes)
        var frames = reader.takeQuestions().map(\.answer)
        for message in reader.messages {
            let path = message.value(":path") ?? ""
            guard path.hasSuffix("/stream") || path.hasSuffix("/ws") else { continue }
            guard streaming.insert(message.stream).inserted else { continue }
            frames.append(.headers([.init(":status", "200")], stream: message.stream, ends: false))
        }
        for message in reader.takeEnded() where message.reset == nil {
            // The server's end of a WebSocket's channel follows the client's.
            if message.value(":protocol") != nil { frames.append(.data([], stream: message.stream, ends: true)) }
            if streaming.contains(message.stream) { continue }
            let stream = message.stream
            let fields = NetHTTPAnswerer.fields.map { NetHTTPMessage.Field($0.name.lowercased(), $0.value) }
            let isHead = message.value(":method") == "HEAD"
            frames.append(.headers([.init(":status", "200")] + fields, stream: stream, ends: isHead))
            if isHead { continue }
            frames.append(.data(Array(NetHTTPAnswerer.body.utf8), stream: stream, ends: false))
            frames.append(.headers([Self.trailer], stream: stream, ends: true))
        }
        return frames.flatMap(\.bytes)
    }
}
