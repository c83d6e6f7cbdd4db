// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import CommandOptions
import ControlProtocol
import Glibc

/// The command line of Bulkhead.
@main
struct BulkheadCtl: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bulkheadctl",
        abstract: "Inspects and controls this node's bulkheadd; evaluates policy offline.",
        discussion: """
            --socket, --timeout and --color may precede any command, or follow it. The environment variable \
            BULKHEAD_SOCKET names the socket where --socket does not.

            Exit codes: 0 success; 1 the command failed, a document is refused, or 'status' is not healthy; 2 the \
            command line is wrong; 'verdict --exit-code' and 'explain --exit-code': 3 deny, 4 undecided, 5 depends on \
            the request; 'prove' and 'equal': 3 a claim does not hold, or a verdict differs; 'lint': 3 a finding at or \
            above --fail-on; 'preview --exit-code' and '--fail-on': 3 there is such a change; 'test': 3 a test fails; \
            6 the kernel and the daemon disagree about a flow.
            """,
        version: BuildVersion.text,
        subcommands: [
            StatusCommand.self, EndpointsCommand.self, PoliciesCommand.self, CountersCommand.self,
            VerdictCommand.self, ExplainCommand.self, HistoryCommand.self, EventsCommand.self, FlowsCommand.self,
            DescribeCommand.self, UnusedCommand.self, TopCommand.self, ApplyCommand.self, DeleteCommand.self,
            ResolvedCommand.self, ResyncCommand.self, DumpCommand.self, DiagsCommand.self, VersionCommand.self,
            ReachCommand.self, ReportCommand.self, ProveCommand.self, EqualCommand.self, PreviewCommand.self,
            LintCommand.self, TestCommand.self, SuggestCommand.self, UninstallCommand.self, CheckCommand.self,
            CompletionsCommand.self,
        ])

    @OptionGroup var socket: SocketOptions
    @OptionGroup var colors: ColorOptions

    static func main() async {
        // If the reader leaves (`| head`), the next write fails; no signal ends this process.
        signal(SIGPIPE, SIG_IGN)
        do {
            try CommandWords(CommandLine.arguments.dropFirst()).refuseUnknown(under: Self.self)
            var command = try await asyncParseAsRoot()
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
        } catch {
            leave(because: error)
        }
    }

    private static func leave(because error: any Error) -> Never {
        let code = exitCode(for: error)
        switch code {
        case .validationFailure:
            Terminal.complain(CommandMessage.styled(fullMessage(for: error)))
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
