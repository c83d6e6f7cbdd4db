// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import ControlProtocol
import NetworkTypes
import PolicyPipeline

struct VerdictCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verdict",
        abstract: "Says whether FROM may reach TO, and which rule decides.",
        usage: """
            bulkheadctl verdict FROM TO PORT/PROTOCOL
            bulkheadctl verdict --manifests DIR FROM TO PORT/PROTOCOL
            bulkheadctl verdict --manifests DIR --queries FILE
            """,
        discussion: """
            FROM and TO are namespace/pod or an address. PORT/PROTOCOL is 80/tcp, 53/udp, 80 (tcp), icmp, or /47 for \
            protocol number 47.

            Asks the daemon, which knows its own node's pods; with --manifests no daemon is needed, and both sides \
            are decided, each as its pod's node decides it. A refused document ends that with exit code 1, since a \
            policy that was meant to be there would be missing.

            With --queries, each line of FILE is {"from":"shop/web","to":"shop/redis","protocol":"TCP","port":6379}, \
            and the answer to each is one line of JSON in the same order; a line that cannot be answered gives \
            {"error":"..."}, and the exit code is 1 at the end.

            A verdict of deny is no error: the exit code is 0, unless --exit-code makes it 3.
            """)

    @Argument(help: ArgumentHelp("Who asks: namespace/pod or an address.", valueName: "from"))
    var from: String?
    @Argument(help: ArgumentHelp("Who is asked: namespace/pod or an address.", valueName: "to"))
    var to: String?
    @Argument(help: ArgumentHelp("As 80/tcp, 53/udp or icmp.", valueName: "port/protocol"))
    var port: String?

    @Option(
        help: ArgumentHelp("Decide from these manifests, without a daemon. May be repeated.", valueName: "dir"),
        completion: .directory)
    var manifests: [String] = []

    @Option(
        help: ArgumentHelp("Answer each line of this file; - reads standard input.", valueName: "file"),
        completion: .file())
    var queries: String?

    @Flag(help: "Go on although documents are refused.")
    var ignoreProblems = false

    @Flag(help: "Exit with 3 if the verdict (of any line) is deny.")
    var exitCode = false

    @OptionGroup var socket: SocketOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        if queries != nil {
            if manifests.isEmpty { throw ValidationError("--queries needs --manifests") }
            if from != nil { throw ValidationError("--queries and FROM exclude each other") }
        } else {
            _ = try question()
        }
    }

    func run() async throws {
        if let queries {
            var bulk = BulkVerdict(cluster: try cluster())
            try bulk.run(queries)
            if bulk.errors > 0 {
                Terminal.complain("\(bulk.errors) lines could not be answered")
                throw ExitStatus.failure.error
            }
            if exitCode, bulk.denials > 0 { throw ExitStatus.denied.error }
            return
        }
        let question = try question()
        let answer = manifests.isEmpty ? try await ask(question) : try decide(question)
        try output.print(answer, text: Self.text)
        if exitCode, answer.verdict == "deny" { throw ExitStatus.denied.error }
    }

    private func question() throws -> VerdictQuery {
        guard let from, let to, let port else { throw ValidationError("FROM, TO and PORT/PROTOCOL are needed") }
        do {
            return try VerdictQuery(from: from, to: to, port: port)
        } catch {
            throw ValidationError("\(error)")
        }
    }

    private func decide(_ question: VerdictQuery) throws -> VerdictAnswer {
        var cluster = try cluster()
        return VerdictAnswer(
            try cluster.answer(
                from: question.from, to: question.to, ipProtocol: question.ipProtocol, port: question.port))
    }

    private func ask(_ question: VerdictQuery) async throws -> VerdictAnswer {
        var query = [
            ("from", "\(question.from)"), ("to", "\(question.to)"),
            ("protocol", "\(question.ipProtocol.rawValue)"),
        ]
        if let port = question.port { query.append(("port", "\(port)")) }
        return try await socket.client.ask(VerdictAnswer.self, .get, .verdict, query: query)
    }

    private func cluster() throws -> ClusterVerdict {
        try OfflineCluster.read(manifests, ignoringProblems: ignoreProblems)
    }

    static func text(_ answer: VerdictAnswer) -> String {
        let colour: Terminal.Colour = answer.verdict == "allow" ? .green : .red
        var text = "\(Terminal.paint(answer.verdict, colour))  \(answer.flow)\n"
        var table = Table("  side", "verdict", "pod", "reason")
        for (side, direction) in [("  egress", answer.egress), ("  ingress", answer.ingress)] {
            guard let direction else {
                table.add(.init(side), "-", "-", "not decided on this node")
                continue
            }
            table.add(
                .init(side), .init(direction.verdict, direction.verdict == "allow" ? .green : .red),
                .init(direction.endpoint ?? "-"), .init(direction.reason))
        }
        text += table.text
        return text + (answer.note.map { "note: \($0)\n" } ?? "")
    }
}
