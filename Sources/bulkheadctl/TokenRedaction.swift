// SPDX-License-Identifier: Apache-2.0

/// Text without bearer tokens, JSON web tokens, passwords of HTTP Basic and keys. The daemon never writes one; a log of
/// others may have some.
enum TokenRedaction {
    /// What precedes a token, and how long the token must be: shorter text is not one.
    private static let marks: [(start: [UInt8], isPart: Bool, length: Int)] = [
        (Array("eyJ".utf8), true, 12), (Array("earer ".utf8), false, 8), (Array("asic ".utf8), false, 8),
        // `-----BEGIN` in base64, as kubeconfig files hold keys and certificates.
        (Array("LS0tLS1CRUdJTi".utf8), true, 32),
    ]
    /// RFC 7468.
    private static let keyStart = Array("-----BEGIN ".utf8)
    private static let keyEnd = Array("-----END ".utf8)
    /// Bytes of a key whose end is not found.
    private static let keyLimit = 1 << 14

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
        if let end = endOfKey(bytes, position) { return end }
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

    /// The end of a key in PEM form that begins here, with the line of its end.
    private static func endOfKey(_ bytes: [UInt8], _ position: Int) -> Int? {
        guard bytes[position] == keyStart[0], bytes[position...].starts(with: keyStart) else { return nil }
        let limit = min(bytes.count, position + keyLimit)
        for place in (position + keyStart.count)..<limit
        where bytes[place] == keyEnd[0] && bytes[place...].starts(with: keyEnd) {
            return bytes[place...].firstIndex(of: UInt8(ascii: "\n")) ?? bytes.count
        }
        return limit
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
