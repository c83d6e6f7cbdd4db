// SPDX-License-Identifier: Apache-2.0
import Documents
import KubernetesObjects

/// Turns a message into the document that the same object's JSON gives, for the fields of a schema.
///
/// It descends no deeper than the schema does.
struct DocumentBuilder {
    let bytes: UnsafeRawBufferPointer

    private enum Found {
        case content(Range<Int>)
        case number(Int64)
    }

    /// - Parameter parts: the parts of the message. A message in several parts is their concatenation (the rule of
    ///   the wire format: the last scalar counts, lists are concatenated, inner messages are merged in the same way).
    func mapping(_ parts: [Range<Int>], _ schema: MessageSchema) throws(ProtobufError) -> DocumentNode {
        var found: [[Found]] = Array(repeating: [], count: schema.fields.count)
        var unknown: [UInt32] = []
        for part in parts {
            var reader = WireReader(bytes, part)
            while let tag = try reader.next() {
                guard let index = schema.fields.firstIndex(where: { $0.number == tag.number }) else {
                    if !unknown.contains(tag.number) { unknown.append(tag.number) }
                    try reader.skip(tag)
                    continue
                }
                found[index].append(
                    schema.fields[index].value.isNumber
                        ? .number(try reader.integer(tag)) : .content(try reader.content(tag)))
            }
        }
        var entries: [DocumentNode.Entry] = []
        for (field, values) in zip(schema.fields, found) where !values.isEmpty {
            let value = try inside(.field(field.name)) { () throws(ProtobufError) in try node(of: field, values) }
            if let value { entries.append(entry(field.name, value)) }
        }
        if schema.tellsUnknown { entries += unknown.map { entry("field \($0)", plain(.null)) } }
        return plain(.mapping(entries))
    }

    private func plain(_ value: DocumentNode.Value) -> DocumentNode { DocumentNode(value, line: 0, column: 0) }

    private func entry(_ key: String, _ value: DocumentNode) -> DocumentNode.Entry {
        DocumentNode.Entry(key: key, line: 0, column: 0, value: value)
    }

    private func text(_ range: Range<Int>) -> String { WireReader(bytes, range).text(in: range) }

    private func node(of field: MessageSchema.Field, _ values: [Found]) throws(ProtobufError) -> DocumentNode? {
        var ranges: [Range<Int>] = []
        for case .content(let range) in values { ranges.append(range) }
        switch field.value {
        case .text:
            if field.isRepeated { return plain(.sequence(ranges.map { plain(.string(text($0))) })) }
            let last = text(ranges[ranges.count - 1])
            return field.omitsEmpty && last.isEmpty ? nil : plain(.string(last))
        case .flag, .integer:
            guard case .number(let number) = values[values.count - 1] else { return nil }
            if case .flag = field.value { return plain(.bool(number != 0)) }
            return plain(.integer(Int64(Int32(truncatingIfNeeded: number))))
        case .textMap: return try textMap(ranges)
        case .integerOrText: return try integerOrText(ranges)
        case .message(let schema):
            guard field.isRepeated else { return try mapping(ranges, schema) }
            var items: [DocumentNode] = []
            for (index, range) in ranges.enumerated() {
                items.append(try inside(.index(index)) { () throws(ProtobufError) in try mapping([range], schema) })
            }
            return plain(.sequence(items))
        }
    }

    /// Of two entries with one key, the last one counts.
    private func textMap(_ ranges: [Range<Int>]) throws(ProtobufError) -> DocumentNode {
        var entries: [DocumentNode.Entry] = []
        var places: [String: Int] = [:]
        for range in ranges {
            let (key, value) = try WireReader(bytes, range).mapEntry()
            let entry = entry(key, plain(.string(value)))
            if let place = places.updateValue(entries.count, forKey: key) {
                places[key] = place
                entries[place] = entry
            } else {
                entries.append(entry)
            }
        }
        return plain(.mapping(entries))
    }

    /// A type other than number and string, or an unknown field, gives a mapping, which is never a port.
    private func integerOrText(_ parts: [Range<Int>]) throws(ProtobufError) -> DocumentNode {
        var (type, integer, text, isKnown) = (Int64(0), Int32(0), "", true)
        for part in parts {
            var reader = WireReader(bytes, part)
            while let tag = try reader.next() {
                switch tag.number {
                case 1: type = try reader.integer(tag)
                case 2: integer = try reader.integer32(tag)
                case 3: text = try reader.text(tag)
                default:
                    isKnown = false
                    try reader.skip(tag)
                }
            }
        }
        switch type {
        case 0 where isKnown: return plain(.integer(Int64(integer)))
        case 1 where isKnown: return plain(.string(text))
        default: return plain(.mapping([]))
        }
    }
}

extension MessageSchema.Value {
    fileprivate var isNumber: Bool {
        switch self {
        case .flag, .integer: true
        case .text, .textMap, .integerOrText, .message: false
        }
    }
}

extension WireReader {
    /// Key and value of a `map<string, string>` entry; a missing one is empty.
    func mapEntry() throws(ProtobufError) -> (key: String, value: String) {
        let places = try mapEntryPlaces()
        return (text(in: places.key), text(in: places.value))
    }

    /// The ranges of both.
    func mapEntryPlaces() throws(ProtobufError) -> (key: Range<Int>, value: Range<Int>) {
        var (reader, key, value) = (self, 0..<0, 0..<0)
        while let tag = try reader.next() {
            switch tag.number {
            case 1: key = try reader.content(tag)
            case 2: value = try reader.content(tag)
            default: try reader.skip(tag)
            }
        }
        return (key, value)
    }
}
