// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import ControlProtocol
import Glibc

/// The command line of Bulkhead.
@main
struct BulkheadCtl: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bulkheadctl",
        abstract: "Asks and drives the bulkheadd of this node, and judges policy offline.",
        discussion: """
            Exit codes: 0 done; 1 it could not be done, or a document is refused; 2 the command line is wrong; \
            3 'verdict --exit-code' found a deny.
            """,
        version: BuildVersion.text,
        subcommands: [
            StatusCommand.self, EndpointsCommand.self, PoliciesCommand.self, CountersCommand.self,
            VerdictCommand.self, EventsCommand.self, ApplyCommand.self, DeleteCommand.self, DumpCommand.self,
            UninstallCommand.self, CheckCommand.self, CompletionsCommand.self,
        ])

    static func main() async {
        // A reader that leaves (`| head`) is told by the next write, not by a signal.
        signal(SIGPIPE, SIG_IGN)
        do {
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

    private static func leave(because error: any Error) -> Never {
        let code = exitCode(for: error)
        switch code {
        case .validationFailure:
            Terminal.complain(fullMessage(for: error))
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

/// The codes that the process ends with.
enum ExitStatus: Int32 {
    case done = 0
    case failure = 1
    case usage = 2
    case denied = 3

    var error: ExitCode { ExitCode(rawValue) }
}
