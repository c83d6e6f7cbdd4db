// SPDX-License-Identifier: Apache-2.0
import Foundation
import Yams

/// A chart rendered as Helm does it, as far as ours needs it.
struct HelmChart {
    typealias Failure = HelmTemplate.Failure

    private let folder: URL
    private let namespace: String
    private var templates: [(name: String, template: HelmTemplate)] = []
    private var definitions: [String: [HelmTemplate.Part]] = [:]
    private let root: HelmValue

    /// - Parameters:
    ///   - values: YAML that overrides values.yaml.
    init(_ folder: URL, values: String = "{}", namespace: String = "kube-system") throws {
        self.folder = folder
        self.namespace = namespace
        let chart = try HelmValue(yaml: Self.text(folder, "Chart.yaml"))
        guard case .map(let facts) = chart else { throw Failure(description: "Chart.yaml is no mapping") }
        let given = try HelmValue(yaml: values)
        let release: [String: HelmValue] = [
            "Namespace": .string(namespace), "Name": .string("bulkhead"), "Service": .string("Helm"),
        ]
        root = .map([
            "Values": try HelmValue(yaml: Self.text(folder, "values.yaml")).overridden(by: given),
            "Release": .map(release),
            "Chart": .map(
                Dictionary(
                    uniqueKeysWithValues: facts.map { ($0.key.prefix(1).uppercased() + $0.key.dropFirst(), $0.value) })),
        ])
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.appending(path: "templates").path)
        for name in names.sorted() {
            let template = try HelmTemplate(Self.text(folder, "templates/\(name)"))
            definitions.merge(template.definitions) { $1 }
            templates.append((name, template))
        }
    }

    private static func text(_ folder: URL, _ name: String) throws -> String {
        try String(contentsOf: folder.appending(path: name), encoding: .utf8)
    }

    /// The text of a template.
    func text(_ name: String) throws -> String {
        guard let found = templates.first(where: { $0.name == name }) else { throw Failure(description: "no \(name)") }
        return try render(found.template.parts, root, ["$": root])
    }

    /// All objects.
    func documents() throws -> [Kustomization.Document] {
        try templates.filter { $0.name.hasSuffix(".yaml") }.flatMap { name, _ in
            try Array(Yams.compose_all(yaml: text(name))).filter { $0.mapping != nil }
                .map { Kustomization.Document(file: name, node: $0) }
        }
    }

    private func render(
        _ parts: [HelmTemplate.Part], _ dot: HelmValue, _ variables: [String: HelmValue]
    ) throws -> String {
        var output = ""
        for part in parts {
            switch part {
            case .text(let text): output += text
            case .output(let expression): output += try value(expression, dot, variables).text
            case .choice(let cases):
                let found = try cases.first { try $0.0.map { try !value($0, dot, variables).isEmpty } ?? true }
                if let found { output += try render(found.1, dot, variables) }
            case .with(let expression, let inner):
                let value = try value(expression, dot, variables)
                if !value.isEmpty { output += try render(inner, value, variables) }
            case .range(let key, let name, let expression, let inner):
                guard case .map(let fields) = try value(expression, dot, variables) else {
                    throw Failure(description: "range over no mapping")
                }
                for (field, value) in fields.sorted(by: { $0.key < $1.key }) {
                    let more = ["$\(key)": HelmValue.string(field), "$\(name)": value]
                    output += try render(inner, dot, variables.merging(more) { $1 })
                }
            }
        }
        return output
    }

    private func value(
        _ expression: HelmTemplate.Expression, _ dot: HelmValue, _ variables: [String: HelmValue]
    ) throws -> HelmValue {
        switch expression {
        case .value(let value): return value
        case .path(let variable, let fields):
            guard var found = variable.isEmpty ? dot : variables[variable] else {
                throw Failure(description: "no variable \(variable)")
            }
            for field in fields {
                guard case .map(let inner) = found else { throw Failure(description: "nothing has the field \(field)") }
                found = inner[field] ?? .null
            }
            return found
        case .call("include", let operands) where operands.count == 2:
            guard case .value(.string(let name)) = operands[0], let inner = definitions[name] else {
                throw Failure(description: "include of what is not defined")
            }
            let dot = try value(operands[1], dot, variables)
            return .string(try render(inner, dot, ["$": dot]))
        case .call("Files.Get", let operands) where operands.count == 1:
            return .string(try Self.text(folder, try value(operands[0], dot, variables).text))
        case .call(let function, let operands):
            let operands = try operands.map { try value($0, dot, variables) }
            guard let result = try HelmFunctions.call(function, operands) else {
                throw Failure(description: "\(function) with \(operands.count) operands is not known here")
            }
            return result
        }
    }
}

/// The functions that the chart uses.
enum HelmFunctions {
    static func call(_ function: String, _ operands: [HelmValue]) throws -> HelmValue? {
        switch (function, operands.count) {
        case ("not", 1): return .bool(operands[0].isEmpty)
        case ("and", 2...): return operands.first(where: \.isEmpty) ?? operands[operands.count - 1]
        case ("or", 2...): return operands.first { !$0.isEmpty } ?? operands[operands.count - 1]
        case ("eq", 2): return .bool(operands[0] == operands[1])
        case ("ne", 2): return .bool(operands[0] != operands[1])
        case ("default", 2): return operands[1].isEmpty ? operands[0] : operands[1]
        case ("get", 2):
            guard case .map(let fields) = operands[0] else { return nil }
            return fields[operands[1].text] ?? .null
        case ("fromYaml", 1): return try HelmValue(yaml: operands[0].text)
        case ("kindIs", 2): return .bool(kind(operands[1]) == operands[0].text)
        case ("join", 2):
            guard case .list(let items) = operands[1] else { return nil }
            return .string(items.map(\.text).joined(separator: operands[0].text))
        default: return text(function, operands.map(\.text), operands).map { .string($0) }
        }
    }

    private static func text(_ function: String, _ texts: [String], _ operands: [HelmValue]) -> String? {
        switch (function, texts.count) {
        case ("quote", 1): return HelmValue.string(texts[0]).json
        case ("upper", 1): return texts[0].uppercased()
        case ("print", _): return texts.joined()
        case ("replace", 3): return texts[2].replacing(texts[0], with: texts[1])
        case ("toJson", 1): return operands[0].json
        // In flow style, which says the same.
        case ("toYaml", 1): return yaml(operands[0])
        case ("nindent", 2):
            let space = String(repeating: " ", count: Int(texts[0]) ?? 0)
            return "\n"
                + texts[1].split(separator: "\n", omittingEmptySubsequences: false).map { space + $0 }
                .joined(separator: "\n")
        case ("printf", 2...):
            return texts.dropFirst().reduce(texts[0]) { text, value in
                text.firstRange(of: "%s").map { text.replacingCharacters(in: $0, with: value) } ?? text
            }
        // Only whether it changes matters.
        case ("sha256sum", 1):
            return String(
                texts[0].utf8.reduce(UInt64(14_695_981_039_346_656_037)) {
                    ($0 ^ UInt64($1)) &* 1_099_511_628_211
                }, radix: 16)
        default: return nil
        }
    }

    /// The fields of a mapping are lines of their own: others may follow.
    private static func yaml(_ value: HelmValue) -> String {
        guard case .map(let fields) = value, !fields.isEmpty else { return value.json }
        return fields.sorted { $0.key < $1.key }.map { "\(HelmValue.string($0.key).json): \($0.value.json)" }
            .joined(separator: "\n")
    }

    private static func kind(_ value: HelmValue) -> String {
        switch value {
        case .null: "invalid"
        case .bool: "bool"
        case .integer, .float: "float64"
        case .string: "string"
        case .list: "slice"
        case .map: "map"
        }
    }
}
