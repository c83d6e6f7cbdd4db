// SPDX-License-Identifier: Apache-2.0
import Documents

/// The value of a plain (unquoted) YAML scalar, by the rules of the reader that Kubernetes uses (sigs.k8s.io/yaml: YAML
/// 1.1 as goyaml.v2 resolves it): `yes`, `on`, `y` are booleans, `0777` is octal, `1_000` a number, a date a string.
enum YAMLScalar {
    private static let words: [String: DocumentNode.Value] = {
        var words: [String: DocumentNode.Value] = ["": .null, "~": .null, "null": .null, "Null": .null, "NULL": .null]
        for word in ["y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"] {
            words[word] = .bool(true)
        }
        for word in ["n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"] {
            words[word] = .bool(false)
        }
        return words
    }()

    static func resolve(_ text: String) -> DocumentNode.Value {
        guard let first = text.utf8.first else { return .null }
        switch first {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "."):
            return number(text) ?? .string(text)
        default:
            return text.utf8.count <= 5 ? words[text] ?? .string(text) : .string(text)
        }
    }

    private static func number(_ text: String) -> DocumentNode.Value? {
        // A number with more digits is not a value of any field here.
        guard text.utf8.count <= 400 else { return nil }
        if let special = notFinite(text) { return special }
        let plain = text.filter { $0 != "_" }
        if let integer = integer(plain) { return .integer(integer) }
        guard isDecimalFloat(plain), let float = Double(plain), float.isFinite else { return nil }
        // The Kubernetes reader passes documents on as JSON, where 80.0 becomes 80.
        if let integer = Int64(exactly: float) { return .integer(integer) }
        return .float(float)
    }

    private static func notFinite(_ text: String) -> DocumentNode.Value? {
        switch text {
        case ".nan", ".NaN", ".NAN": .float(.nan)
        case ".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF": .float(.infinity)
        case "-.inf", "-.Inf", "-.INF": .float(-.infinity)
        default: nil
        }
    }

    private static func integer(_ text: String) -> Int64? {
        var digits = Substring(text)
        var isNegative = false
        if let sign = digits.first, sign == "-" || sign == "+" {
            isNegative = sign == "-"
            digits = digits.dropFirst()
        }
        var radix = 10
        if digits.count > 1, digits.first == "0" {
            digits = digits.dropFirst()
            switch digits.first {
            case "x", "X": radix = 16
            case "o", "O": radix = 8
            case "b", "B": radix = 2
            default: radix = 8
            }
            if digits.first?.isLetter == true { digits = digits.dropFirst() }
        }
        guard let first = digits.utf8.first, first != UInt8(ascii: "+"), first != UInt8(ascii: "-") else { return nil }
        return Int64((isNegative ? "-" : "") + digits, radix: radix)
    }

    /// `[-+]? (. digits | digits [. digits*]) ([eE] [-+]? digits)?`
    private static func isDecimalFloat(_ text: String) -> Bool {
        var rest = text.utf8[...]
        func dropDigits() -> Int {
            let end = rest.firstIndex { !(UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) } ?? rest.endIndex
            defer { rest = rest[end...] }
            return rest.distance(from: rest.startIndex, to: end)
        }
        func drop(_ scalars: Unicode.Scalar...) -> Bool {
            guard let first = rest.first, scalars.contains(where: { UInt8(ascii: $0) == first }) else { return false }
            rest = rest.dropFirst()
            return true
        }
        _ = drop("-", "+")
        let whole = dropDigits()
        let fraction = drop(".") ? dropDigits() : 0
        guard whole + fraction > 0 else { return false }
        if drop("e", "E") {
            _ = drop("-", "+")
            guard dropDigits() > 0 else { return false }
        }
        return rest.isEmpty
    }
}
