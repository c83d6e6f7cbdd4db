// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import CommandOptions

extension BulkheadD {
    /// What the names of variables that give options begin with. Not `BULKHEAD_`: Kubernetes gives pods such variables
    /// about a Service named `bulkhead`.
    static let variablePrefix = "BULKHEADD_"

    /// The options that `environment` gives, and `arguments`.
    static func given(_ environment: [String: String], _ arguments: [String]) throws -> OptionVariables.Given {
        // Asking for help needs no valid environment.
        let asks: Set = ["-h", "--help", "-help", "--version", "--experimental-dump-help"]
        let isQuestion = arguments.contains { asks.contains($0) || $0.hasPrefix("--generate-completion-script") }
        guard !isQuestion, environment.keys.contains(where: { $0.hasPrefix(variablePrefix) }) else {
            return OptionVariables.Given(arguments: arguments)
        }
        let variables = try OptionVariables(
            prefix: variablePrefix, help: _dumpHelp(), argumentsOnly: ["once", "cleanup"])
        return try variables.given(environment, arguments)
    }
}
