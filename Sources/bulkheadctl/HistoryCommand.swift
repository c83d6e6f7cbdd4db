// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import ControlProtocol

struct HistoryCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "history",
        abstract: "Shows what changed: policies, pods, namespaces, nodes, and what the daemon did.",
        discussion: """
            From the journal of this node's bulkheadd. Each change names the pods of this node whose rules it changed, \
            and samples of what is now allowed or denied. The order is that of the records, whatever the clock said; \
            steps of the clock are shown. '-o json' prints JSON lines.

            SUBJECT is a policy, pod or namespace, as namespace/name or name. TIME is 10:05 (UTC, today, or yesterday \
            if that is still to come), 2026-01-02T10:05:00Z, or 10m, 2h, 3d for that long ago. 'verdict --at' answers a \
            question for such a time, or for the moment after a record, as '#123'.
            """)

    @Argument(help: ArgumentHelp("Only what is about this policy, pod or namespace.", valueName: "subject"))
    var subject: String?

    @Option(
        parsing: .unconditional, help: ArgumentHelp("Only what happened since.", valueName: "time"),
        transform: TimeOption.parse)
    var since: TimeOption?

    @Option(parsing: .unconditional, help: "Only the last ones (default: 100; without limit with --since).")
    var last: Int?

    @Flag(help: "Also changes of pods on other nodes.")
    var all = false

    @Option(name: [.customShort("o"), .long], help: "text; wide, with each row on one line; or json.")
    var output: EventsCommand.EventFormat = .text

    @OptionGroup var socket: SocketOptions
    @OptionGroup var list: ListOptions

    func validate() throws {
        if let last, !(1...HistoryQuestion.limit).contains(last) {
            throw ValidationError("--last is from 1 to \(HistoryQuestion.limit)")
        }
    }

    func run() async throws {
        let last = last ?? (since == nil ? 100 : HistoryQuestion.limit)
        // Of a namespace, the last ones are counted here.
        var query = [("last", "\(list.namespace == nil ? last : HistoryQuestion.limit)")]
        if let since { query.append(("since", since.parameter)) }
        if let subject { query.append(("about", subject)) }
        if all { query.append(("pods", "all")) }
        var answer = try await socket.client.ask(HistoryAnswer.self, .get, .history, query: query)
        if let namespace = list.namespace { Self.keep(namespace, last, in: &answer) }
        Terminal.settings.withLock { $0.isWide = output == .wide }
        switch output {
        case .text, .wide: Terminal.write(Self.text(answer))
        case .json: for entry in answer.entries { try Terminal.writeJSON(JSON.line(entry) + [UInt8(ascii: "\n")]) }
        }
        for line in Self.complaints(answer) { Terminal.complain(line) }
        if answer.entries.isEmpty, let subject {
            for line in await NearMisses(client: socket.client).lines(subject: subject) { Terminal.complain(line) }
        }
    }

    /// Removes what is not about a namespace, and all but the last entries.
    private static func keep(_ namespace: String, _ last: Int, in answer: inout HistoryAnswer) {
        answer.entries.removeAll { entry in
            (entry.kind == "Namespace" ? entry.name : entry.namespace) != namespace
        }
        let more = max(0, answer.entries.count - last)
        answer.entries.removeFirst(more)
        answer.omitted += more
    }

    static func text(_ answer: HistoryAnswer) -> String {
        guard !answer.entries.isEmpty else { return "nothing is recorded\n" }
        var table = Table("#", "TIME (UTC)", "WHAT", "DETAILS")
        for entry in answer.entries {
            if entry.gap == true {
                table.add("", "", .init("missing", .yellow), "records before the next one are missing")
            }
            if let clock = entry.clock { table.add("", "", .init("clock", .yellow), .init(clock)) }
            table.add(
                "\(entry.sequence)", .init(time(entry.time)), .init(entry.what, color(entry.what)),
                .init(details(entry)))
        }
        return table.text
    }

    /// Without the year, the fraction of a second and the zone, which is UTC.
    private static func time(_ text: String) -> String {
        let parts = text.split(separator: "T")
        guard parts.count == 2 else { return text }
        return "\(parts[0].dropFirst(5)) \(parts[1].prefix(8))"
    }

    private static func color(_ what: String) -> Terminal.Color? {
        switch what {
        case "removed", "failed", "refused": .red
        case "repaired", "started", "stopped", "lost": .yellow
        case "added", "recovered": .green
        default: nil
        }
    }

    private static func details(_ entry: HistoryEntry) -> String {
        var parts: [String] = []
        if let name = entry.name {
            let full = entry.namespace.map { "\($0)/\(name)" } ?? name
            let place = entry.elsewhere == true ? " (other node)" : ""
            parts.append([entry.kind, full].compactMap(\.self).joined(separator: " ") + place)
        }
        if entry.whileStopped == true {
            parts.append("while the daemon was not running")
        } else if let source = entry.source {
            parts.append("by \(source)")
        }
        if let generation = entry.generation {
            parts.append("generation \(generation)")
        } else if let version = entry.resourceVersion {
            parts.append("version \(version)")
        }
        if let text = entry.text { parts.append(text) }
        if let pods = entry.pods, let count = entry.podCount {
            parts.append("changed rules of \(Words.some(pods, limit: 3, of: count))")
        }
        if let verdicts = entry.verdicts, let count = entry.verdictCount {
            let more = count > 3 ? "; \(count - min(3, verdicts.count)) more" : ""
            parts.append(verdicts.prefix(3).joined(separator: "; ") + more)
        }
        return parts.joined(separator: "; ")
    }

    private static func complaints(_ answer: HistoryAnswer) -> [String] {
        var lines: [String] = []
        if answer.omitted > 0 {
            let records = Words.count(answer.omitted, "earlier record is", "earlier records are")
            lines.append("\(records) left out; see --last and --since")
        }
        if answer.damaged > 0 { lines.append("\(Words.count(answer.damaged, "part")) of the journal cannot be read") }
        if answer.lost > 0 { lines.append("\(Words.count(Int(clamping: answer.lost), "record")) could not be written") }
        if let problem = answer.problem { lines.append("the journal cannot be written now: \(problem)") }
        return lines
    }
}
