// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import ControlProtocol

struct ResyncCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "resync",
        abstract: "Compares the kernel with the policy in force, repairs what differs, and shows what it was.",
        discussion: """
            Also restores hooks and tables that others have removed. Traffic is judged all the time. The daemon does \
            this by itself at its start and when it finds a change; 'status' counts what it has repaired.
            """)

    @OptionGroup var socket: SocketOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
        let answer = try await socket.client.ask(ResyncAnswer.self, .post, .resync)
        try output.print(answer, text: Self.text)
    }

    static func text(_ answer: ResyncAnswer) -> String {
        var text = answer.restored.map { Terminal.paint("restored: \($0)", .yellow) + "\n" }.joined()
        if answer.changes > 0 {
            let changes = Words.count(answer.changes, "change")
            text += Terminal.paint("repaired: \(changes) by others in the tables", .yellow) + "\n"
        }
        if answer.rebuilt { text += "the tables were rebuilt\n" }
        if answer.words > 0 { text += "\(Words.count(answer.words, "word")) written\n" }
        return text.isEmpty ? "nothing differed: the kernel holds the policy in force\n" : text
    }
}
