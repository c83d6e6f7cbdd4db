// SPDX-License-Identifier: Apache-2.0
import Documents
import KubernetesObjects

/// One object, equal to what ``ObjectDecoder`` leniently decodes from the same object's JSON.
public struct DecodedObject: Sendable, Hashable {
    public var object: KubernetesObject
    /// metadata.resourceVersion, at which a watch continues that has seen this object.
    public var resourceVersion: String
    /// metadata.generation; 0 if absent.
    public var generation: Int64
    /// The parts that were not understood, like ``DecodedDocument/notUnderstood``; without lines and columns.
    public var notUnderstood: [ManifestError]

    public init(
        object: KubernetesObject, resourceVersion: String, generation: Int64 = 0, notUnderstood: [ManifestError] = []
    ) {
        self.object = object
        self.resourceVersion = resourceVersion
        self.generation = generation
        self.notUnderstood = notUnderstood
    }
}

/// Reads the objects of one kind from one body.
struct ObjectReader {
    let kind: ObjectKind
    /// The source that ``ManifestError`` names.
    let source: String
    private let schema: MessageSchema
    private var pods: PodReader
    /// Nothing is decoded straight into values, so that both ways can be compared.
    private let readsDocumentsOnly: Bool

    init(
        _ bytes: UnsafeRawBufferPointer, kind: ObjectKind, source: String, readsDocumentsOnly: Bool = false
    ) throws(ProtobufError) {
        guard let schema = MessageSchema.of(kind) else { throw ProtobufError(offset: 0, reason: .servedAsJSON(kind)) }
        self.kind = kind
        self.source = source
        self.schema = schema
        self.readsDocumentsOnly = readsDocumentsOnly
        pods = PodReader(bytes)
    }

    /// - Parameter message: the object itself, without its envelope.
    mutating func read(_ message: WireReader) throws(ProtobufError) -> DecodedObject {
        if kind == .pod, !readsDocumentsOnly, let pod = try pods.read(message) {
            return pod
        }
        return try readAsDocument(message)
    }

    /// The slow way, through the code that decodes JSON: what to do with an unusual object is decided in one place.
    private func readAsDocument(_ message: WireReader) throws(ProtobufError) -> DecodedObject {
        let range = message.position..<message.end
        var document = try DocumentBuilder(bytes: message.bytes).mapping([range], schema)
        document.addType(of: kind)
        let stamp = try ObjectStamp(message)
        let decoded = ObjectDecoder.decode(document, file: source, index: 0, mode: .lenient)
        guard var object = decoded.objects.first else {
            let reason = decoded.errors.first?.reason ?? "has no name"
            throw ProtobufError(offset: range.lowerBound, reason: .nameless(reason))
        }
        object.metadata.createdAt = stamp.createdAt
        return DecodedObject(
            object: object, resourceVersion: stamp.resourceVersion, generation: stamp.generation,
            notUnderstood: decoded.notUnderstood)
    }
}

extension DocumentNode {
    fileprivate mutating func addType(of kind: ObjectKind) {
        guard case .mapping(var entries) = value else { return }
        for (key, text) in [("apiVersion", kind.apiVersion), ("kind", kind.rawValue)] {
            entries.append(Entry(key: key, line: 0, column: 0, value: DocumentNode(.string(text), line: 0, column: 0)))
        }
        value = .mapping(entries)
    }
}

/// The parts of an object's metadata that JSON decoding does not keep.
struct ObjectStamp {
    var resourceVersion = ""
    var generation: Int64 = 0
    /// Seconds since 1970; 0 if absent.
    var createdAt: Int64 = 0

    /// - Parameter object: any object whose first field is metav1.ObjectMeta.
    init(_ object: WireReader) throws(ProtobufError) {
        var object = object
        while let tag = try object.next() {
            guard tag.number == 1 else {
                try object.skip(tag)
                continue
            }
            var metadata = try object.message(tag)
            while let tag = try metadata.next() {
                switch tag.number {
                case 6: resourceVersion = try metadata.text(tag)
                case 7: generation = try metadata.integer(tag)
                case 8: createdAt = try Self.seconds(try metadata.message(tag), createdAt)
                default: try metadata.skip(tag)
                }
            }
        }
    }

    /// `before` if the metav1.Time has no seconds.
    static func seconds(_ time: WireReader, _ before: Int64) throws(ProtobufError) -> Int64 {
        var (time, seconds) = (time, before)
        while let tag = try time.next() {
            if tag.number == 1 { seconds = try time.integer(tag) } else { try time.skip(tag) }
        }
        return seconds
    }
}
