// SPDX-License-Identifier: Apache-2.0

/// The path from a document's root to one field: `spec.ingress[0].from[1].ipBlock.except[0]`.
public struct FieldPath: Sendable, Hashable, CustomStringConvertible {
    public enum Component: Sendable, Hashable {
        case field(String)
        case index(Int)
    }

    public var components: [Component]

    public init(_ components: [Component] = []) { self.components = components }

    public var isEmpty: Bool { components.isEmpty }

    public func appending(_ component: Component) -> FieldPath { FieldPath(components + [component]) }

    /// The path from the object's own root, if the object is an item of lists.
    public var insideObject: FieldPath {
        var rest = components[...]
        while rest.count > 1, rest.first == .field("items"), case .index = rest[rest.startIndex + 1] {
            rest = rest.dropFirst(2)
        }
        return FieldPath(Array(rest))
    }

    /// Keys that contain more than letters, digits and `_` (label keys) are written in brackets and quotes.
    public var description: String {
        var text = ""
        for component in components {
            switch component {
            case .index(let index): text += "[\(index)]"
            case .field(let name):
                if Self.isPlain(name) {
                    text += text.isEmpty ? name : ".\(name)"
                } else {
                    text += "[\"\(name.boundedForMessage)\"]"
                }
            }
        }
        return text
    }

    private static func isPlain(_ name: String) -> Bool {
        !name.isEmpty && name.utf8.count <= 64
            && name.utf8.allSatisfy { $0.isASCIILetter || $0.isASCIIDigit || $0 == UInt8(ascii: "_") }
    }
}

extension String {
    /// The text, shortened to a length that suits an error message, with visible control characters.
    package var boundedForMessage: String {
        var text = ""
        for (index, scalar) in unicodeScalars.enumerated() {
            if index == 64 { return text + "…" }
            if scalar.value < 32 || (127..<160).contains(scalar.value) {
                text += "\\u{\(String(scalar.value, radix: 16))}"
            } else {
                text.unicodeScalars.append(scalar)
            }
        }
        return text
    }
}
