// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import ControlProtocol

struct DumpCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "dump",
        abstract: "Prints the compiled tables, and the programmed ones as read back from the kernel.")

    @OptionGroup var socket: SocketOptions

    func run() async throws { Terminal.write(try await socket.client.ask(.get, .dump)) }
}
