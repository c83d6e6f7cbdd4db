// SPDX-License-Identifier: Apache-2.0
import DocumentKit
import Documents
import KubernetesObjects

/// Writes the answers about one collection: as protobuf if requested and available, otherwise as JSON.
struct APIServerWriter {
    private let kind: ObjectKind
    private let isProtobuf: Bool

    private static let protobufType = "application/vnd.kubernetes.protobuf"

    init(path: String, accept: String) {
        kind = ObjectKind.allCases.first { APIServer.path($0) == path } ?? .pod
        isProtobuf = APIServer.isBuiltIn(kind) && accept.contains(Self.protobufType)
    }

    var listType: String { isProtobuf ? Self.protobufType : "application/json" }
    var watchType: String { isProtobuf ? "\(Self.protobufType);stream=watch" : "application/json" }

    func list(_ objects: [DocumentNode], version: Int, next: String) -> [UInt8] {
        let metadata = DocumentNode.object([("resourceVersion", .text("\(version)")), ("continue", .text(next))])
        if isProtobuf { return written { try ProtobufWriter.list(of: kind, objects, metadata: metadata) } }
        // Items of the server's own kinds don't say what they are.
        let items = APIServer.isBuiltIn(kind) ? objects.map { $0.removing(["apiVersion", "kind"]) } : objects
        let list = DocumentNode.object([
            ("kind", .text("\(kind.rawValue)List")), ("apiVersion", .text(kind.apiVersion)), ("metadata", metadata),
            ("items", DocumentNode(.sequence(items))),
        ])
        return Array(list.json.utf8)
    }

    func event(_ type: String, _ object: DocumentNode) -> [UInt8] {
        if isProtobuf { return written { try ProtobufWriter.watchFrame(type: type, object: object) } }
        return Array((DocumentNode.object([("type", .text(type)), ("object", object)]).json + "\n").utf8)
    }

    func bookmark(_ version: Int) -> [UInt8] {
        event(
            "BOOKMARK",
            .object([
                ("apiVersion", .text(kind.apiVersion)), ("kind", .text(kind.rawValue)),
                ("metadata", .object([("resourceVersion", .text("\(version)"))])),
            ]))
    }

    /// An event that is cut short, with the end of a whole one.
    var truncatedEvent: [UInt8] {
        isProtobuf
            ? ProtobufWriter.framed([0x0a, 0x05, 0x41, 0x44])
            : Array(#"{"type":"ADDED","object":{"metadata":{"name":"half"#.utf8) + [UInt8(ascii: "\n")]
    }

    /// What tests write is valid; where it is not, the answer is of no use and the test fails.
    private func written(_ body: () throws -> [UInt8]) -> [UInt8] { (try? body()) ?? [] }
}
