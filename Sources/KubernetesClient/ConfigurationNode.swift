// SPDX-License-Identifier: Apache-2.0
import Documents

/// A value of a configuration with its path, for errors that say where.
struct ConfigurationNode {
    let node: DocumentNode
    let file: String
    let path: String

    func error(_ reason: String) -> AccessError {
        AccessError(source: file, line: node.line, field: path, reason: reason)
    }

    /// Nil where absent, null or an empty text: kubectl writes all three for nothing.
    subscript(_ field: String) -> ConfigurationNode? {
        guard let value = node[field], !value.isNull, value.string != "" else { return nil }
        return ConfigurationNode(node: value, file: file, path: path.isEmpty ? field : "\(path).\(field)")
    }

    func required(_ field: String) throws(AccessError) -> ConfigurationNode {
        guard let value = self[field] else {
            throw AccessError(
                source: file, line: node.line, field: path.isEmpty ? field : "\(path).\(field)", reason: "is missing")
        }
        return value
    }

    func string() throws(AccessError) -> String {
        guard let text = node.string else { throw error("must be a string, is \(node.kindInWords)") }
        return text
    }

    func string(_ field: String) throws(AccessError) -> String? { try self[field]?.string() }

    func bool() throws(AccessError) -> Bool {
        guard case .bool(let flag) = node.value else { throw error("must be true or false, is \(node.kindInWords)") }
        return flag
    }

    func items() throws(AccessError) -> [ConfigurationNode] {
        guard case .sequence(let items) = node.value else { throw error("must be a list, is \(node.kindInWords)") }
        return items.enumerated().map {
            ConfigurationNode(node: $0.element, file: file, path: "\(path)[\($0.offset)]")
        }
    }

    func items(_ field: String) throws(AccessError) -> [ConfigurationNode] { try self[field]?.items() ?? [] }
}
