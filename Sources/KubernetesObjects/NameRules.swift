// SPDX-License-Identifier: Apache-2.0
import Documents

/// The syntax rules of names, labels and ports that the API server applies; each returns nil or a problem.
enum NameRules {
    /// RFC 1123 label: lower case letters, digits, `-`; letter or digit at both ends; 63 at most.
    static func dnsLabel(_ text: String) -> String? {
        if text.utf8.count > 63 { return "must be no more than 63 characters" }
        return isLabel(text.utf8[...])
            ? nil
            : "'\(text.boundedForMessage)' must be lower case letters, digits and '-', "
                + "with a letter or digit at both ends"
    }

    /// RFC 1123 subdomain: labels joined by dots; 253 at most in all, each label of any length within that.
    static func dnsSubdomain(_ text: String) -> String? {
        if text.utf8.count > 253 { return "must be no more than 253 characters" }
        return isSubdomain(text.utf8)
            ? nil
            : "'\(text.boundedForMessage)' must be lower case letters, digits, '-' and '.', "
                + "with a letter or digit at both ends of each part"
    }

    private static func isSubdomain(_ utf8: String.UTF8View) -> Bool {
        let (dot, hyphen) = (UInt8(ascii: "."), UInt8(ascii: "-"))
        var before = dot
        for byte in utf8 {
            switch byte {
            case dot: guard isLowerOrDigit(before) else { return false }
            case hyphen: guard before != dot else { return false }
            default: guard isLowerOrDigit(byte) else { return false }
            }
            before = byte
        }
        return isLowerOrDigit(before)
    }

    private static func isLabel(_ utf8: Substring.UTF8View) -> Bool {
        guard let first = utf8.first, let last = utf8.last else { return false }
        return isLowerOrDigit(first) && isLowerOrDigit(last)
            && utf8.allSatisfy { isLowerOrDigit($0) || $0 == UInt8(ascii: "-") }
    }

    private static func isLowerOrDigit(_ byte: UInt8) -> Bool { byte.isASCIILower || byte.isASCIIDigit }

    /// `[prefix/]name`: prefix a DNS subdomain, name 1...63 of letters, digits, `-`, `_`, `.`.
    static func labelKey(_ key: String) -> String? {
        var name = key.utf8[...]
        if let slash = name.firstIndex(of: UInt8(ascii: "/")) {
            let prefix = name[..<slash]
            name = name[name.index(after: slash)...]
            if name.contains(UInt8(ascii: "/")) { return "label key '\(key.boundedForMessage)' has more than one '/'" }
            if prefix.isEmpty { return "label key '\(key.boundedForMessage)' has an empty prefix" }
            if let problem = dnsSubdomain(String(Substring(prefix))) { return "label key prefix \(problem)" }
        }
        if name.isEmpty { return "label key '\(key.boundedForMessage)' has no name" }
        if name.count > 63 { return "name part of a label key must be no more than 63 characters" }
        return isQualified(name)
            ? nil
            : "label key '\(key.boundedForMessage)' must be letters, digits, '-', '_' and '.', "
                + "with a letter or digit at both ends"
    }

    /// Empty, or up to 63 of letters, digits, `-`, `_`, `.` with a letter or digit at both ends.
    static func labelValue(_ value: String) -> String? {
        if value.utf8.count > 63 { return "a label value must be no more than 63 characters" }
        return value.isEmpty || isQualified(value.utf8[...])
            ? nil
            : "label value '\(value.boundedForMessage)' must be letters, digits, '-', '_' and '.', "
                + "with a letter or digit at both ends"
    }

    private static func isQualified(_ utf8: Substring.UTF8View) -> Bool {
        guard let first = utf8.first, let last = utf8.last else { return false }
        return isLetterOrDigit(first) && isLetterOrDigit(last)
            && utf8.allSatisfy {
                isLetterOrDigit($0) || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "_") || $0 == UInt8(ascii: ".")
            }
    }

    private static func isLetterOrDigit(_ byte: UInt8) -> Bool { byte.isASCIILetter || byte.isASCIIDigit }

    /// RFC 6335 service name: 1...15 of lower case letters, digits, `-`; one letter; no `-` at an end or doubled.
    static func portName(_ name: String) -> String? {
        let utf8 = Array(name.utf8)
        let hyphen = UInt8(ascii: "-")
        if utf8.isEmpty { return "a port name must not be empty" }
        if utf8.count > 15 { return "a port name must be no more than 15 characters" }
        guard utf8.allSatisfy({ isLowerOrDigit($0) || $0 == hyphen }) else {
            return "port name '\(name.boundedForMessage)' must be lower case letters, digits and '-'"
        }
        if !utf8.contains(where: \.isASCIILower) { return "port name '\(name)' must contain a letter" }
        if utf8.first == hyphen || utf8.last == hyphen {
            return "port name '\(name)' must not begin or end with '-'"
        }
        let doubled = zip(utf8, utf8.dropFirst()).contains { $0 == hyphen && $1 == hyphen }
        return doubled ? "port name '\(name)' must not contain '--'" : nil
    }
}
