// SPDX-License-Identifier: Apache-2.0

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

        public init(stream: UInt32) { self.stream = stream }

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
                if frame.endsStream { message.isEnded = true }
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
