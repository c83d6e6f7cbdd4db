// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import ControlProtocol

struct VersionCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "version",
        abstract: "Shows the versions of this program, of the daemon, and of what the daemon runs on.",
        discussion: "Exits with 1 if the daemon does not answer; this program's own version is printed anyway.")

    @Flag(help: "Show only this program's version; the daemon is not called.")
    var client = false

    @OptionGroup var socket: SocketOptions
    @OptionGroup var output: OutputOptions

    /// What `-o json` prints.
    struct Report: Codable {
        struct Client: Codable {
            var version = BuildVersion.text
            var commit = BuildVersion.commit
            var architecture = BuildVersion.architecture
        }
        var client = Client()
        /// Nil if it was not called or does not answer.
        var daemon: VersionAnswer?
    }

    func run() async throws {
        var report = Report()
        guard !client else { return try output.print(report, text: Self.text) }
        do {
            report.daemon = try await socket.client.ask(VersionAnswer.self, .get, .version)
        } catch {
            try output.print(report, text: Self.text)
            throw error
        }
        try output.print(report, text: Self.text)
    }

    static func text(_ report: Report) -> String {
        let client = report.client
        var table = Table("CLIENT", "\(client.version), commit \(client.commit), \(client.architecture)")
        if let daemon = report.daemon {
            let isSame = daemon.version == client.version && daemon.commit == client.commit
            table.add(
                "daemon",
                .init(
                    "\(daemon.version), commit \(daemon.commit), \(daemon.architecture)"
                        + (isSame ? "" : " (another build than this program's)"), isSame ? nil : .yellow))
            table.add("node", "\(daemon.node)")
            table.add("kernel", "Linux \(daemon.kernel)")
            let because = daemon.datapathReason.hasPrefix("--") ? "because of" : "because"
            table.add("datapath", "\(daemon.datapath), \(because) \(daemon.datapathReason)")
        }
        return table.text
    }
}
