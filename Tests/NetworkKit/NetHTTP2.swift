// SPDX-License-Identifier: Apache-2.0

/// A frame of HTTP/2 (RFC 9113, section 4.1), valid or not.
public struct NetHTTP2Frame: Sendable, Hashable {
    public enum Kind {
        public static let data: UInt8 = 0
        public static let headers: UInt8 = 1
        public static let reset: UInt8 = 3
        public static let settings: UInt8 = 4
        public static let ping: UInt8 = 6
        public static let goAway: UInt8 = 7
        public static let windowUpdate: UInt8 = 8
        public static let continuation: UInt8 = 9
    }
    public enum Flag {
        public static let endStream: UInt8 = 1
        public static let acknowledge: UInt8 = 1
        public static let endHeaders: UInt8 = 4
        public static let padded: UInt8 = 8
        public static let priority: UInt8 = 0x20
    }

    /// What a client sends first.
    public static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)

    public var kind: UInt8
    public var flags: UInt8
    public var stream: UInt32
    public var payload: [UInt8]

    public init(_ kind: UInt8, flags: UInt8 = 0, stream: UInt32 = 0, payload: [UInt8] = []) {
        (self.kind, self.flags, self.stream, self.payload) = (kind, flags, stream, payload)
    }

    /// HEADERS with all of its fields.
    public static func headers(_ fields: [NetHTTPMessage.Field], stream: UInt32, ends: Bool) -> Self {
        Self(
            Kind.headers, flags: Flag.endHeaders | (ends ? Flag.endStream : 0), stream: stream,
            payload: NetHPACK.encode(fields))
    }

    public static func data(_ bytes: [UInt8], stream: UInt32, ends: Bool) -> Self {
        Self(Kind.data, flags: ends ? Flag.endStream : 0, stream: stream, payload: bytes)
    }

    public var bytes: [UInt8] {
        NetBytes.big(UInt32(payload.count)).dropFirst() + [kind, flags] + NetBytes.big(stream) + payload
    }

    /// Takes the next whole frame; nil: it is not all there.
    public init?(of bytes: inout ArraySlice<UInt8>) {
        guard bytes.count >= 9 else { return nil }
        let start = bytes.startIndex
        let count = bytes[start..<(start + 3)].reduce(0) { $0 << 8 | Int($1) }
        guard bytes.count >= 9 + count else { return nil }
        let stream: UInt32 = NetBytes.integer(bytes[(start + 5)..<(start + 9)])
        self.init(
            bytes[start + 3], flags: bytes[start + 4], stream: stream & 0x7fff_ffff,
            payload: Array(bytes[(start + 9)..<(start + 9 + count)]))
        bytes = bytes.dropFirst(9 + count)
    }

    public var endsStream: Bool {
        (kind == Kind.data || kind == Kind.headers) && flags & Flag.endStream != 0
    }

    /// The payload without padding and priority.
    public var content: ArraySlice<UInt8> {
        var content = payload[...]
        if flags & Flag.padded != 0, kind == Kind.data || kind == Kind.headers {
            let padding = Int(content.popFirst() ?? 0)
            content = content.dropLast(padding)
        }
        if flags & Flag.priority != 0, kind == Kind.headers { content = content.dropFirst(5) }
        return content
    }
}

/// What one side of an HTTP/2 connection says, by streams.
public struct NetHTTP2Reader: Sendable {
    /// A request or a response.
    public struct Message: Sendable, Hashable {
        public var stream: UInt32
        /// Of the last HEADERS before any data: an interim response before it is dropped.
        public var fields: [NetHTTPMessage.Field] = []
        public var body: [UInt8] = []
        public var trailers: [NetHTTPMessage.Field] = []
        /// The side sends no more on this stream.
        public var isEnded = false
        /// The stream's error code; nil: it is not reset.
        public var reset: UInt32?
        fileprivate var hasData = false

        /// The value of a field, such as `:status`; several are joined by commas.
        public func value(_ name: String) -> String? {
            let values = (fields + trailers).filter { $0.name == name }.map(\.value)
            return values.isEmpty ? nil : values.joined(separator: ",")
        }
        public var status: Int { value(":status").flatMap { Int($0) } ?? 0 }
    }

    /// In order of their streams' first frames.
    public private(set) var messages: [Message] = []
    /// The error code of GOAWAY; nil: none was sent.
    public private(set) var goAway: UInt32?
    /// What must be answered: frames of settings and pings.
    public private(set) var questions: [NetHTTP2Frame] = []
    /// What cannot be read, as text.
    public private(set) var failures: [String] = []
    private var rest: ArraySlice<UInt8> = []
    private var block: [UInt8] = []

    public init() {}

    public func message(_ stream: UInt32) -> Message? { messages.first { $0.stream == stream } }

    /// Takes the questions asked so far.
    public mutating func takeQuestions() -> [NetHTTP2Frame] {
        defer { questions = [] }
        return questions
    }

    /// Takes the streams that have ended so far.
    public mutating func takeEnded() -> [Message] {
        defer { messages.removeAll { $0.isEnded } }
        return messages.filter(\.isEnded)
    }

    public mutating func read(_ bytes: [UInt8]) {
        rest += bytes
        while let frame = NetHTTP2Frame(of: &rest) { read(frame) }
        rest = ArraySlice(Array(rest))
    }

    private mutating func read(_ frame: NetHTTP2Frame) {
        typealias Kind = NetHTTP2Frame.Kind
        switch frame.kind {
        case Kind.data:
            change(frame.stream) { message in
                message.body += frame.content
                message.hasData = true
                message.isEnded = frame.endsStream
            }
        case Kind.headers, Kind.continuation:
            block += frame.content
            if frame.kind == Kind.headers, frame.endsStream { change(frame.stream) { $0.isEnded = true } }
            guard frame.flags & NetHTTP2Frame.Flag.endHeaders != 0 else { return }
            takeBlock(frame.stream)
        case Kind.reset:
            let code: UInt32 = NetBytes.integer(frame.payload[...])
            change(frame.stream) { ($0.reset, $0.isEnded) = (code, true) }
        case Kind.settings, Kind.ping:
            if frame.flags & NetHTTP2Frame.Flag.acknowledge == 0 { questions.append(frame) }
        case Kind.goAway: goAway = NetBytes.integer(frame.payload.dropFirst(4))
        default: break
        }
    }

    private mutating func takeBlock(_ stream: UInt32) {
        defer { block = [] }
        do {
            let fields = try NetHPACK.decode(block)
            change(stream) { message in
                let isTrailer = message.hasData || message.isEnded && !message.fields.isEmpty
                if isTrailer { message.trailers += fields } else { message.fields = fields }
            }
        } catch {
            failures.append("\(error)")
        }
    }

    private mutating func change(_ stream: UInt32, _ body: (inout Message) -> Void) {
        let index = messages.firstIndex { $0.stream == stream }
        if index == nil { messages.append(Message(stream: stream)) }
        body(&messages[index ?? messages.count - 1])
    }
}
