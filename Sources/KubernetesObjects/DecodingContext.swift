// SPDX-License-Identifier: Apache-2.0
import Documents
import NetworkTypes

/// How strictly a document must contain only known parts.
public enum DecodingMode: Sendable, Hashable {
    /// Files and the control socket: whatever is not understood refuses the document.
    case strict
    /// Objects from an API server, which has validated them or has a newer schema: parts that are not understood are
    /// reported and closed, so that they allow nothing.
    case lenient
}

/// Collects the problems of one document while it is decoded, and knows the current field.
///
/// Decoding continues after an error, so that all problems of a document are reported at once; no object of a document
/// with errors is ever used.
struct DecodingContext {
    /// A document of garbage must not cause an endless report.
    static let errorLimit = DecodedDocument.errorLimit
    /// Labels of one object or selector. Servers accept as many as fit into an object.
    static let labelLimit = 5_000

    let file: String
    let document: Int
    let mode: DecodingMode
    var path = FieldPath()
    private(set) var errors: [ManifestError] = []
    /// Parts of objects that were returned nevertheless: those that lenient decoding did not understand, and in both
    /// modes those without effect here.
    private(set) var notUnderstood: [ManifestError] = []
    /// All failures so far, including those beyond the limit and those removed from `errors`.
    private(set) var failureCount = 0

    init(file: String, document: Int, mode: DecodingMode) {
        self.file = file
        self.document = document
        self.mode = mode
    }

    mutating func fail(_ node: DocumentNode, _ reason: String, hint: String? = nil) {
        fail(line: node.line, column: node.column, reason, hint: hint)
    }

    mutating func fail(line: Int, column: Int, _ reason: String, hint: String? = nil) {
        failureCount += 1
        guard errors.count < Self.errorLimit else { return }
        errors.append(
            ManifestError(
                file: file, document: document, line: line, column: column, path: path, reason: reason, hint: hint))
    }

    /// For rules of validation that leave the meaning clear when they are broken: an API server may not apply them.
    mutating func failIfStrict(_ node: DocumentNode, _ reason: String, hint: String? = nil) {
        if mode == .strict { fail(node, reason, hint: hint) }
    }

    /// Runs `body` and removes its problems from `errors`.
    mutating func catching<T>(_ body: (inout DecodingContext) -> T) -> (T, [ManifestError]) {
        let before = errors
        errors = []
        let result = body(&self)
        let caught = errors
        errors = before
        return (result, caught)
    }

    /// In lenient mode, returns the problems of `body` as sentences instead of refusing the object; the caller must
    /// make sure that the parts in question allow nothing.
    mutating func sentences<T>(_ body: (inout DecodingContext) -> T) -> (T, [String]) {
        guard mode == .lenient else { return (body(&self), []) }
        let (result, caught) = catching(body)
        notUnderstood += caught.prefix(max(0, Self.errorLimit - notUnderstood.count))
        return (result, caught.map { "\($0.path): \($0.reason)" })
    }

    /// Reports a valid part that cannot be carried out here. Returns it as a sentence; the caller must make sure that
    /// the part allows nothing.
    mutating func disregard(_ node: DocumentNode, _ reason: String) -> String {
        if notUnderstood.count < Self.errorLimit {
            notUnderstood.append(
                ManifestError(
                    file: file, document: document, line: node.line, column: node.column, path: path, reason: reason))
        }
        return "\(path.insideObject): \(reason)"
    }

    mutating func failType(_ node: DocumentNode, expected: String, hint: String? = nil) {
        fail(node, "must be \(expected), is \(node.kindInWords)", hint: hint)
    }

    /// Runs `body` one step further down.
    mutating func at<T>(_ component: FieldPath.Component, _ body: (inout DecodingContext) -> T) -> T {
        path.components.append(component)
        defer { path.components.removeLast() }
        return body(&self)
    }

    mutating func at<T>(_ field: String, _ body: (inout DecodingContext) -> T) -> T { at(.field(field), body) }

    /// The value of `field` in `node`, read by `body`; nil if absent or null (which the API server treats alike).
    mutating func field<T>(
        _ field: String, of node: DocumentNode, _ body: (inout DecodingContext, DocumentNode) -> T?
    ) -> T? {
        guard let value = node[field], !value.isNull else { return nil }
        return at(field) { body(&$0, value) }
    }

    /// The value of a required field.
    mutating func required<T>(
        _ field: String, of node: DocumentNode, hint: String? = nil,
        _ body: (inout DecodingContext, DocumentNode) -> T?
    ) -> T? {
        guard let value = node[field], !value.isNull else {
            at(field) { $0.fail(node[field] ?? node, "is required", hint: hint) }
            return nil
        }
        return at(field) { body(&$0, value) }
    }

    /// The entries of a mapping; an error and nil for anything else.
    mutating func mapping(_ node: DocumentNode, hint: String? = nil) -> [DocumentNode.Entry]? {
        if case .mapping(let entries) = node.value { return entries }
        failType(node, expected: "a mapping", hint: hint)
        return nil
    }

    /// Each item of a list read by `body`; nil results left out.
    mutating func list<T>(
        _ node: DocumentNode, _ body: (inout DecodingContext, DocumentNode) -> T?
    ) -> [T] {
        guard case .sequence(let items) = node.value else {
            failType(node, expected: "a list", hint: node.isEmpty ? nil : "begin each item with '- '")
            return []
        }
        var result: [T] = []
        result.reserveCapacity(items.count)
        for (index, item) in items.enumerated() {
            if let value = at(.index(index), { body(&$0, item) }) { result.append(value) }
        }
        return result
    }

    /// Like ``list(_:_:)``, without items that contain an error: half an item may mean more than the whole.
    mutating func wholeItems<T>(
        _ node: DocumentNode, _ body: (inout DecodingContext, DocumentNode) -> T?
    ) -> [T] {
        list(node) { context, item in
            let before = context.failureCount
            let value = body(&context, item)
            return context.failureCount == before ? value : nil
        }
    }

    mutating func string(_ node: DocumentNode) -> String? {
        if case .string(let text) = node.value { return text }
        failType(node, expected: "a string", hint: Self.quotingHint(node))
        return nil
    }

    static func quotingHint(_ node: DocumentNode) -> String? {
        switch node.value {
        case .bool: "put the value in quotes: yes, no, on, off, y, n, true and false are booleans without them"
        case .integer, .float: "put the number in quotes"
        case .null: "write \"\" for an empty string"
        case .mapping, .sequence, .string: nil
        }
    }

    mutating func bool(_ node: DocumentNode) -> Bool? {
        if case .bool(let flag) = node.value { return flag }
        failType(node, expected: "true or false")
        return nil
    }

    mutating func address(_ node: DocumentNode) -> IPAddress? {
        guard let text = string(node) else { return nil }
        do throws(AddressError) {
            return try IPAddress(text)
        } catch {
            fail(node, "\(error)")
            return nil
        }
    }

    /// A port number 1...65535.
    mutating func portNumber(_ node: DocumentNode) -> UInt16? {
        guard case .integer(let number) = node.value else {
            let isQuoted = node.string.map { $0.utf8.allSatisfy(\.isASCIIDigit) } ?? false
            failType(node, expected: "a whole number", hint: isQuoted ? "write the number without quotes" : nil)
            return nil
        }
        guard (1...65535).contains(number) else {
            fail(node, "port \(number) is not in 1...65535")
            return nil
        }
        return UInt16(number)
    }

    mutating func ipProtocol(_ node: DocumentNode) -> IPProtocol? {
        guard let text = string(node) else { return nil }
        switch text {
        case "TCP": return .tcp
        case "UDP": return .udp
        case "SCTP": return .sctp
        default:
            let upper = text.uppercased()
            fail(
                node, "protocol '\(text.boundedForMessage)' is not supported: use TCP, UDP or SCTP",
                hint: ["TCP", "UDP", "SCTP"].contains(upper) ? "write \(upper)" : nil)
            return nil
        }
    }

    /// A mapping of label keys to label values, each of them checked. `misplaced` explains keys that are field names.
    mutating func labels(_ node: DocumentNode, misplaced: [String: String] = [:]) -> [String: String] {
        guard let entries = mapping(node) else { return [:] }
        if entries.count > Self.labelLimit {
            failIfStrict(node, "\(entries.count) labels exceed the limit of \(Self.labelLimit)")
        }
        var labels: [String: String] = [:]
        labels.reserveCapacity(entries.count)
        for entry in entries {
            at(entry.key) { context in
                if context.mode == .strict, let problem = NameRules.labelKey(entry.key) {
                    context.fail(line: entry.line, column: entry.column, problem)
                }
                guard case .string(let value) = entry.value.value else {
                    context.failType(
                        entry.value, expected: "a string (a label value)",
                        hint: misplaced[entry.key] ?? Self.quotingHint(entry.value))
                    return
                }
                if let problem = NameRules.labelValue(value) { context.failIfStrict(entry.value, problem) }
                labels[entry.key] = value
            }
        }
        return labels
    }

    /// An error for each key of `node` that is not in `known`.
    mutating func refuseUnknownFields(
        of node: DocumentNode, known: [String],
        explain: (DocumentNode.Entry) -> (reason: String, hint: String?)? = { _ in nil }
    ) {
        guard case .mapping(let entries) = node.value else { return }
        for entry in entries where !known.contains(entry.key) {
            guard errors.count < Self.errorLimit else {
                // Only counted: the search for what was meant costs more than reading.
                fail(line: entry.line, column: entry.column, "unknown field")
                continue
            }
            let explained = explain(entry)
            let nearest = NearestName.find(entry.key, among: known).map { "did you mean \($0)?" }
            at(entry.key) {
                $0.fail(
                    line: entry.line, column: entry.column, explained?.reason ?? "unknown field",
                    hint: explained.map(\.hint) ?? nearest)
            }
        }
    }
}
