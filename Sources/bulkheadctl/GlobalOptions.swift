// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import ControlProtocol
import Glibc
import KubernetesObjects

/// `--socket` and `--timeout`, for each command that calls the daemon. The root command has them too, so that they may
/// also precede the command.
struct SocketOptions: ParsableArguments {
    /// The environment variable that names the socket where `--socket` does not.
    static let variable = "BULKHEAD_SOCKET"

    @Option(
        help: ArgumentHelp("The daemon's control socket; or set \(variable).", valueName: "path"),
        completion: .file())
    var socket: String = SocketOptions.usualPath

    @Option(
        help: ArgumentHelp(
            "How long to wait for an answer to begin (default: 15; 120 for calls that change something).",
            valueName: "seconds"))
    var timeout: Int?

    func validate() throws {
        if let timeout, !(1...86400).contains(timeout) {
            throw ValidationError("--timeout is from 1 to 86400 seconds")
        }
    }

    var client: ControlClient { ControlClient(socketPath: socket, timeout: timeout) }

    static var usualPath: String {
        let named = getenv(variable).map { String(cString: $0) } ?? ""
        return named.isEmpty ? ControlDefaults.socketPath : named
    }
}

/// When to write in colors.
enum ColorChoice: String, ExpressibleByArgument, CaseIterable, Sendable {
    case auto
    case always
    case never
}

/// The root command's options about output; each command takes them.
struct ColorOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "auto (on a terminal, unless NO_COLOR is set), always or never.", valueName: "when"))
    var color: ColorChoice = .auto

    // The parser calls this once, before the command runs and writes.
    func validate() { Terminal.settings.withLock { $0.color = color } }
}

/// The options of commands that print a table of pods, policies or rules.
struct ListOptions: ParsableArguments {
    @Option(
        name: .shortAndLong, help: "Only what belongs to this namespace.", completion: DaemonNames.namespaces)
    var namespace: String?

    @OptionGroup var titles: TitleOptions

    func includes(namespace other: String) -> Bool { namespace == nil || namespace == other }
}

/// `--no-headers`.
struct TitleOptions: ParsableArguments {
    @Flag(help: "Print tables without their titles.")
    var noHeaders = false

    // As in ColorOptions.
    func validate() { Terminal.settings.withLock { $0.hasTitles = !noHeaders } }
}

/// The command line before it is parsed.
struct CommandWords {
    /// The words after the options that precede the command.
    let command: ArraySlice<String>

    init(_ arguments: ArraySlice<String>) {
        var rest = arguments
        while let word = rest.first, word.hasPrefix("--") {
            let isOption = Self.options.contains { word == $0 || word.hasPrefix("\($0)=") }
            guard isOption else { break }
            rest = rest.dropFirst(word.contains("=") ? 1 : 2)
        }
        command = rest
    }

    private static let options = ["--socket", "--timeout", "--color"]

    /// Suggests the command that was probably meant: the parser does this for options, not for commands.
    func refuseUnknown(under root: any ParsableCommand.Type) throws {
        var parent = root
        var rest = command
        while !parent.configuration.subcommands.isEmpty, let word = rest.popFirst(), !word.hasPrefix("-") {
            let known = parent.configuration.subcommands
            if let next = known.first(where: { Self.names(of: $0).contains(word) }) {
                parent = next
                continue
            }
            if word == "help" || parent.configuration.defaultSubcommand != nil { return }
            let names = known.flatMap(Self.names) + ["help"]
            let meant = NearestName.find(word, among: names).map { "did you mean '\($0)'?" }
            throw ValidationError("unknown command '\(word)'; \(meant ?? "'bulkheadctl help' lists all commands")")
        }
    }

    private static func names(of command: any ParsableCommand.Type) -> [String] {
        [command._commandName] + command.configuration.aliases
    }
}
