// SPDX-License-Identifier: Apache-2.0
import CommandOptions
import Foundation

/// The options of a program or of one of its commands, from its parser.
struct ProgramOptions {
    /// By long name.
    private(set) var takesValue: [String: Bool] = [:]
    /// By long name: the words that it may be; without those that may be anything.
    private(set) var words: [String: [String]] = [:]
    /// The daemon's options as variables.
    let variables: OptionVariables
    /// By long name; without those that have no default.
    private(set) var defaults: [String: String] = [:]

    struct Missing: Error { var command: String }

    init(_ program: String, _ command: String? = nil) throws {
        let text = try ProgramHelp.text(of: program)
        var found = try ProgramHelp(text: text).command
        if let command {
            guard let inner = found.subcommands?.first(where: { $0.commandName == command }) else {
                throw Missing(command: command)
            }
            found = inner
        }
        variables = try OptionVariables(prefix: "BULKHEADD_", help: text, argumentsOnly: ["once", "cleanup"])
        for argument in found.arguments ?? [] {
            for name in argument.names ?? [] where name.kind == "long" {
                takesValue["--\(name.name)"] = argument.kind == "option"
                defaults["--\(name.name)"] = argument.defaultValue
                words["--\(name.name)"] = argument.allValues
            }
        }
    }

    /// The arguments that the program would refuse.
    func unknown(among arguments: [String]) -> [String] {
        arguments.filter { argument in
            let parts = argument.split(separator: "=", maxSplits: 1).map(String.init)
            return takesValue[parts[0]] != (parts.count == 2)
        }
    }

    /// Why the daemon would refuse variables.
    func refused(among given: [String: String]) -> [String] {
        given.sorted { $0.key < $1.key }.compactMap { name, value in
            do {
                let arguments = try variables.given([name: value], []).arguments
                for argument in arguments {
                    let parts = argument.split(separator: "=", maxSplits: 1).map(String.init)
                    guard parts.count == 2, let words = words[parts[0]], !words.contains(parts[1]) else { continue }
                    return "\(name)=\(value)"
                }
                return nil
            } catch {
                return "\(error)"
            }
        }
    }
}
