// SPDX-License-Identifier: Apache-2.0
import Foundation

/// A template of Helm's language, read as far as the chart uses it. What it does not know is an error.
struct HelmTemplate {
    struct Failure: Error, CustomStringConvertible {
        var description: String
    }

    indirect enum Expression {
        case value(HelmValue)
        /// `.Values.image`, `$.Values`, `$name`: the variable that it begins at, empty for the dot.
        case path(variable: String, fields: [String])
        case call(String, [Expression])
    }

    indirect enum Part {
        case text(String)
        case output(Expression)
        /// Of several conditions the first that holds; nil: else.
        case choice([(Expression?, [Part])])
        case with(Expression, [Part])
        case range(key: String, value: String, Expression, [Part])
    }

    private enum Token {
        case text(String)
        case action(String)
    }

    private(set) var parts: [Part] = []
    private(set) var definitions: [String: [Part]] = [:]

    init(_ text: String) throws {
        var tokens = try Self.tokens(text)[...]
        parts = try Self.parts(&tokens, &definitions).parts
        guard tokens.isEmpty else { throw Failure(description: "an end without a beginning") }
    }

    /// Text and actions, with the white space between them that hyphens leave.
    private static func tokens(_ text: String) throws -> [Token] {
        var tokens: [Token] = []
        var rest = text[...]
        var trims = false
        func trimmed(_ text: Substring, atEnd: Bool) -> String {
            var text = text
            if trims { text = text.drop(while: \.isWhitespace) }
            while atEnd, text.last?.isWhitespace == true { text.removeLast() }
            return String(text)
        }
        while let start = rest.range(of: "{{") {
            guard let end = rest[start.upperBound...].range(of: "}}") else {
                throw Failure(description: "an action that does not end")
            }
            var action = rest[start.upperBound..<end.lowerBound]
            let trimsBefore = action.hasPrefix("- ")
            tokens.append(.text(trimmed(rest[..<start.lowerBound], atEnd: trimsBefore)))
            trims = action.hasSuffix(" -")
            action = action.dropFirst(trimsBefore ? 2 : 0).dropLast(trims ? 2 : 0)
            tokens.append(.action(action.trimmingCharacters(in: .whitespaces)))
            rest = rest[end.upperBound...]
        }
        return tokens + [.text(trimmed(rest, atEnd: false))]
    }

    /// - Returns: the parts up to an `else` or `end`, and that action.
    private static func parts(
        _ tokens: inout ArraySlice<Token>, _ definitions: inout [String: [Part]]
    ) throws -> (parts: [Part], end: String?) {
        var parts: [Part] = []
        while let token = tokens.popFirst() {
            guard case .action(let action) = token else {
                if case .text(let text) = token, !text.isEmpty { parts.append(.text(text)) }
                continue
            }
            let words = action.split(separator: " ", maxSplits: 1).map(String.init)
            let rest = words.count > 1 ? words[1] : ""
            switch words[0] {
            case "end", "else": return (parts, action)
            case "/*": break
            case "define":
                let inner = try Self.parts(&tokens, &definitions)
                definitions[rest.trimmingCharacters(in: ["\""])] = inner.parts
            case "if": parts.append(.choice(try choice(rest, &tokens, &definitions)))
            case "with":
                let value = try HelmExpressions.read(rest)
                parts.append(.with(value, try Self.parts(&tokens, &definitions).parts))
            case "range":
                let sides = rest.components(separatedBy: " := ")
                let names = sides[0].split { ", $".contains($0) }.map(String.init)
                guard sides.count == 2, names.count == 2 else { throw Failure(description: "range \(rest)") }
                let value = try HelmExpressions.read(sides[1])
                let inner = try Self.parts(&tokens, &definitions).parts
                parts.append(.range(key: names[0], value: names[1], value, inner))
            default: parts.append(.output(try HelmExpressions.read(action)))
            }
        }
        return (parts, nil)
    }

    private static func choice(
        _ condition: String, _ tokens: inout ArraySlice<Token>, _ definitions: inout [String: [Part]]
    ) throws -> [(Expression?, [Part])] {
        var cases: [(Expression?, [Part])] = []
        var condition: Expression? = try HelmExpressions.read(condition)
        while true {
            let (inner, end) = try parts(&tokens, &definitions)
            cases.append((condition, inner))
            guard let end else { throw Failure(description: "an if without an end") }
            if end == "end" { return cases }
            let more = end.dropFirst("else".count).trimmingCharacters(in: .whitespaces)
            condition = more.isEmpty ? nil : try HelmExpressions.read(String(more.dropFirst("if ".count)))
        }
    }
}

/// The expressions of templates: pipelines of calls.
enum HelmExpressions {
    typealias Expression = HelmTemplate.Expression

    static func read(_ text: String) throws -> Expression {
        var words = try words(text)[...]
        let found = try pipeline(&words)
        guard words.isEmpty else { throw HelmTemplate.Failure(description: "'\(text)' goes on") }
        return found
    }

    private static func words(_ text: String) throws -> [String] {
        let pattern = /"(?:[^"\\]|\\.)*"|[()|]|[^\s()|"]+/
        return text.matches(of: pattern).map { String($0.output) }
    }

    private static func pipeline(_ words: inout ArraySlice<String>) throws -> Expression {
        var found = try call(&words, piped: nil)
        while words.first == "|" {
            words.removeFirst()
            found = try call(&words, piped: found)
        }
        return found
    }

    private static func call(_ words: inout ArraySlice<String>, piped: Expression?) throws -> Expression {
        var operands: [Expression] = []
        var function: String?
        while let word = words.first, word != "|", word != ")" {
            words.removeFirst()
            if word == "(" {
                let inner = try pipeline(&words)
                guard words.popFirst() == ")" else { throw HelmTemplate.Failure(description: "no ) in time") }
                operands.append(inner)
            } else if operands.isEmpty, function == nil, let first = word.first, first.isLetter, word != "true",
                word != "false"
            {
                function = word
            } else {
                operands.append(try operand(word))
            }
        }
        if let piped { operands.append(piped) }
        guard let function else {
            guard let first = operands.first else { throw HelmTemplate.Failure(description: "an empty expression") }
            // A method, such as .Files.Get, with its arguments.
            guard operands.count > 1, case .path(_, let fields) = first, fields == ["Files", "Get"] else {
                if operands.count == 1 { return first }
                throw HelmTemplate.Failure(description: "arguments of what is no function")
            }
            return .call("Files.Get", Array(operands.dropFirst()))
        }
        return .call(function, operands)
    }

    private static func operand(_ word: String) throws -> Expression {
        if word.hasPrefix("\"") {
            return .value(.string(String(word.dropFirst().dropLast()).replacing("\\\"", with: "\"")))
        }
        if let number = Int(word) { return .value(.integer(number)) }
        if word == "true" || word == "false" { return .value(.bool(word == "true")) }
        guard let first = word.first, first == "." || first == "$" else {
            throw HelmTemplate.Failure(description: "'\(word)' is not understood")
        }
        var fields = word.split(separator: ".").map(String.init)
        let variable = first == "$" ? fields.removeFirst() : ""
        return .path(variable: variable, fields: fields)
    }
}
