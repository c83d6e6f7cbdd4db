// SPDX-License-Identifier: Apache-2.0

/// Text inside a URL (RFC 3986, 2.1).
public enum PercentEncoding {
    /// The text with every byte escaped except letters, digits and those in `kept`.
    public static func encode(_ text: String, keeping kept: StaticString) -> String {
        var output: [UInt8] = []
        output.reserveCapacity(text.utf8.count)
        for byte in text.utf8 {
            if byte.isASCIIAlphanumeric || kept.withUTF8Buffer({ $0.contains(byte) }) {
                output.append(byte)
            } else {
                let digits = String(byte, radix: 16, uppercase: true)
                output.append(contentsOf: "%\(digits.count == 1 ? "0" : "")\(digits)".utf8)
            }
        }
        return String(decoding: output, as: UTF8.self)
    }
}
