// SPDX-License-Identifier: Apache-2.0

/// The form of Kubernetes' names, for options.
public enum KubernetesName {
    /// What is wrong with the name of a namespace (RFC 1123, a label); nil if it is valid.
    public static func problem(label text: String) -> String? {
        guard (1...63).contains(text.utf8.count) else { return "must have from 1 to 63 characters" }
        return isLabel(text[...])
            ? nil : "must be lower-case letters, digits and '-', and begin and end with a letter or digit"
    }

    /// The same for the name of a service account (RFC 1123, a subdomain).
    public static func problem(subdomain text: String) -> String? {
        guard (1...253).contains(text.utf8.count) else { return "must have from 1 to 253 characters" }
        let labels = text.split(separator: ".", omittingEmptySubsequences: false)
        return labels.allSatisfy(isLabel)
            ? nil
            : "must be lower-case letters, digits, '-' and '.', and each part must begin and end with a letter or digit"
    }

    private static func isLabel(_ text: Substring) -> Bool {
        func isAlphanumeric(_ byte: UInt8) -> Bool { (97...122).contains(byte) || (48...57).contains(byte) }
        guard let first = text.utf8.first, let last = text.utf8.last else { return false }
        return isAlphanumeric(first) && isAlphanumeric(last)
            && text.utf8.allSatisfy { isAlphanumeric($0) || $0 == UInt8(ascii: "-") }
    }
}
