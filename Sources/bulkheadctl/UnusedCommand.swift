// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import ControlProtocol

struct UnusedCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "unused",
        abstract: "Lists rules and policies that have matched nothing on this node, and selectors that select nothing.",
        discussion: """
            A rule counts only what no rule before it decides, and only on this node. Counters start with the rule; SINCE \
            says how long this daemon has seen them. A '>' says that the kernel's counters are older than the daemon: \
            its predecessors have counted nothing either.
            """)

    @OptionGroup var socket: SocketOptions
    @OptionGroup var output: OutputOptions
    @OptionGroup var list: ListOptions

    func run() async throws {
        let answer = try await socket.client.ask(
            UnusedAnswer.self, .get, .unused, query: list.namespace.map { [("namespace", $0)] } ?? [])
        try output.print(answer) { Self.text($0, isWide: output.isWide) }
    }

    static func text(_ answer: UnusedAnswer, isWide: Bool = false) -> String {
        let sections = [
            policies(answer, isWide), rules(answer, isWide), subjects(answer, isWide), peers(answer, isWide),
        ].filter { !$0.isEmpty }
        var text = sections.joined(separator: "\n")
        if text.isEmpty {
            text = "every rule of this node has matched something, and every selector selects something\n"
        }
        if answer.notHere > 0 {
            text += "\n\(Words.count(answer.notHere, "policy selects", "policies select")) pods of other nodes alone\n"
        }
        return text
    }

    private static func policies(_ answer: UnusedAnswer, _ isWide: Bool) -> String {
        guard !answer.policies.isEmpty else { return "" }
        var table = Table("SINCE", "AGE", "CHANGED", "POLICY THAT HAS MATCHED NOTHING HERE")
        for entry in answer.policies {
            let audit = entry.enforcement == "audit" ? " (audit)" : ""
            table.add(
                .init(since(entry.since, entry.earlier)), .init(Age.text(entry.createdAt)),
                .init(Age.text(entry.changedAt)), .init("\(entry.policy.kind) \(entry.policy)\(audit)"))
        }
        return text(table, isWide) + rest(answer, "policies")
    }

    private static func rules(_ answer: UnusedAnswer, _ isWide: Bool) -> String {
        guard !answer.rules.isEmpty else { return "" }
        var table = Table("SINCE", "AGE", "CHANGED", "RULE THAT HAS MATCHED NOTHING HERE")
        for entry in answer.rules {
            table.add(
                .init(since(entry.since, entry.earlier)), .init(Age.text(entry.createdAt)),
                .init(Age.text(entry.changedAt)), .init("\(entry.rule)"))
        }
        return text(table, isWide) + rest(answer, "rules")
    }

    private static func subjects(_ answer: UnusedAnswer, _ isWide: Bool) -> String {
        guard !answer.selectNothing.isEmpty else { return "" }
        var outline = Outline(isWide: isWide)
        outline.add("policies that select no pod of the cluster:")
        for entry in answer.selectNothing {
            outline.add("\(entry.policy.kind) \(entry.policy): \(entry.subject)", depth: 1)
            outline.add(entry.hint, depth: 2, color: .yellow)
        }
        return outline.text + rest(answer, "selectNothing")
    }

    private static func peers(_ answer: UnusedAnswer, _ isWide: Bool) -> String {
        guard !answer.peers.isEmpty else { return "" }
        var outline = Outline(isWide: isWide)
        outline.add("peers and ports that select nothing:")
        for entry in answer.peers {
            outline.add("\(entry.rule): \(entry.peer)", depth: 1)
            outline.add(entry.hint, depth: 2, color: .yellow)
        }
        return outline.text + rest(answer, "peers")
    }

    /// Of a counter that was taken over, the time is a lower bound.
    private static func since(_ time: String, _ isEarlier: Bool?) -> String {
        (isEarlier == true ? ">" : "") + Age.text(time)
    }

    private static func text(_ table: Table, _ isWide: Bool) -> String { isWide ? table.text(width: nil) : table.text }

    private static func rest(_ answer: UnusedAnswer, _ list: String) -> String {
        answer.leftOut[list].map { "and \($0) more\n" } ?? ""
    }
}
