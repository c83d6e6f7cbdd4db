// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import ControlProtocol

/// `-f`, for the commands that send documents.
struct DocumentOptions: ParsableArguments {
    @Option(
        name: [.customShort("f"), .long],
        help: ArgumentHelp(
            "Manifest in YAML or JSON, of one or many documents; - reads standard input.", valueName: "path"),
        completion: .file())
    var filename: String

    func read() throws -> [UInt8] { try InputFile.read(filename, limit: ControlDefaults.bodyLimit) }
}

struct ApplyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "apply",
        abstract: "Puts objects in force on this node, as if they were in the manifest directory.",
        discussion: "All documents are applied, or none. Objects that a manifest file owns are refused.")

    @OptionGroup var socket: SocketOptions
    @OptionGroup var output: OutputOptions
    @OptionGroup var documents: DocumentOptions

    func run() async throws {
        let answer = try await socket.client.ask(ObjectsAnswer.self, .put, .objects, body: try documents.read())
        try output.print(answer, text: Self.text)
    }

    static func text(_ answer: ObjectsAnswer) -> String {
        answer.applied.map { "\($0) applied\n" }.joined() + answer.unchanged.map { "\($0) unchanged\n" }.joined()
            + answer.deleted.map { "\($0) deleted\n" }.joined()
    }
}
