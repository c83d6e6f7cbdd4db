// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import ControlProtocol

struct DeleteCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "delete",
        abstract: "Takes back objects that were applied.",
        discussion: "All of the documents' objects are deleted, or none.")

    @OptionGroup var socket: SocketOptions
    @OptionGroup var output: OutputOptions
    @OptionGroup var documents: DocumentOptions

    func run() async throws {
        let answer = try await socket.client.ask(ObjectsAnswer.self, .delete, .objects, body: try documents.read())
        try output.print(answer, text: ApplyCommand.text)
    }
}
