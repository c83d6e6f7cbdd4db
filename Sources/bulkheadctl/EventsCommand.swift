// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import ControlProtocol
import ControlViews

struct EventsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "events",
        abstract: "Shows dropped packets, denied requests, and what a policy in audit would deny, with the reason.",
        discussion: """
            Streams events as they happen, starting now: one line for the first packet of each flow. --since and --last \
            show recorded ones instead, and with -f first. '-o json' prints JSON lines. The exit code is 1 if the daemon \
            ends the stream before --count records.
            """)

    @OptionGroup var socket: SocketOptions

    @Flag(name: .shortAndLong, help: "Continue until interrupted; without -f, end after --count records.")
    var follow = false

    @Option(help: "End after this many records (without -f: 1).")
    var count: Int?

    @Option(help: "Only one kind: drop (dropped packets), audit (packets that passed and would be denied), or request.")
    var kind: EventKind?

    @Flag(help: "Instead of recorded events: who wanted whom, on which port, how often, and what decided.")
    var summary = false

    @OptionGroup(title: "Filters") var filter: FlowFilterOptions

    @Option(name: [.customShort("o"), .long], help: "text; wide, with each row of --summary on one line; or json.")
    var output: EventFormat = .text

    enum EventFormat: String, ExpressibleByArgument, CaseIterable {
        case text
        case wide
        case json
    }

    @OptionGroup var titles: TitleOptions

    enum EventKind: String, ExpressibleByArgument, CaseIterable {
        case drop
        case audit
        case request
    }

    func validate() throws {
        if let count, count < 1 { throw ValidationError("--count must be at least 1") }
        if summary, follow { throw ValidationError("--summary and --follow exclude each other") }
    }

    /// Whether what happens from now on is wanted.
    private var wantsNews: Bool { follow || !filter.asksForRecords && !summary }

    func run() async throws {
        Terminal.settings.withLock { $0.isWide = output == .wide }
        var left = count ?? (wantsNews && !follow ? 1 : Int.max)
        if output != .json, wantsNews { Terminal.complain(banner) }
        var query = filter.parameters + (kind.map { [("kind", $0.rawValue)] } ?? [])
        if !wantsNews { query.append(("follow", "false")) }
        if summary, !filter.asksForRecords { query.append(("last", "\(ControlDefaults.flowRecordLimit)")) }
        var sums = FlowSummary()
        var isEmpty = true
        try await FlowStream(client: socket.client, path: .events, query: query, follows: wantsNews).read { line in
            isEmpty = false
            let record = try JSON.answer(FlowRecord.self, from: line)
            if summary { sums.add(record) } else { show(record, line) }
            if record.kind != .notice { left -= 1 }
            return left > 0
        }
        if summary { try sums.print(asJSON: output == .json) }
        if isEmpty { await filter.explainEmpty("event", socket.client) }
    }

    private var banner: String {
        let what =
            switch kind {
            case .drop: "dropped packets"
            case .audit: "packets that a policy in audit would deny"
            case .request: "requests that the node's proxy denies, or would with policies in audit"
            case nil: "dropped packets, denied requests, and what a policy in audit would deny"
            }
        return "Watching \(what) on this node, starting now. Press Ctrl-C to stop."
    }

    private func show(_ record: FlowRecord, _ line: [UInt8]) {
        switch output {
        case .json: Terminal.writeJSON(line + [UInt8(ascii: "\n")])
        case .text, .wide: Terminal.write(Self.text(record) + "\n")
        }
    }

    static func text(_ record: FlowRecord) -> String {
        switch record.kind {
        case .notice: return Terminal.paint(VisibleText.line("\(record.time)  \(record.notice ?? "")"), .yellow)
        case .lost:
            let records = Words.count(Int(clamping: record.lost ?? 0), "record")
            return Terminal.paint("\(record.time)  \(records) lost: read too slowly", .yellow)
        case .drop: return text(record, record.drop, .red)
        case .audit: return text(record, record.audit, .yellow)
        case .request: return text(record, record.request)
        }
    }

    private static func text(_ record: FlowRecord, _ packet: DroppedPacket?, _ color: Terminal.Color) -> String {
        guard let packet else { return record.time }
        let flow = "\(packet.source) -> \(packet.destination) \(packet.protocol)"
        let kind = Terminal.paint(record.kind.rawValue, color)
        return "\(record.time)  \(kind)  " + VisibleText.line("\(packet.direction)  \(flow)  \(packet.reason)")
    }

    private static func text(_ record: FlowRecord, _ request: JudgedRequest?) -> String {
        guard let request else { return record.time }
        let kind = Terminal.paint(record.kind.rawValue, request.verdict == "wouldDeny" ? .yellow : .red)
        let url = "\(request.method) \(request.host)\(request.path)"
        let text = VisibleText.line("\(request.source) -> \(request.destination)  \(url)  \(request.reason)")
        return "\(record.time)  \(kind)  \(text)"
    }
}

/// Reassembles the lines of a stream.
struct LineSplitter {
    private var rest: [UInt8] = []

    /// The lines that `bytes` completes.
    mutating func take(_ bytes: some Sequence<UInt8>) -> [[UInt8]] {
        rest.append(contentsOf: bytes)
        var lines: [[UInt8]] = []
        var start = 0
        while let end = rest[start...].firstIndex(of: UInt8(ascii: "\n")) {
            lines.append(Array(rest[start..<end]))
            start = end + 1
        }
        rest.removeFirst(start)
        return lines
    }
}
