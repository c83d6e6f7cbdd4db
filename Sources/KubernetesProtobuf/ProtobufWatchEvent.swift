// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects

/// One metav1.WatchEvent.
public enum ProtobufWatchEvent: Sendable, Hashable {
    case added(DecodedObject)
    case modified(DecodedObject)
    /// The last state of the object.
    case deleted(DecodedObject)
    /// There are no changes up to this resource version.
    case bookmark(resourceVersion: String)
    /// The watch ends; `Expired` and `Gone` mean that the client must list again.
    case error(APIStatus)

    /// Reads a whole frame or nothing of it.
    ///
    /// - Parameters:
    ///   - frame: a frame from ``WatchFrames``.
    ///   - kind: the kind of the watched objects.
    ///   - source: the source that ``DecodedObject/notUnderstood`` names.
    /// - Throws: if the frame is broken, or about another kind.
    public static func decode(
        _ frame: UnsafeRawBufferPointer, kind: ObjectKind, source: String = "API server"
    ) throws(ProtobufError) -> ProtobufWatchEvent {
        var reader = WireReader(frame, 0..<frame.count)
        var type = ""
        var object: Range<Int>?
        while let tag = try reader.next() {
            switch tag.number {
            case 1: type = try reader.text(tag)
            case 2:
                let extended = try reader.message(tag)
                object = try inside(.field("object")) { () throws(ProtobufError) in try raw(extended) } ?? object
            default: try reader.skip(tag)
            }
        }
        guard let object else { throw reader.failure(.missing("object.raw")) }
        return try inside(.field("object")) { () throws(ProtobufError) in
            try event(type, try Envelope(frame, object), frame, kind, source)
        }
    }

    /// Like ``decode(_:kind:source:)-(UnsafeRawBufferPointer,_,_)``.
    public static func decode(
        _ frame: [UInt8], kind: ObjectKind, source: String = "API server"
    ) throws(ProtobufError) -> ProtobufWatchEvent {
        try frame.withUnsafeBufferPointer { (bytes) throws(ProtobufError) in
            try decode(UnsafeRawBufferPointer(bytes), kind: kind, source: source)
        }
    }

    /// runtime.RawExtension.
    private static func raw(_ message: WireReader) throws(ProtobufError) -> Range<Int>? {
        var reader = message
        var raw: Range<Int>?
        while let tag = try reader.next() {
            if tag.number == 1 { raw = try reader.content(tag) } else { try reader.skip(tag) }
        }
        return raw
    }

    private static func event(
        _ type: String, _ envelope: Envelope, _ frame: UnsafeRawBufferPointer, _ kind: ObjectKind, _ source: String
    ) throws(ProtobufError) -> ProtobufWatchEvent {
        if type == "ERROR" { return .error(try APIStatus.decode(envelope, in: frame)) }
        let raw = try envelope.content(apiVersion: kind.apiVersion, kind: kind.rawValue)
        return try inside(.field("raw")) { () throws(ProtobufError) in
            let message = WireReader(frame, raw)
            if type == "BOOKMARK" {
                let version = try ObjectStamp(message).resourceVersion
                guard !version.isEmpty else { throw message.failure(.missing("metadata.resourceVersion")) }
                return .bookmark(resourceVersion: version)
            }
            var reader = try ObjectReader(frame, kind: kind, source: source)
            switch type {
            case "ADDED": return .added(try reader.read(message))
            case "MODIFIED": return .modified(try reader.read(message))
            case "DELETED": return .deleted(try reader.read(message))
            default: throw message.failure(.unknownEvent(type))
            }
        }
    }
}
