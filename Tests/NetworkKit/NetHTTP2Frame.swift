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

    /// The acknowledgment of settings or a ping.
    public var answer: NetHTTP2Frame {
        Self(kind, flags: Flag.acknowledge, payload: kind == Kind.ping ? payload : [])
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
