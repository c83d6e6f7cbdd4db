// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import ControlProtocol
import Reachability

struct EqualCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "equal",
        abstract: "Says whether two sets of manifests give every flow the same verdict.",
        usage: """
            bulkheadctl equal OLD NEW
            bulkheadctl equal -f CLUSTER OLD NEW
            """,
        discussion: """
            OLD and NEW are files or directories. -f names manifests of both: the pods, if OLD and NEW have policies \
            alone. Every address, port and protocol is compared. If both verdicts depend on the request, the rules are \
            compared; where they differ and no request is found for which the answers do, the change is 'may differ'.

            Pods are the same if their names are. Exits with 3 if a verdict differs, or a pod is in one of the two \
            alone, because flows with it cannot be compared.
            """)

    @Argument(help: ArgumentHelp("Manifests before the change.", valueName: "old"), completion: .file())
    var old: String

    @Argument(help: ArgumentHelp("Manifests after the change.", valueName: "new"), completion: .file())
    var new: String

    @Option(help: ArgumentHelp("List at most this many changes.", valueName: "count"))
    var limit = 100

    @OptionGroup var source: InventoryOptions
    @OptionGroup var output: OutputOptions

    func validate() throws { if limit < 1 { throw ValidationError("--limit is at least 1") } }

    func run() async throws {
        let (before, after) = (try await source.read([old]), try await source.read([new]))
        var addresses = source.addresses(comparing: before, after)
        let clusters = (
            try source.inventory(of: before, addresses: &addresses),
            try source.inventory(of: after, addresses: &addresses)
        )
        try InventoryOptions.requirePods(clusters.0, clusters.1)
        var maps = (try ReachabilityMap(clusters.0), try ReachabilityMap(clusters.1))
        let answer = EqualAnswer(try ReachabilityDifference(&maps.0, &maps.1, limit: limit))
        try output.print(answer) { Self.text($0, limit: limit) }
        if !answer.equal { throw ExitStatus.denied.error }
    }

    static func text(_ answer: EqualAnswer, limit: Int) -> String {
        if answer.equal { return "equal: every flow has the same verdict\n" }
        var text = ""
        if !answer.changes.isEmpty {
            var table = Table("FROM", "TO", "PORTS", "OLD", "NEW", "FOR EXAMPLE")
            for change in answer.changes {
                let new = change.mayBeEqual == true ? "may differ" : change.new
                table.add(
                    .init(change.from.text), .init(change.to.text), .init(change.ports),
                    .init(change.old, VerdictCommand.color(change.old)),
                    .init(new, VerdictCommand.color(change.new)), .init(change.newFlow.flow))
            }
            text += table.text
            if answer.changes.count >= limit { text += "these are the first \(limit) changes\n" }
        }
        for (which, pods) in [("OLD", answer.onlyOld), ("NEW", answer.onlyNew)] where !pods.isEmpty {
            let names = Words.line(Words.some(pods, limit: 5))
            text += "\(Words.count(pods.count, "pod")) only in \(which), not compared: \(names)\n"
        }
        return text
    }
}

extension EqualAnswer {
    init(_ difference: ReachabilityDifference) {
        self.init(
            equal: difference.isEqual,
            changes: difference.changes.map { change in
                ReachChangeAnswer(
                    from: ReachPartyAnswer(change.from, nil), to: ReachPartyAnswer(change.to, nil),
                    ports: change.ports.description, old: change.old.rawValue, new: change.new.rawValue,
                    mayBeEqual: change.mayBeEqual, oldFlow: ReachFlowAnswer(change.oldFlow),
                    newFlow: ReachFlowAnswer(change.newFlow))
            },
            onlyOld: difference.onlyOld.map(\.description), onlyNew: difference.onlyNew.map(\.description))
    }
}
