// SPDX-License-Identifier: Apache-2.0

/// HPACK (RFC 7541) as far as HAProxy 2.6 writes it: without Huffman's code and without the dynamic table. Field values
/// are Latin-1 text, so that any bytes can be sent.
public enum NetHPACK {
    /// Every field as a literal that is not indexed.
    public static func encode(_ fields: [NetHTTPMessage.Field]) -> [UInt8] {
        fields.flatMap { [0] + text($0.name) + text($0.value) }
    }

    public static func decode(_ bytes: [UInt8]) throws -> [NetHTTPMessage.Field] {
        var rest = bytes[...]
        var fields: [NetHTTPMessage.Field] = []
        while let first = rest.first {
            switch first {
            case 0x80...:
                let index = try integer(&rest, bits: 7)
                guard staticTable.indices.contains(index - 1) else { throw NetError.missing("HPACK's entry \(index)") }
                fields.append(staticTable[index - 1])
            case 0x20..<0x40: _ = try integer(&rest, bits: 5)
            default:
                // An entry for the dynamic table is as good as a literal, as long as none refers to it.
                let index = try integer(&rest, bits: first & 0x40 != 0 ? 6 : 4)
                guard index <= staticTable.count else { throw NetError.missing("HPACK's entry \(index)") }
                let name = index == 0 ? try text(&rest) : staticTable[index - 1].name
                fields.append(.init(name, try text(&rest)))
            }
        }
        return fields
    }

    private static func text(_ text: String) -> [UInt8] {
        let bytes = text.latin1
        guard bytes.count >= 127 else { return [UInt8(bytes.count)] + bytes }
        var length: [UInt8] = [127]
        var left = bytes.count - 127
        while left >= 128 {
            length.append(UInt8(left & 127) | 128)
            left >>= 7
        }
        return length + [UInt8(left)] + bytes
    }

    private static func text(_ rest: inout ArraySlice<UInt8>) throws -> String {
        guard let first = rest.first, first & 0x80 == 0 else { throw NetError.missing("HPACK text without Huffman") }
        let count = try integer(&rest, bits: 7)
        guard rest.count >= count else { throw NetError.missing("the end of HPACK text") }
        defer { rest = rest.dropFirst(count) }
        return String(latin1: rest.prefix(count))
    }

    private static func integer(_ rest: inout ArraySlice<UInt8>, bits: Int) throws -> Int {
        let mask = UInt8(1 << bits - 1)
        guard let first = rest.popFirst() else { throw NetError.missing("an HPACK integer") }
        guard first & mask == mask else { return Int(first & mask) }
        var (value, shift) = (Int(mask), 0)
        while let byte = rest.popFirst() {
            guard shift <= 28 else { break }
            value += Int(byte & 127) << shift
            if byte & 128 == 0 { return value }
            shift += 7
        }
        throw NetError.missing("the end of an HPACK integer")
    }

    /// RFC 7541, appendix A.
    private static let staticTable: [NetHTTPMessage.Field] =
        [
            (":authority", ""), (":method", "GET"), (":method", "POST"), (":path", "/"), (":path", "/index.html"),
            (":scheme", "http"), (":scheme", "https"), (":status", "200"), (":status", "204"), (":status", "206"),
            (":status", "304"), (":status", "400"), (":status", "404"), (":status", "500"), ("accept-charset", ""),
            ("accept-encoding", "gzip, deflate"),
        ].map { .init($0, $1) }
            + """
            accept-language accept-ranges accept access-control-allow-origin age allow authorization cache-control \
            content-disposition content-encoding content-language content-length content-location content-range \
            content-type cookie date etag expect expires from host if-match if-modified-since if-none-match if-range \
            if-unmodified-since last-modified link location max-forwards proxy-authenticate proxy-authorization range \
            referer refresh retry-after server set-cookie strict-transport-security transfer-encoding user-agent vary via \
            www-authenticate
            """.split(separator: " ").map { .init(String($0), "") }
}
