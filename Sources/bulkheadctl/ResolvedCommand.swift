// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import ControlProtocol

struct ResolvedCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "resolved",
        abstract: "Shows, replaces or deletes the resolved policy: rules by address, from another policy engine.",
        subcommands: [Get.self, Put.self, Delete.self])

    struct Get: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "get", abstract: "Prints the resolved policy as JSON, as 'put' reads it.")

        @OptionGroup var socket: SocketOptions

        func run() async throws {
            let body = try await socket.client.ask(ResolvedBody.self, .get, .resolved)
            Terminal.writeJSON(try JSON.pretty(body) + [UInt8(ascii: "\n")])
        }
    }

    struct Put: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "put", abstract: "Replaces the resolved policy as a whole.")

        @Argument(
            help: ArgumentHelp("The policy in JSON; - reads standard input.", valueName: "file"), completion: .file())
        var file: String

        @OptionGroup var socket: SocketOptions
        @OptionGroup var output: OutputOptions

        func run() async throws {
            let body = try InputFile.read(file, limit: ControlDefaults.bodyLimit)
            let name = file == "-" ? "standard input" : file
            let answer = try await socket.client.ask(
                ResolvedAnswer.self, .put, .resolved, body: body,
                invalid: "\(name) is invalid; nothing was changed")
            try output.print(answer) { "\(Words.count($0.endpoints, "endpoint")) with resolved policy\n" }
        }
    }

    struct Delete: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "delete", abstract: "Deletes all resolved policy.")

        @OptionGroup var socket: SocketOptions
        @OptionGroup var output: OutputOptions

        func run() async throws {
            let answer = try await socket.client.ask(ResolvedAnswer.self, .delete, .resolved)
            try output.print(answer) { _ in "resolved policy deleted\n" }
        }
    }
}
