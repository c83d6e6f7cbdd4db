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
        try output.print(answer, text: Self.text)
    }

    static func text(_ answer: UnusedAnswer) -> String {
        let policies = answer.policies.map { entry in
            let audit = entry.enforcement == "audit" ? " (audit)" : ""
            return Row(
                since: entry.since, earlier: entry.earlier, createdAt: entry.createdAt, changedAt: entry.changedAt,
                what: "\(entry.policy.kind) \(entry.policy)\(audit)")
        }
        let rules = answer.rules.map { entry in
            Row(
                since: entry.since, earlier: entry.earlier, createdAt: entry.createdAt, changedAt: entry.changedAt,
                what: "\(entry.rule)")
        }
        let sections = [
            table("POLICY THAT HAS MATCHED NOTHING HERE", policies, rest(answer, "policies")),
            table("RULE THAT HAS MATCHED NOTHING HERE", rules, rest(answer, "rules")),
            EmptySelectors.text(answer.selectNothing) + rest(answer, "selectNothing"),
            EmptySelectors.text(answer.peers) + rest(answer, "peers"),
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

    /// What has matched nothing.
    private struct Row {
        var since: String
        var earlier: Bool?
        var createdAt: String?
        var changedAt: String?
        var what: String
    }

    private static func table(_ title: String, _ rows: [Row], _ rest: String) -> String {
        guard !rows.isEmpty else { return "" }
        var table = Table(titles: ["SINCE", "AGE", "CHANGED", title])
        for row in rows {
            table.add(
                .init(since(row.since, row.earlier)), .init(Age.text(row.createdAt)), .init(Age.text(row.changedAt)),
                .init(row.what))
        }
        return table.text + rest
    }

    /// Of a counter that was taken over, the time is a lower bound.
    private static func since(_ time: String, _ isEarlier: Bool?) -> String {
        (isEarlier == true ? ">" : "") + Age.text(time)
    }

    private static func rest(_ answer: UnusedAnswer, _ list: String) -> String {
        answer.leftOut[list].map { "and \($0) more\n" } ?? ""
    }
}

/// Selectors that select nothing, and what was probably meant.
enum EmptySelectors {
    static func text(_ subjects: [EmptySubject]) -> String {
        text("policies that select no pod of the cluster:", subjects) {
            ("\($0.policy.kind) \($0.policy): \($0.subject)", $0.hint)
        }
    }

    static func text(_ peers: [EmptyPeer]) -> String {
        text("peers and ports that select nothing:", peers) { ("\($0.rule): \($0.peer)", $0.hint) }
    }

    private static func text<Entry>(
        _ title: String, _ entries: [Entry], _ words: (Entry) -> (what: String, hint: String)
    ) -> String {
        guard !entries.isEmpty else { return "" }
        var outline = Outline()
        outline.add(title)
        for entry in entries {
            let (what, hint) = words(entry)
            outline.add(what, depth: 1)
            outline.add(hint, depth: 2, color: .yellow)
        }
        return outline.text
    }
}
