// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import ControlProtocol
import Glibc
import KubernetesObjects

/// The command line of Bulkhead.
@main
struct BulkheadCtl: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bulkheadctl",
        abstract: "Inspects and controls this node's bulkheadd; evaluates policy offline.",
        discussion: """
            Exit codes: 0 success; 1 the command failed, a document is refused, or 'status' is not healthy; 2 the \
            command line is wrong; 'verdict --exit-code' and 'explain --exit-code': 3 deny, 4 undecided, 5 depends on \
            the request; 6 the kernel and the daemon disagree about a flow.
            """,
        version: BuildVersion.text,
        subcommands: [
            StatusCommand.self, EndpointsCommand.self, PoliciesCommand.self, CountersCommand.self,
            VerdictCommand.self, ExplainCommand.self, EventsCommand.self, ApplyCommand.self, DeleteCommand.self,
            DumpCommand.self,
            UninstallCommand.self, CheckCommand.self, CompletionsCommand.self,
        ])

    static func main() async {
        // If the reader leaves (`| head`), the next write fails; no signal ends this process.
        signal(SIGPIPE, SIG_IGN)
        do {
            try refuseUnknownCommand(CommandLine.arguments.dropFirst())
            var command = try parseAsRoot()
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
        } catch {
            leave(because: error)
        }
    }

    /// Suggests the command that was probably meant: the parser does this for options, not for commands.
    private static func refuseUnknownCommand(_ arguments: ArraySlice<String>) throws {
        let names = configuration.subcommands.compactMap { $0.configuration.commandName } + ["help"]
        guard let word = arguments.first, !word.hasPrefix("-"), !names.contains(word) else { return }
        let meant = NearestName.find(word, among: names).map { "; did you mean '\($0)'?" }
        throw ValidationError("unknown command '\(word)'\(meant ?? "")")
    }

    private static func leave(because error: any Error) -> Never {
        let code = exitCode(for: error)
        switch code {
        case .validationFailure:
            let message = fullMessage(for: error)
            let isTitled = message.hasPrefix("Error: ")
            Terminal.complain(isTitled ? "error: " + message.dropFirst("Error: ".count) : message)
            Glibc.exit(ExitStatus.usage.rawValue)
        case .success:
            Terminal.write(fullMessage(for: error) + "\n")
            Glibc.exit(0)
        default:
            if !(error is ExitCode) { Terminal.complain("error: \(error)") }
            Glibc.exit(code == .failure ? ExitStatus.failure.rawValue : code.rawValue)
        }
    }
}

/// The exit codes of the process.
enum ExitStatus: Int32 {
    case done = 0
    case failure = 1
    case usage = 2
    case denied = 3
    case undecided = 4
    case dependsOnRequest = 5
    /// Of the kernel and the daemon.
    case disagreement = 6

    var error: ExitCode { ExitCode(rawValue) }
}
