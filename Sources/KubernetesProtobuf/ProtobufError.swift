// SPDX-License-Identifier: Apache-2.0
import Documents
import KubernetesObjects

/// Why a body or a frame is refused: nothing of it is used.
public struct ProtobufError: Error, Sendable, Hashable, CustomStringConvertible {
    public enum Reason: Sendable, Hashable {
        /// A value extends this many bytes beyond the end of its container.
        case truncated(missing: Int)
        /// A number of more than 64 bits.
        case numberTooLong
        /// Field 0, or one above 536,870,911.
        case fieldNumber(UInt64)
        /// A group, which proto3 does not have and Kubernetes never wrote, or an unknown wire type.
        case wireType(UInt8)
        /// A known field with another wire type.
        case wrongWireType(field: UInt32, found: UInt8, expected: UInt8)
        case missing(String)
        /// No `k8s\0` at the beginning.
        case noMagic
        /// `apiVersion kind` of a different object than expected.
        case unexpectedType(found: String, expected: String)
        /// `runtime.Unknown` says that its content is encoded, or has another content type.
        case foreignContent(String)
        /// The API serves the kind only as JSON.
        case servedAsJSON(ObjectKind)
        /// An object that cannot be distinguished from others.
        case nameless(String)
        case frameTooLong(bytes: Int, limit: Int)
        /// A watch event of a type that is not in the protocol.
        case unknownEvent(String)
    }

    /// Bytes from the beginning of the body or of the frame; in ``WatchFrames``, from the beginning of the stream.
    public var offset: Int
    /// The path to the message or field, in `WatchEvent`, `runtime.Unknown` and the list: `raw.items[3].metadata`.
    public var path: FieldPath
    public var reason: Reason

    public init(offset: Int, path: FieldPath = FieldPath(), reason: Reason) {
        self.offset = offset
        self.path = path
        self.reason = reason
    }

    public var description: String {
        "protobuf: byte \(offset)\(path.isEmpty ? "" : ": \(path)"): \(reason)"
    }
}

extension ProtobufError.Reason: CustomStringConvertible {
    public var description: String {
        switch self {
        case .truncated(let missing): "ends \(missing) bytes too early"
        case .numberTooLong: "a number of more than 64 bits"
        case .fieldNumber(let number): "field number \(number) is not in 1...536870911"
        case .wireType(let type): "wire type \(type) is a group or unknown"
        case .wrongWireType(let field, let found, let expected):
            "field \(field) has wire type \(found), which must be \(expected)"
        case .missing(let field): "\(field) is missing"
        case .noMagic: "does not begin with the magic number of Kubernetes' protobuf, \"k8s\\0\""
        case .unexpectedType(let found, let expected):
            "is '\(found.boundedForMessage)', expected was '\(expected)'"
        case .foreignContent(let what): "content is '\(what.boundedForMessage)', which is not protobuf"
        case .servedAsJSON(let kind): "\(kind.rawValue) is served as JSON alone"
        case .nameless(let why): why
        case .frameTooLong(let bytes, let limit): "a frame of \(bytes) bytes is over the limit of \(limit)"
        case .unknownEvent(let type): "watch event '\(type.boundedForMessage)' is not known"
        }
    }
}

/// Runs `body`; adds `component` to the front of the path of an error.
@inline(__always)
func inside<T>(
    _ component: @autoclosure () -> FieldPath.Component, _ body: () throws(ProtobufError) -> T
) throws(ProtobufError) -> T {
    do throws(ProtobufError) {
        return try body()
    } catch {
        var error = error
        error.path.components.insert(component(), at: 0)
        throw error
    }
}
