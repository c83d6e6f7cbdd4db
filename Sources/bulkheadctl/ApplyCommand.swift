// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import ControlProtocol
import Manifests

/// `-f`, for the commands that send documents.
struct DocumentOptions: ParsableArguments {
    @Option(
        name: [.customShort("f"), .long],
        help: ArgumentHelp(
            """
            Manifest in YAML or JSON, or a directory of manifests (*.yaml, *.yml, *.json), searched recursively; - \
            reads standard input. May be repeated.
            """, valueName: "path"),
        completion: .file())
    var filename: [String] = []

    @Flag(
        name: [.customShort("R"), .long],
        help: ArgumentHelp("Accepted as kubectl has it: directories are searched anyway.", visibility: .hidden))
    var recursive = false

    /// All named inputs, one after the other.
    func read() throws -> SentDocuments {
        let inputs = ManifestInput.read(
            filename, isRecursive: true, limits: ManifestLimits(fileSize: ControlDefaults.bodyLimit))
        for input in inputs {
            if case .unreadable(let reason, _) = input.file { throw CommandFailure("\(input.name): \(reason)") }
        }
        return SentDocuments(inputs: inputs)
    }
}

/// The documents that are sent in one body, and their name in messages.
struct SentDocuments {
    var inputs: [ManifestInput]

    var name: String { inputs.count == 1 ? inputs[0].name : Words.count(inputs.count, "file") }

    var body: [UInt8] {
        let texts = inputs.compactMap { if case .content(let bytes) = $0.file { bytes } else { nil } }
        return Array(texts.joined(separator: Array("\n---\n".utf8)))
    }

    /// - Throws: the errors by file and line, which the daemon could only report by line of the body.
    func check() throws(CommandFailure) {
        let problems = ManifestCheck.run(inputs).problems.map(\.error)
        guard !problems.isEmpty else { return }
        let files = Set(problems.map(\.file)).sorted()
        let subject = files.count == 1 ? "\(files[0]) is" : "\(files.count) files are"
        throw CommandFailure(
            "\(subject) invalid; nothing was applied" + problems.map { "\n  \(Problem($0))" }.joined())
    }
}

struct ApplyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "apply",
        abstract: "Applies objects on this node, as if they were in the manifest directory.",
        discussion: """
            All documents of all files are applied, or none; their order does not matter. Objects that a manifest file \
            owns are refused. With --dry-run nothing changes: the daemon validates the objects and answers what would \
            be added, changed and refused, and which pods of this node each policy would select. Exits with 1 if \
            something would be refused.
            """)

    @OptionGroup var socket: SocketOptions
    @OptionGroup var output: OutputOptions
    @OptionGroup var documents: DocumentOptions

    @Flag(help: "Say what would happen, and change nothing.")
    var dryRun = false

    func validate() throws {
        if documents.filename.isEmpty { throw ValidationError("-f is missing: name the manifest to apply, as -f FILE") }
    }

    func run() async throws {
        let sent = try documents.read()
        try sent.check()
        if dryRun { return try await rehearse(sent) }
        let answer = try await socket.client.ask(
            ObjectsAnswer.self, .put, .objects, body: sent.body,
            invalid: "\(sent.name) is invalid; nothing was applied")
        try output.print(answer, text: Self.text)
    }

    private func rehearse(_ sent: SentDocuments) async throws {
        let answer = try await socket.client.ask(
            DryRunAnswer.self, .put, .objects, query: [("dryRun", "1")], body: sent.body,
            invalid: "\(sent.name) is invalid; it would not be applied")
        try output.print(answer) { DryRunText.text($0, isWide: output.isWide) }
        if !answer.refused.isEmpty { throw ExitStatus.failure.error }
    }

    static func text(_ answer: ObjectsAnswer) -> String {
        answer.applied.map { "\($0) applied\n" }.joined() + answer.unchanged.map { "\($0) unchanged\n" }.joined()
            + answer.deleted.map { "\($0) deleted\n" }.joined()
            + Notices.text(notices: answer.notices, warnings: answer.warnings)
    }
}
