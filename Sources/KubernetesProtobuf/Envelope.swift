// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects

/// The wrapper of every body and every watched object: four magic bytes, then `runtime.Unknown`.
struct Envelope {
    private static let magic: [UInt8] = [0x6b, 0x38, 0x73, 0]

    var apiVersion: String
    var kind: String
    /// The object's own bytes.
    var raw: Range<Int>

    var typeName: String { "\(apiVersion) \(kind)" }

    init(_ bytes: UnsafeRawBufferPointer, _ range: Range<Int>) throws(ProtobufError) {
        guard bytes[range].prefix(4).elementsEqual(Self.magic) else {
            throw ProtobufError(offset: range.lowerBound, reason: .noMagic)
        }
        var reader = WireReader(bytes, range.lowerBound + 4..<range.upperBound)
        var (apiVersion, kind) = ("", "")
        var raw: Range<Int>?
        var contentType: String?
        while let tag = try reader.next() {
            switch tag.number {
            case 1:
                let typeMeta = try reader.message(tag)
                (apiVersion, kind) = try inside(.field("typeMeta")) { () throws(ProtobufError) in
                    try Self.typeMeta(typeMeta, apiVersion, kind)
                }
            case 2: raw = try reader.content(tag)
            case 3:
                let encoding = try reader.text(tag)
                if !encoding.isEmpty { throw reader.failure(.foreignContent(encoding)) }
            case 4: contentType = try reader.text(tag)
            default: try reader.skip(tag)
            }
        }
        guard let raw else { throw reader.failure(.missing("raw")) }
        // API servers write every field, even if empty: without the last one, the body was truncated.
        guard let contentType else { throw reader.failure(.missing("contentType")) }
        guard contentType.isEmpty || contentType == "application/vnd.kubernetes.protobuf" else {
            throw reader.failure(.foreignContent(contentType))
        }
        self.apiVersion = apiVersion
        self.kind = kind
        self.raw = raw
    }

    private static func typeMeta(
        _ message: WireReader, _ apiVersion: String, _ kind: String
    ) throws(ProtobufError) -> (String, String) {
        var (reader, apiVersion, kind) = (message, apiVersion, kind)
        while let tag = try reader.next() {
            switch tag.number {
            case 1: apiVersion = try reader.text(tag)
            case 2: kind = try reader.text(tag)
            default: try reader.skip(tag)
            }
        }
        return (apiVersion, kind)
    }

    /// The bytes of an object of this type, or an error that names both types.
    func content(apiVersion wanted: String, kind wantedKind: String) throws(ProtobufError) -> Range<Int> {
        guard apiVersion == wanted, kind == wantedKind else {
            throw ProtobufError(
                offset: raw.lowerBound,
                reason: .unexpectedType(found: typeName, expected: "\(wanted) \(wantedKind)"))
        }
        return raw
    }
}
