// SPDX-License-Identifier: Apache-2.0
import Foundation
import Yams

/// A value that templates compute with.
indirect enum HelmValue: Equatable {
    case null
    case bool(Bool)
    case integer(Int)
    case float(Double)
    case string(String)
    case list([HelmValue])
    case map([String: HelmValue])

    init(yaml: String) throws {
        self.init(try Yams.compose(yaml: yaml))
    }

    private init(_ node: Node?) {
        switch node {
        case nil: self = .null
        case .mapping(let fields):
            self = .map(Dictionary(uniqueKeysWithValues: fields.map { ($0.key.string ?? "", HelmValue($0.value)) }))
        case .sequence(let items): self = .list(items.map { HelmValue($0) })
        case .some(let node):
            switch node.any {
            case let flag as Bool: self = .bool(flag)
            case let number as Int: self = .integer(number)
            case let number as Double: self = .float(number)
            case let text as String: self = .string(text)
            default: self = .null
            }
        }
    }

    /// What counts as false in a condition.
    var isEmpty: Bool {
        switch self {
        case .null: true
        case .bool(let flag): !flag
        case .integer(let number): number == 0
        case .float(let number): number == 0
        case .string(let text): text.isEmpty
        case .list(let items): items.isEmpty
        case .map(let fields): fields.isEmpty
        }
    }

    /// As an action without a function prints it.
    var text: String {
        switch self {
        case .null: ""
        case .bool(let flag): "\(flag)"
        case .integer(let number): "\(number)"
        case .float(let number): "\(number)"
        case .string(let text): text
        case .list, .map: json
        }
    }

    /// JSON, which is YAML too.
    var json: String {
        switch self {
        case .null: "null"
        case .bool, .integer, .float: text
        case .string(let text): Self.quoted(text)
        case .list(let items): "[\(items.map(\.json).joined(separator: ","))]"
        case .map(let fields):
            "{\(fields.sorted { $0.key < $1.key }.map { "\(Self.quoted($0.key)):\($0.value.json)" }.joined(separator: ","))}"
        }
    }

    private static func quoted(_ text: String) -> String {
        let data = try? JSONSerialization.data(
            withJSONObject: text, options: [.fragmentsAllowed, .withoutEscapingSlashes])
        return data.map { String(decoding: $0, as: UTF8.self) } ?? ""
    }

    /// With the values of `other`, which overrides fields that are in both.
    func overridden(by other: HelmValue) -> HelmValue {
        guard case .map(let fields) = self, case .map(let more) = other else { return other }
        return .map(fields.merging(more) { $0.overridden(by: $1) })
    }

    /// Values that `other` has and these have not: they would have no effect.
    func unknown(in other: HelmValue, at path: String = "") -> [String] {
        guard case .map(let fields) = self, case .map(let more) = other, !fields.isEmpty else { return [] }
        return more.flatMap { key, value in
            fields[key].map { $0.unknown(in: value, at: "\(path)\(key).") } ?? ["\(path)\(key)"]
        }
    }
}
