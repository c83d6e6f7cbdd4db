// SPDX-License-Identifier: Apache-2.0

/// Answers HTTP/1 requests as a plain web server does: in order, on a connection that stays open. The end of a path says
/// what else than 200 and a short body: `/chunked`, `/stream` (a header alone: the test sends the rest), `/ws` (WebSocket,
/// whose frames are echoed as they are).
public struct NetHTTPAnswerer: NetAnswerer {
    private var received: [UInt8] = []
    private var isEcho = false
    private var isContinued = false
    private var isStream = false

    /// The key of a WebSocket's handshake, and what its server answers (RFC 6455, section 1.3).
    public static let webSocketKey = (request: "dGhlIHNhbXBsZSBub25jZQ==", answer: "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
    /// The body of each answer.
    public static let body = "ok\n"
    /// What each answer has besides what its body needs.
    public static let fields = [
        NetHTTPMessage.Field("Server", "recorder"), .init("X-Many", "a"), .init("X-Many", "b"),
        .init("Set-Cookie", "c=d"),
    ]

    public init() {}

    public mutating func answer(_ bytes: [UInt8]) -> [UInt8]? {
        if isEcho { return bytes }
        received += bytes
        var answers: [UInt8] = []
        while !isEcho, let message = NetHTTPMessage(of: &received, isRequest: true) {
            answers += Array(answer(message).utf8)
            isContinued = false
        }
        if !isContinued, let head = NetHTTPMessage(headOf: received), !head.values("expect").isEmpty {
            isContinued = true
            answers += Array("HTTP/1.1 100 Continue\r\n\r\n".utf8)
        }
        return answers
    }

    public mutating func answerEnd() -> [UInt8]? { isStream ? [] : nil }

    private mutating func answer(_ message: NetHTTPMessage) -> String {
        let words = message.startLine.split(separator: " ")
        let path = words.count > 1 ? words[1] : ""
        let head = "HTTP/1.1 200 OK\r\n" + Self.fields.map { "\($0.name): \($0.value)\r\n" }.joined()
        if path.hasSuffix("/ws"), message.values("upgrade").first?.lowercased() == "websocket" {
            isEcho = true
            return "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                + "Sec-WebSocket-Accept: \(Self.webSocketKey.answer)\r\n\r\n"
        }
        if path.hasSuffix("/stream") {
            isStream = true
            return head + "Transfer-Encoding: chunked\r\n\r\n"
        }
        if path.hasSuffix("/chunked") {
            return head + "Transfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n"
                + "3\r\n\(Self.body)\r\n0\r\nX-Sum: 1\r\n\r\n"
        }
        let body = words.first == "HEAD" ? "" : Self.body
        return head + "Content-Length: \(Self.body.utf8.count)\r\n\r\n" + body
    }
}

/// Answers HTTP/1, and HTTP/2 after its preface.
public struct NetWebAnswerer: NetAnswerer {
    private var received: [UInt8] = []
    private var chosen: (any NetAnswerer)?

    public init() {}

    public mutating func answer(_ bytes: [UInt8]) -> [UInt8]? {
        if chosen != nil { return chosen?.answer(bytes) }
        received += bytes
        let preface = NetHTTP2Frame.preface
        if received.starts(with: preface) {
            chosen = NetHTTP2Answerer()
            let answer = chosen?.answer(Array(received.dropFirst(preface.count)))
            return NetHTTP2Answerer.settings.bytes + (answer ?? [])
        }
        // Its beginning may still become the preface.
        if preface.starts(with: received) { return [] }
        chosen = NetHTTPAnswerer()
        return chosen?.answer(received)
    }

    public mutating func answerEnd() -> [UInt8]? { chosen?.answerEnd() }
}
