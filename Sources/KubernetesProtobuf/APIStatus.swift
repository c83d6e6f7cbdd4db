// SPDX-License-Identifier: Apache-2.0

/// metav1.Status, the part that a client needs: why the API server did not do what it was asked.
public struct APIStatus: Sendable, Hashable {
    /// The HTTP status code that belongs to it; 0 where not told.
    public var code: Int32
    /// A word for machines: `Expired`, `Gone`, `TooManyRequests`, …
    public var reason: String
    public var message: String
    /// Seconds to wait before asking again; 0 where not told.
    public var retryAfterSeconds: Int32
    public init(code: Int32 = 0, reason: String = "", message: String = "", retryAfterSeconds: Int32 = 0) {
        self.code = code
        self.reason = reason
        self.message = message
        self.retryAfterSeconds = retryAfterSeconds
    }

    /// From the body of an answer.
    ///
    /// - Throws: where the body is broken or no `Status`.
    public static func decode(_ body: UnsafeRawBufferPointer) throws(ProtobufError) -> APIStatus {
        try decode(Envelope(body, 0..<body.count), in: body)
    }

    /// As ``decode(_:)-(UnsafeRawBufferPointer)``.
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
