// SPDX-License-Identifier: Apache-2.0

extension JSONReader {
    /// Starts at the opening quote and ends after the closing one.
    mutating func string() throws(JSONError) -> String {
        position += 1
        let start = position
        let isASCII = passPlainBytes()
        if current == UInt8(ascii: "\"") {
            let text = isASCII ? ascii(start..<position) : try validated(bytes[start..<position])
            position += 1
            return text
        }
        return try stringWithEscapes(from: start)
    }

    /// Passes what stands for itself in a string. Returns whether all of it is ASCII.
    private mutating func passPlainBytes() -> Bool {
        var end = position
        var following = 0
        var all: UInt8 = 0
        bytes.withUnsafeBufferPointer { bytes in
            while end < bytes.count {
                let byte = bytes[end]
                if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") || byte < 32 { return }
                if byte & 0xc0 == 0x80 { following += 1 }
                all |= byte
                end += 1
            }
        }
        position = end
        continuations += following
        return all < 0x80
    }

    private func ascii(_ range: Range<Int>) -> String {
        bytes.withUnsafeBufferPointer { String(decoding: UnsafeBufferPointer(rebasing: $0[range]), as: UTF8.self) }
    }

    private mutating func passStringByte(_ byte: UInt8) throws(JSONError) {
        if byte < 32 { throw failure("control character \(byte) in a string: it must be escaped") }
        if byte & 0xc0 == 0x80 { continuations += 1 }
        position += 1
    }

    private func validated(_ utf8: some Collection<UInt8>) throws(JSONError) -> String {
        guard let text = String(validating: utf8, as: UTF8.self) else { throw failure("a string is not valid UTF-8") }
        return text
    }

    private mutating func stringWithEscapes(from start: Int) throws(JSONError) -> String {
        var utf8 = Array(bytes[start..<position])
        while let byte = current {
            switch byte {
            case UInt8(ascii: "\""):
                let text = try validated(utf8)
                position += 1
                return text
            case UInt8(ascii: "\\"):
                position += 1
                utf8 += UTF8.encode(try escape())!
            default:
                try passStringByte(byte)
                utf8.append(byte)
            }
        }
        throw failure("a string is not closed")
    }

    /// After a backslash.
    private mutating func escape() throws(JSONError) -> Unicode.Scalar {
        guard let byte = current else { throw failure("a string is not closed") }
        let scalar: Unicode.Scalar
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): scalar = Unicode.Scalar(byte)
        case UInt8(ascii: "b"): scalar = "\u{8}"
        case UInt8(ascii: "f"): scalar = "\u{c}"
        case UInt8(ascii: "n"): scalar = "\n"
        case UInt8(ascii: "r"): scalar = "\r"
        case UInt8(ascii: "t"): scalar = "\t"
        case UInt8(ascii: "u"):
            position += 1
            return try unicodeEscape()
        default: throw failure("unknown escape in a string")
        }
        position += 1
        return scalar
    }

    /// After `\u`: four digits, or both halves of a surrogate pair.
    private mutating func unicodeEscape() throws(JSONError) -> Unicode.Scalar {
        let first = try fourHexDigits()
        if let scalar = Unicode.Scalar(first) { return scalar }
        guard first < 0xdc00, position + 1 < bytes.count, bytes[position] == UInt8(ascii: "\\"),
            bytes[position + 1] == UInt8(ascii: "u")
        else { throw failure("half of a surrogate pair") }
        position += 2
        let second = try fourHexDigits()
        guard (0xdc00...0xdfff).contains(second),
            let scalar = Unicode.Scalar(0x10000 + (UInt32(first) - 0xd800) << 10 + UInt32(second) - 0xdc00)
        else { throw failure("half of a surrogate pair") }
        return scalar
    }

    private mutating func fourHexDigits() throws(JSONError) -> UInt16 {
        guard position + 4 <= bytes.count else { throw failure("four hexadecimal digits are expected after \\u") }
        var value: UInt16 = 0
        for _ in 0..<4 {
            guard let digit = Character(Unicode.Scalar(bytes[position])).hexDigitValue else {
                throw failure("four hexadecimal digits are expected after \\u")
            }
            value = value << 4 | UInt16(digit)
            position += 1
        }
        return value
    }

    /// `-? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)?`
    mutating func number() throws(JSONError) -> DocumentNode.Value {
        let start = position
        if current == UInt8(ascii: "-") { position += 1 }
        let firstDigit = position
        try digits()
        if bytes[firstDigit] == UInt8(ascii: "0"), position > firstDigit + 1 {
            throw failure("a number must not begin with 0")
        }
        var isInteger = true
        if current == UInt8(ascii: ".") {
            isInteger = false
            position += 1
            try digits()
        }
        if current == UInt8(ascii: "e") || current == UInt8(ascii: "E") {
            isInteger = false
            position += 1
            if current == UInt8(ascii: "+") || current == UInt8(ascii: "-") { position += 1 }
            try digits()
        }
        let text = String(decoding: bytes[start..<position], as: UTF8.self)
        if isInteger, let integer = Int64(text) { return .integer(integer) }
        guard let float = Double(text), float.isFinite else { throw failure("a number is out of range") }
        return .float(float)
    }

    private mutating func digits() throws(JSONError) {
        let start = position
        while let byte = current, byte.isASCIIDigit { position += 1 }
        if position == start { throw failure("a digit is expected in a number") }
    }
}
