// SPDX-License-Identifier: Apache-2.0
import Documents

/// Why a document is refused: one problem at one place.
public struct ManifestError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The name given to the reader: a path, or a name such as `request body`.
    public var file: String
    /// Number of the document in its file, counted from 1; 0 if the file as a whole could not be read.
    public var document: Int
    /// Counted from 1; 0 if no position can be named.
    public var line: Int
    public var column: Int
    /// Empty if the text has no structure yet (syntax errors).
    public var path: FieldPath
    public var reason: String
    /// What was probably meant.
    public var hint: String?

    public init(
        file: String, document: Int, line: Int = 0, column: Int = 0, path: FieldPath = FieldPath(), reason: String,
        hint: String? = nil
    ) {
        self.file = file
        self.document = document
        self.line = line
        self.column = column
        self.path = path
        self.reason = reason
        self.hint = hint
    }

    /// `file.yaml:12:5: document 2: spec.podSelector: reason (hint: …)`.
    public var description: String {
        var text = file
        if line > 0 { text += ":\(line):\(column)" }
        if document > 0 { text += ": document \(document)" }
        if !path.isEmpty { text += ": \(path)" }
        text += ": \(reason)"
        if let hint { text += " (hint: \(hint))" }
        return text
    }
}

/// Something to report about a document that is not an error: it has no effect here.
public struct ManifestNotice: Sendable, Hashable, CustomStringConvertible {
    public enum Reason: Sendable, Hashable {
        /// A kind that has nothing to do with network policy.
        case ignored
        /// A policy of a kind that is not enforced, or the ``detail`` of a policy: its author must know.
        case notEnforced
    }
    public var file: String
    /// Number of the document in its file, counted from 1.
    public var document: Int
    public var line: Int
    public var column: Int
    public var reason: Reason
    public var apiVersion: String
    public var kind: String
    /// `namespace/name` or `name`, as far as given; may be empty.
    public var name: String
    /// The field that is not enforced, and why. Nil: the whole document is meant.
    public var detail: String?

    public init(
        file: String, document: Int, line: Int, column: Int, reason: Reason, apiVersion: String, kind: String,
        name: String, detail: String? = nil
    ) {
        self.file = file
        self.document = document
        self.line = line
        self.column = column
        self.reason = reason
        self.apiVersion = apiVersion
        self.kind = kind
        self.name = name
        self.detail = detail
    }

    public var description: String {
        let place = "\(file):\(line):\(column): document \(document)"
        if let detail { return "\(place): \(kind) \(name): \(detail)" }
        let object = "\(kind) (\(apiVersion))\(name.isEmpty ? "" : " \(name)")"
        return switch reason {
        case .ignored: "\(place): \(object) is ignored: not a kind that Bulkhead uses"
        case .notEnforced: "\(place): \(object) is not a kind that Bulkhead enforces: this policy is NOT enforced"
        }
    }
}
