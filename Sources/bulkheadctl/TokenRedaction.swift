// SPDX-License-Identifier: Apache-2.0

/// Text without bearer tokens and JSON web tokens. The daemon never writes one; a log of others may have some.
enum TokenRedaction {
    /// What precedes a token, and how long the token must be: shorter text is not one.
    private static let marks: [(start: [UInt8], isPart: Bool, length: Int)] = [
        (Array("eyJ".utf8), true, 12), (Array("earer ".utf8), false, 8),
    ]

    static func redacted(_ bytes: [UInt8]) -> [UInt8] {
        var output: [UInt8] = []
        var position = 0
        while position < bytes.count {
            guard let end = tokenEnd(bytes, position, &output) else {
                output.append(bytes[position])
                position += 1
                continue
            }
            output += Array("(removed)".utf8)
            position = end
        }
        return output
    }

    /// The end of a token that begins here. What precedes it is copied.
    private static func tokenEnd(_ bytes: [UInt8], _ position: Int, _ output: inout [UInt8]) -> Int? {
        for mark in marks where bytes[position] == mark.start[0] {
            guard bytes[position...].starts(with: mark.start) else { continue }
            let start = mark.isPart ? position : position + mark.start.count
            let end = bytes[start...].firstIndex { !isOfToken($0) } ?? bytes.count
            guard end - start >= mark.length else { continue }
            output += bytes[position..<start]
            return end
        }
        return nil
    }

    /// RFC 6750, section 2.1, and RFC 7515.
    private static func isOfToken(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5a, 0x61...0x7a: true
        case UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "~"), UInt8(ascii: "+"),
            UInt8(ascii: "/"), UInt8(ascii: "="):
            true
        default: false
        }
    }
}
