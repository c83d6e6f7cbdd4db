// SPDX-License-Identifier: Apache-2.0
import Documents
import KubernetesObjects

/// Why an object cannot be written as protobuf.
public struct ProtobufWriterError: Error, CustomStringConvertible {
    public var description: String
}

/// Writes Kubernetes objects, given as their JSON, in the way that an API server writes them as protobuf: fields by
/// number, maps by key, fields that are not pointers even if they are empty.
///
/// A JSON key `field 9` is an unknown field: it is written as field 9, a string or a number.
public enum ProtobufWriter {
    /// - Parameter message: its name in the `.proto` files, such as `PodSpec`.
    public static func message(_ node: DocumentNode, as message: String) throws(ProtobufWriterError) -> [UInt8] {
        guard let fields = ProtobufMessages.kubernetes.fields(of: message) else {
            throw ProtobufWriterError(description: "message \(message) is not in the table")
        }
        guard case .mapping(let entries) = node.value else {
            throw ProtobufWriterError(description: "\(message) is \(node.kindInWords)")
        }
        var known: Set<String> = ["apiVersion", "kind"]
        var bytes: [UInt8] = []
        for field in fields {
            if case .inline(let inner) = field.value {
                let names = Set((ProtobufMessages.kubernetes.fields(of: inner) ?? []).map(\.name))
                let part = entries.filter { names.contains($0.key) }
                known.formUnion(names)
                bytes.append(field.number, content: try self.message(DocumentNode(.mapping(part)), as: inner))
            } else {
                known.insert(field.name)
                try bytes.append(field, node[field.name])
            }
        }
        for entry in entries where !known.contains(entry.key) {
            guard entry.key.hasPrefix("field "), let number = UInt32(entry.key.dropFirst(6)) else {
                throw ProtobufWriterError(description: "\(message) has no field \(entry.key) in the table")
            }
            switch entry.value.value {
            case .string(let text): bytes.append(number, content: Array(text.utf8))
            case .integer(let value): bytes.append(number, value)
            default: throw ProtobufWriterError(description: "\(entry.key) must be a string or a number")
            }
        }
        return bytes
    }

    /// An object with its envelope, as a single GET answers it; `apiVersion` and `kind` from the object itself.
    public static func object(_ node: DocumentNode) throws(ProtobufWriterError) -> [UInt8] {
        guard let apiVersion = node["apiVersion"]?.string, let kind = node["kind"]?.string else {
            throw ProtobufWriterError(description: "an object without apiVersion and kind")
        }
        return envelope(apiVersion: apiVersion, kind: kind, raw: try message(node, as: kind))
    }

    /// The magic bytes and `runtime.Unknown` around `raw`.
    public static func envelope(apiVersion: String, kind: String, raw: [UInt8]) -> [UInt8] {
        var type: [UInt8] = []
        type.append(1, content: Array(apiVersion.utf8))
        type.append(2, content: Array(kind.utf8))
        var bytes: [UInt8] = [0x6b, 0x38, 0x73, 0]
        bytes.append(1, content: type)
        bytes.append(2, content: raw)
        bytes.append(3, content: [])
        bytes.append(4, content: [])
        return bytes
    }

    /// A list's body.
    ///
    /// - Parameter metadata: the metav1.ListMeta of the list: `resourceVersion`, `continue`, `remainingItemCount`.
    public static func list(
        of kind: ObjectKind, _ items: [DocumentNode], metadata: DocumentNode
    ) throws(ProtobufWriterError) -> [UInt8] {
        var raw: [UInt8] = []
        raw.append(1, content: try message(metadata, as: "ListMeta"))
        for item in items { raw.append(2, content: try message(item, as: kind.rawValue)) }
        return envelope(apiVersion: kind.apiVersion, kind: "\(kind.rawValue)List", raw: raw)
    }

    /// A frame of a watch with its length in front.
    ///
    /// - Parameters:
    ///   - type: `ADDED`, `MODIFIED`, `DELETED`, `BOOKMARK` or `ERROR`.
    ///   - object: with `apiVersion` and `kind`; a `Status` for `ERROR`.
    public static func watchFrame(type: String, object: DocumentNode) throws(ProtobufWriterError) -> [UInt8] {
        framed(watchEvent(type: type, object: try self.object(object)))
    }

    /// The metav1.WatchEvent alone.
    public static func watchEvent(type: String, object: [UInt8]) -> [UInt8] {
        var extended: [UInt8] = []
        extended.append(1, content: object)
        var event: [UInt8] = []
        event.append(1, content: Array(type.utf8))
        event.append(2, content: extended)
        return event
    }

    public static func framed(_ event: [UInt8]) -> [UInt8] {
        [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: event.count >> $0) } + event
    }
}

extension [UInt8] {
    fileprivate mutating func append(varint value: UInt64) {
        var value = value
        while value >= 0x80 {
            append(UInt8(truncatingIfNeeded: value) | 0x80)
            value >>= 7
        }
        append(UInt8(value))
    }

    fileprivate mutating func append(_ field: UInt32, content: [UInt8]) {
        append(varint: UInt64(field << 3 | 2))
        append(varint: UInt64(content.count))
        self += content
    }

    fileprivate mutating func append(_ field: UInt32, _ value: Int64) {
        append(varint: UInt64(field << 3))
        append(varint: UInt64(bitPattern: value))
    }

    fileprivate mutating func append(
        _ field: ProtobufMessages.Field, _ node: DocumentNode?
    ) throws(ProtobufWriterError) {
        guard let node, !node.isNull else {
            if field.isAlwaysWritten { try append(emptyFor: field) }
            return
        }
        guard field.isRepeated else { return try append(field, value: node) }
        guard case .sequence(let items) = node.value else {
            throw ProtobufWriterError(description: "\(field.name) is \(node.kindInWords), not a list")
        }
        for item in items { try append(field, value: item) }
    }

    private mutating func append(emptyFor field: ProtobufMessages.Field) throws(ProtobufWriterError) {
        switch field.value {
        case .number, .flag: append(field.number, 0)
        case .message(let message):
            append(
                field.number, content: try ProtobufWriter.message(DocumentNode(.mapping([])), as: message))
        default: append(field.number, content: [])
        }
    }

    private mutating func append(
        _ field: ProtobufMessages.Field, value node: DocumentNode
    ) throws(ProtobufWriterError) {
        switch (field.value, node.value) {
        case (.text, .string(let text)): append(field.number, content: Array(text.utf8))
        case (.number, .integer(let value)): append(field.number, value)
        case (.flag, .bool(let flag)): append(field.number, flag ? 1 : 0)
        case (.time, .string(let text)):
            guard let seconds = Timestamp.seconds(text) else {
                throw ProtobufWriterError(description: "\(field.name) is no time: \(text)")
            }
            var time: [UInt8] = []
            time.append(1, seconds)
            time.append(2, 0)
            append(field.number, content: time)
        case (.quantity, .string(let text)): append(field.number, content: Self.text(text))
        case (.textMap, .mapping(let entries)):
            try append(map: field, entries) { text throws(ProtobufWriterError) in Array(text.utf8) }
        case (.quantityMap, .mapping(let entries)):
            try append(map: field, entries) { text throws(ProtobufWriterError) in Self.text(text) }
        case (.integerOrText, .integer(let value)):
            append(field.number, content: Self.integerOrText(type: 0, value, ""))
        case (.integerOrText, .string(let text)):
            append(field.number, content: Self.integerOrText(type: 1, 0, text))
        case (.fieldsV1, .string(let raw)): append(field.number, content: Self.text(raw))
        case (.message(let message), _):
            append(field.number, content: try ProtobufWriter.message(node, as: message))
        default: throw ProtobufWriterError(description: "\(field.name) may not be \(node.kindInWords)")
        }
    }

    /// A message whose field 1 is this text: Quantity, FieldsV1.
    private static func text(_ text: String) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(1, content: Array(text.utf8))
        return bytes
    }

    private static func integerOrText(type: Int64, _ integer: Int64, _ text: String) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(1, type)
        bytes.append(2, integer)
        bytes.append(3, content: Array(text.utf8))
        return bytes
    }

    private mutating func append(
        map field: ProtobufMessages.Field, _ entries: [DocumentNode.Entry],
        _ content: (String) throws(ProtobufWriterError) -> [UInt8]
    ) throws(ProtobufWriterError) {
        for entry in entries.sorted(by: { $0.key < $1.key }) {
            guard let text = entry.value.string else {
                throw ProtobufWriterError(description: "\(field.name).\(entry.key) is \(entry.value.kindInWords)")
            }
            var bytes: [UInt8] = []
            bytes.append(1, content: Array(entry.key.utf8))
            bytes.append(2, content: try content(text))
            append(field.number, content: bytes)
        }
    }
}
