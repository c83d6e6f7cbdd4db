// SPDX-License-Identifier: Apache-2.0

/// How a path reads: in one way, in a normal form as well, or in several ways, depending on the server.
public enum PathForms: Sendable, Hashable {
    case plain
    /// RFC 3986, section 6.2.2: escapes of unreserved characters decoded, others in upper case, dot segments removed.
    case normalized(String)
    case ambiguous(RequestProblem)

    /// - Parameter path: Without the query. U+FFFD stands for bytes that are not UTF-8.
    public init(_ path: String) {
        do throws(RequestProblem) {
            let decoded = try Self.decodingUnreserved(Array(path.utf8))
            let normal = try Self.removingDotSegments(decoded)
            self = normal.utf8.elementsEqual(path.utf8) ? .plain : .normalized(normal)
        } catch {
            self = .ambiguous(error)
        }
    }

    private static func decodingUnreserved(_ path: [UInt8]) throws(RequestProblem) -> [UInt8] {
        guard path.first == UInt8(ascii: "/") else { throw .notAPath }
        guard !path.contains(replacement: ()) else { throw .notUTF8 }
        var result: [UInt8] = []
        // The bytes that escapes stand for, to see whether they are text.
        var text: [UInt8] = []
        result.reserveCapacity(path.count)
        var index = 0
        while index < path.count {
            let byte = path[index]
            index += 1
            switch byte {
            case UInt8(ascii: "#"): throw .notAPath
            case UInt8(ascii: "\\"): throw .backslash
            case UInt8(ascii: ";"): throw .parameters
            case UInt8(ascii: "%"):
                guard index + 1 < path.count, let high = path[index].hexadecimal,
                    let low = path[index + 1].hexadecimal
                else { throw .malformedEscape }
                index += 2
                let value = high << 4 | low
                text.append(value)
                if [0, UInt8(ascii: "/"), UInt8(ascii: "\\")].contains(value) { throw .encodedSeparator }
                result += value.isUnreserved ? [value] : [byte, high.hexadecimalDigit, low.hexadecimalDigit]
            default:
                text.append(byte)
                result.append(byte)
            }
        }
        guard String(validating: text, as: UTF8.self) != nil else { throw .notUTF8 }
        return result
    }

    private static func removingDotSegments(_ path: [UInt8]) throws(RequestProblem) -> String {
        let segments = path.dropFirst().split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        guard !segments.dropLast().contains(where: \.isEmpty) else { throw .emptySegment }
        var kept: [ArraySlice<UInt8>] = []
        for (index, segment) in segments.enumerated() {
            let isLast = index == segments.count - 1
            switch String(decoding: segment, as: UTF8.self) {
            case ".": if isLast { kept.append([]) }
            case "..":
                guard kept.popLast() != nil else { throw .aboveRoot }
                if isLast { kept.append([]) }
            default: kept.append(segment)
            }
        }
        return kept.map { "/" + String(decoding: $0, as: UTF8.self) }.joined()
    }
}

extension [UInt8] {
    /// Whether the text has U+FFFD.
    fileprivate func contains(replacement: Void) -> Bool {
        indices.dropLast(2).contains { self[$0] == 0xef && self[$0 + 1] == 0xbf && self[$0 + 2] == 0xbd }
    }
}

extension UInt8 {
    /// The value of an ASCII digit 0...9, a...f, A...F.
    fileprivate var hexadecimal: UInt8? {
        switch self {
        case 0x30...0x39: self - 0x30
        case 0x41...0x46: self - 0x41 + 10
        case 0x61...0x66: self - 0x61 + 10
        default: nil
        }
    }

    fileprivate var hexadecimalDigit: UInt8 { self < 10 ? 0x30 + self : 0x41 + self - 10 }

    /// RFC 3986, section 2.3.
    fileprivate var isUnreserved: Bool {
        switch self {
        case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
            UInt8(ascii: "~"):
            true
        default: false
        }
    }
}
