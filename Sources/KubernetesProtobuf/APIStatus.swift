// SPDX-License-Identifier: Apache-2.0

/// The part of metav1.Status that a client needs: why the API server did not do what was requested.
public struct APIStatus: Sendable, Hashable {
    /// The HTTP status code; 0 if missing.
    public var code: Int32
    /// A word for programs: `Expired`, `Gone`, `TooManyRequests`, …
    public var reason: String
    public var message: String
    /// Seconds to wait before the next request; 0 if missing.
    public var retryAfterSeconds: Int32
    public init(code: Int32 = 0, reason: String = "", message: String = "", retryAfterSeconds: Int32 = 0) {
        self.code = code
        self.reason = reason
        self.message = message
        self.retryAfterSeconds = retryAfterSeconds
    }

    /// Reads the body of an answer.
    ///
    /// - Throws: if the body is broken or not a `Status`.
    public static func decode(_ body: UnsafeRawBufferPointer) throws(ProtobufError) -> APIStatus {
        try decode(Envelope(body, 0..<body.count), in: body)
    }

    /// Like ``decode(_:)-(UnsafeRawBufferPointer)``.
    public static func decode(_ body: [UInt8]) throws(ProtobufError) -> APIStatus {
        try body.withUnsafeBufferPointer { (bytes) throws(ProtobufError) in
            try decode(UnsafeRawBufferPointer(bytes))
        }
    }

    static func decode(_ envelope: Envelope, in bytes: UnsafeRawBufferPointer) throws(ProtobufError) -> APIStatus {
        let raw = try envelope.content(apiVersion: "v1", kind: "Status")
        return try inside(.field("raw")) { () throws(ProtobufError) in
            var (status, reader) = (APIStatus(), WireReader(bytes, raw))
            while let tag = try reader.next() {
                switch tag.number {
                case 3: status.message = try reader.text(tag)
                case 4: status.reason = try reader.text(tag)
                case 5:
                    let details = try reader.message(tag)
                    try inside(.field("details")) { () throws(ProtobufError) in try status.readDetails(details) }
                case 6: status.code = try reader.integer32(tag)
                default: try reader.skip(tag)
                }
            }
            return status
        }
    }

    private mutating func readDetails(_ message: WireReader) throws(ProtobufError) {
        var reader = message
        while let tag = try reader.next() {
            if tag.number == 5 { retryAfterSeconds = try reader.integer32(tag) } else { try reader.skip(tag) }
        }
    }
}
