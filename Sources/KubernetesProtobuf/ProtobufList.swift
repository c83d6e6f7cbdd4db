// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects

/// One page of a list, from a body of `application/vnd.kubernetes.protobuf`.
public struct ProtobufList: Sendable, Hashable {
    /// The part of metav1.ListMeta that a client needs.
    public struct Metadata: Sendable, Hashable {
        public var resourceVersion: String
        /// Where the next page begins; empty on the last page.
        public var continueToken: String
        /// Objects on the next pages, if the API server says so.
        public var remainingItemCount: Int64?
        public init(resourceVersion: String = "", continueToken: String = "", remainingItemCount: Int64? = nil) {
            self.resourceVersion = resourceVersion
            self.continueToken = continueToken
            self.remainingItemCount = remainingItemCount
        }
    }

    public var metadata: Metadata
    public var objects: [DecodedObject]

    /// Reads the whole body or nothing of it.
    ///
    /// - Parameters:
    ///   - body: as received, with the magic bytes; the caller must limit its size.
    ///   - kind: the kind of the items: `PodList` for ``ObjectKind/pod``.
    ///   - source: the source that ``DecodedObject/notUnderstood`` names.
    /// - Throws: if the body is truncated, broken, or a list of another kind.
    public static func decode(
        _ body: UnsafeRawBufferPointer, kind: ObjectKind, source: String = "API server"
    ) throws(ProtobufError) -> ProtobufList {
        try decode(body, kind: kind, source: source, readsDocumentsOnly: false)
    }

    /// Like ``decode(_:kind:source:)-(UnsafeRawBufferPointer,_,_)``.
    public static func decode(
        _ body: [UInt8], kind: ObjectKind, source: String = "API server"
    ) throws(ProtobufError) -> ProtobufList {
        try body.withUnsafeBufferPointer { (bytes) throws(ProtobufError) in
            try decode(UnsafeRawBufferPointer(bytes), kind: kind, source: source)
        }
    }

    /// - Parameter readsDocumentsOnly: also pods are read by the code that decodes JSON: slower, with the same result.
    package static func decode(
        _ body: UnsafeRawBufferPointer, kind: ObjectKind, source: String, readsDocumentsOnly: Bool
    ) throws(ProtobufError) -> ProtobufList {
        let raw = try Envelope(body, 0..<body.count).content(
            apiVersion: kind.apiVersion, kind: "\(kind.rawValue)List")
        return try inside(.field("raw")) { () throws(ProtobufError) in
            var objects = try ObjectReader(body, kind: kind, source: source, readsDocumentsOnly: readsDocumentsOnly)
            return try items(WireReader(body, raw), &objects)
        }
    }

    private static func items(
        _ message: WireReader, _ objects: inout ObjectReader
    ) throws(ProtobufError) -> ProtobufList {
        var list = ProtobufList(metadata: Metadata(), objects: [])
        var reader = message
        // Few objects are smaller. Too much room is given back later, too little grows with the list.
        list.objects.reserveCapacity((message.end - message.position) / 2048)
        while let tag = try reader.next() {
            switch tag.number {
            case 1:
                let metadata = try reader.message(tag)
                try inside(.field("metadata")) { () throws(ProtobufError) in try list.metadata.read(metadata) }
            case 2:
                let item = try reader.message(tag)
                let object = try inside(.field("items")) { () throws(ProtobufError) in
                    try inside(.index(list.objects.count)) { () throws(ProtobufError) in try objects.read(item) }
                }
                list.objects.append(object)
            default: try reader.skip(tag)
            }
        }
        return list
    }
}

extension ProtobufList.Metadata {
    fileprivate mutating func read(_ message: WireReader) throws(ProtobufError) {
        var reader = message
        while let tag = try reader.next() {
            switch tag.number {
            case 2: resourceVersion = try reader.text(tag)
            case 3: continueToken = try reader.text(tag)
            case 4: remainingItemCount = try reader.integer(tag)
            default: try reader.skip(tag)
            }
        }
    }
}
