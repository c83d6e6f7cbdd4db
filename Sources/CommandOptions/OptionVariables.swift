// SPDX-License-Identifier: Apache-2.0
import Documents
import KubernetesObjects

/// A program's options as variables of its environment: `--log-format json` is `BULKHEADD_LOG_FORMAT=json`.
///
/// Deployments that others change (kustomize overlays, Helm values, a systemd environment file) give options by name
/// this way. A list of arguments can only be changed by place, and another option shifts the places.
public struct OptionVariables: Sendable {
    /// What options there are.
    private struct Option: Sendable {
        var isFlag: Bool
        var isRepeating: Bool
        /// `--no-…`, if the flag has this form too.
        var negation: String?
    }

    /// Why a variable cannot be used.
    public enum Problem: Error, Sendable, Hashable, CustomStringConvertible {
        case unknown(variable: String, suggestions: [String])
        /// The option makes the program do something else once: that must not be the deployment's.
        case onlyAnArgument(variable: String, option: String)
        case neitherTrueNorFalse(variable: String, value: String)

        public var description: String {
            switch self {
            case .unknown(let variable, let suggestions):
                "the variable \(variable) is not an option"
                    + (suggestions.isEmpty ? "" : "; did you mean \(suggestions.joined(separator: " or "))?")
            case .onlyAnArgument(let variable, let option):
                "the variable \(variable) is not allowed: give \(option) as an argument"
            case .neitherTrueNorFalse(let variable, let value):
                "the variable \(variable) is '\(value)'; it must be true or false"
            }
        }
    }

    /// What to parse, and where it is from.
    public struct Given: Sendable, Hashable {
        /// The variables' options, and then the arguments.
        public var arguments: [String]
        /// The variables that count, by the option that each gives. Arguments override the others.
        public var variables: [String: String] = [:]

        public init(arguments: [String]) { self.arguments = arguments }

        /// The parser's message, with the variable that it is about.
        public func explained(_ message: String) -> String {
            let words = message.split { !($0.isLetter || $0.isNumber || $0 == "-") }.map(String.init)
            guard let option = words.first(where: { variables[$0] != nil }), let variable = variables[option] else {
                return message
            }
            var lines = message.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
            lines[0] += " (\(option) is from the variable \(variable))"
            return lines.joined(separator: "\n")
        }
    }

    private let prefix: String
    private let argumentsOnly: Set<String>
    private var options: [String: Option] = [:]

    /// - Parameters:
    ///   - prefix: what the names of the variables begin with.
    ///   - help: what the parser says of its options (`--experimental-dump-help`).
    ///   - argumentsOnly: options that variables may not give, without the hyphens before them.
    public init(prefix: String, help: String, argumentsOnly: Set<String>) throws(JSONError) {
        self.prefix = prefix
        self.argumentsOnly = argumentsOnly.union(["help", "version"])
        let arguments = try JSONReader.read(Array(help.utf8))["command"]?["arguments"]?.items ?? []
        for argument in arguments {
            for name in argument["names"]?.items ?? [] where name["kind"]?.string == "long" {
                guard let text = name["name"]?.string else { continue }
                options[text] = Option(
                    isFlag: argument["kind"]?.string == "flag",
                    isRepeating: argument["isRepeating"]?.value == .bool(true))
            }
        }
        for name in options.keys where options["no-\(name)"] != nil {
            options[name]?.negation = "no-\(name)"
            options["no-\(name)"] = nil
        }
    }

    /// The variable of an option, by the option's name without hyphens before it.
    public func variable(_ option: String) -> String { prefix + option.uppercased().replacing("-", with: "_") }

    /// All variables that may be given, by option.
    public var variables: [String: String] {
        var found: [String: String] = [:]
        for name in options.keys where !argumentsOnly.contains(name) { found["--\(name)"] = variable(name) }
        return found
    }

    /// The options of `environment` before `arguments`. An argument overrides the variable of the same option, and an
    /// empty variable counts as none.
    public func given(_ environment: [String: String], _ arguments: [String]) throws(Problem) -> Given {
        var given = Given(arguments: [])
        let named = Set(arguments.map { $0.split(separator: "=", maxSplits: 1).first.map(String.init) ?? "" })
        for (variable, value) in environment.sorted(by: { $0.key < $1.key })
        where variable.hasPrefix(prefix) && !value.isEmpty {
            let name = variable.dropFirst(prefix.count).lowercased().replacing("_", with: "-")
            guard let option = options[name], self.variable(name) == variable else { throw unknown(variable) }
            guard !argumentsOnly.contains(name) else {
                throw .onlyAnArgument(variable: variable, option: "--\(name)")
            }
            let words = try words(of: option, "--\(name)", variable, value)
            if named.contains("--\(name)") || option.negation.map({ named.contains("--\($0)") }) == true { continue }
            given.arguments += words
            given.variables["--\(name)"] = variable
        }
        given.arguments += arguments
        return given
    }

    private func words(
        of option: Option, _ name: String, _ variable: String, _ value: String
    ) throws(Problem) -> [String] {
        guard option.isFlag else {
            let values = option.isRepeating ? value.split { $0 == "," || $0.isWhitespace }.map(String.init) : [value]
            return values.map { "\(name)=\($0)" }
        }
        switch value {
        case "true": return [name]
        case "false": return option.negation.map { ["--\($0)"] } ?? []
        default: throw .neitherTrueNorFalse(variable: variable, value: value)
        }
    }

    private func unknown(_ variable: String) -> Problem {
        // Without the prefix: what all have in common makes none of them nearer.
        let known = variables.values.map { String($0.dropFirst(prefix.count)) }
        let meant = NearestName.all(like: String(variable.dropFirst(prefix.count)), among: known)
        return .unknown(variable: variable, suggestions: meant.map { prefix + $0 })
    }
}

extension DocumentNode {
    fileprivate var items: [DocumentNode]? {
        guard case .sequence(let items) = value else { return nil }
        return items
    }
}
