// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import ClusterInventory
import CommandOptions
import ControlProtocol
import KubernetesObjects
import NetworkTypes
import PolicyResolver

struct PreviewCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "preview",
        abstract: "Shows what a change would do, before it is made.",
        usage: """
            bulkheadctl preview -f NEW.yaml
            bulkheadctl preview -f NEW.yaml --manifests DIR
            bulkheadctl preview -f NEW.yaml --kubeconfig FILE
            bulkheadctl preview --delete KIND/NAME
            bulkheadctl preview OLD NEW
            """,
        discussion: """
            With --manifests, --kubeconfig or OLD and NEW, two clusters are compared: which workloads can reach each \
            other on more or fewer ports, and by which rule. Every address, port and protocol is compared. Without them, \
            this node's bulkheadd is asked: for its pods, also the live connections that would be cut, and the flows on \
            record that were denied and would be allowed. Nothing is changed.

            A flow is opened if more of it is allowed than before, cut if less is, and changed if its HTTP requests are \
            judged by other rules. Pods are the same if their names are; flows with pods that are only in one of the two \
            clusters are not compared.
            """)

    @Argument(help: ArgumentHelp("Manifests before the change.", valueName: "old"), completion: .file())
    var old: String?

    @Argument(help: ArgumentHelp("Manifests after the change.", valueName: "new"), completion: .file())
    var new: String?

    @Option(
        name: [.customShort("f"), .long],
        help: ArgumentHelp(
            "What would be applied: a file or a directory; - reads standard input. May be repeated.",
            valueName: "path"),
        completion: .file())
    var filename: [String] = []

    @Option(
        help: ArgumentHelp(
            "What would be deleted, as KIND/NAME or KIND/NAMESPACE/NAME. May be repeated.", valueName: "object"))
    var delete: [String] = []

    @Option(name: .shortAndLong, help: "Namespace of objects KIND/NAME (default: default).")
    var namespace: String?

    @Option(
        help: ArgumentHelp(
            "The cluster as it is: a file or a directory of manifests. May be repeated.", valueName: "path"),
        completion: .file())
    var manifests: [String] = []

    @OptionGroup var cluster: ClusterOptions

    @Option(
        help: ArgumentHelp(
            "A network of pods: pods without an address get one from it. May be repeated.", valueName: "cidr"),
        transform: { text in
            guard let network = try? CIDR(text) else { throw ValidationError("--pod-cidr '\(text)' is not a network") }
            return network
        })
    var podCIDR: [CIDR] = []

    @Flag(help: "Continue although documents are refused.")
    var ignoreProblems = false

    @Flag(help: "Exit with 3 if anything would change: the same as --fail-on any.")
    var exitCode = false

    @Option(
        help: ArgumentHelp(
            "Exit with 3 if flows would be opened, or cut; any: also if pods come or go. Changed rules for requests count as both, and so do changes that are not listed.",
            valueName: "effect"))
    var failOn: PreviewGate?

    @Option(help: ArgumentHelp("List at most this many changes of two clusters.", valueName: "count"))
    var limit = 500

    @Option(
        name: [.customShort("o"), .long],
        help: """
            text, for people; wide, with all columns and nothing cut; json, for programs; markdown, for a comment on a \
            pull request.
            """)
    var output = PreviewFormat.text

    @OptionGroup var mesh: MeshOptions
    @OptionGroup var socket: SocketOptions

    private var isOfTwoClusters: Bool { new != nil || !manifests.isEmpty || cluster.isGiven }

    func validate() throws {
        if limit < 1 { throw ValidationError("--limit is at least 1") }
        for text in delete { _ = try DeleteCommand.key(of: text, namespace: namespace) }
        let isChange = !filename.isEmpty || !delete.isEmpty
        switch (old, new) {
        case (nil, _):
            if !isChange { throw ValidationError("name the change: -f FILE, --delete KIND/NAME, or OLD NEW") }
        case (_?, nil): throw ValidationError("OLD alone says nothing of a change: name NEW as well")
        default: if isChange { throw ValidationError("OLD NEW excludes -f and --delete") }
        }
    }

    func run() async throws {
        let keys = try delete.map { try DeleteCommand.key(of: $0, namespace: namespace) }
        Terminal.settings.withLock { $0.isWide = output == .wide }
        if isOfTwoClusters {
            let answer = try await PreviewClusters(self).answer(deleting: keys)
            try output.print(answer, text: PreviewText.text, markdown: PreviewMarkdown.text)
            try fail(
                answer.changes, hasOther: answer.changed || answer.leftOut > 0, isCutShort: answer.leftOut > 0)
        } else {
            let answer = try await ask(deleting: keys)
            try output.print(answer, text: PreviewText.text, markdown: PreviewMarkdown.text)
            try fail(
                answer.changes, hasOther: answer.isChange, isCutShort: (answer.leftOut["changes"] ?? 0) > 0)
        }
    }

    private func ask(deleting keys: [ObjectKey]) async throws -> NodePreviewAnswer {
        var documents = DocumentOptions()
        documents.filename = filename
        documents.recursive = true
        let sent = try documents.read()
        if !filename.isEmpty { try sent.check() }
        return try await socket.client.ask(
            NodePreviewAnswer.self, .post, .preview,
            query: keys.map { key in
                ("delete", [key.kind.rawValue, key.namespace, key.name].filter { !$0.isEmpty }.joined(separator: "/"))
            }, body: filename.isEmpty ? [] : sent.body, invalid: "\(sent.name) is invalid")
    }

    /// - Parameter isCutShort: there are changes besides these. They may be of any effect.
    private func fail(_ changes: [PreviewChange], hasOther: Bool, isCutShort: Bool) throws {
        guard let gate = failOn ?? (exitCode ? .any : nil) else { return }
        let isFailure: Bool =
            switch gate {
            case .any: hasOther
            case .opened: changes.contains { $0.effect != .cut }
            case .cut: changes.contains { $0.effect != .opened }
            }
        if isFailure { throw ExitStatus.denied.error }
        guard isCutShort else { return }
        Terminal.complain("error: not all changes are listed, and --fail-on \(gate.rawValue) needs all of them")
        throw ExitStatus.denied.error
    }
}

/// Which changes `preview --fail-on` is about.
enum PreviewGate: String, ExpressibleByArgument, CaseIterable {
    case opened
    case cut
    case any
}

/// How `preview` prints.
enum PreviewFormat: String, ExpressibleByArgument, CaseIterable {
    case text
    case wide
    case json
    case markdown

    func print<Answer: Encodable>(
        _ answer: Answer, text: (Answer) -> String, markdown: (Answer) -> String
    ) throws {
        switch self {
        case .text, .wide: Terminal.write(text(answer))
        case .json: Terminal.writeJSON(try JSON.pretty(answer) + [UInt8(ascii: "\n")])
        case .markdown: Terminal.write(markdown(answer))
        }
    }
}
