// SPDX-License-Identifier: Apache-2.0
import KubernetesProtobuf

/// The format of answers.
enum WireFormat: Sendable {
    case json
    case protobuf

    private static let protobufType = "application/vnd.kubernetes.protobuf"
    private static let jsonType = "application/json"

    /// Nil if it is not one of the requested formats.
    init?(contentType: String) {
        switch contentType.prefix(while: { $0 != ";" && $0 != " " }).lowercased() {
        case Self.jsonType: self = .json
        case Self.protobufType: self = .protobuf
        default: return nil
        }
    }

    /// The format to request: custom resources have no protobuf form.
    static func accept(_ resource: APIResource) -> String {
        resource.isCustom ? jsonType : "\(protobufType), \(jsonType)"
    }

    func page(_ body: [UInt8], of resource: APIResource) throws(UnreadableAnswer) -> ReceivedPage {
        switch self {
        case .json: try JSONAnswer.page(body, of: resource)
        case .protobuf: try ProtobufAnswer.page(body, of: resource)
        }
    }

    func event(_ frame: [UInt8], of resource: APIResource) throws(UnreadableAnswer) -> ReceivedEvent {
        switch self {
        case .json: try JSONAnswer.event(frame, of: resource)
        case .protobuf: try ProtobufAnswer.event(frame, of: resource)
        }
    }

    /// Nil if this is not a Status.
    func status(_ body: [UInt8]) -> ReceivedStatus? {
        switch self {
        case .json: JSONAnswer.status(body)
        case .protobuf: (try? APIStatus.decode(body)).map { ReceivedStatus($0) }
        }
    }
}

/// Cuts the answer to a watch into events.
enum EventFrames: Sendable {
    case json(LineFrames)
    case protobuf(WatchFrames)

    init(_ format: WireFormat, limit: Int) {
        switch format {
        case .json: self = .json(LineFrames(limit: limit))
        case .protobuf: self = .protobuf(WatchFrames(limit: limit))
        }
    }

    mutating func push(_ bytes: [UInt8]) {
        // Moved out, so that growing data is not copied.
        switch consume self {
        case .json(var lines):
            lines.push(bytes)
            self = .json(lines)
        case .protobuf(var frames):
            frames.push(bytes)
            self = .protobuf(frames)
        }
    }

    /// The next complete event; nil if more bytes are needed.
    ///
    /// - Throws: ``WatchFailure/tooLarge(limit:)``.
    mutating func next() throws(WatchFailure) -> [UInt8]? {
        switch consume self {
        case .json(var lines):
            defer { self = .json(lines) }
            return try lines.next()
        case .protobuf(var frames):
            defer { self = .protobuf(frames) }
            do {
                return try frames.next()
            } catch {
                throw .tooLarge(limit: frames.limit)
            }
        }
    }
}
