// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import ControlProtocol
import NIOCore

struct EventsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "events",
        abstract: "Shows dropped packets, denied requests, and what a policy in audit would deny, with the reason.",
        discussion: """
            Streams events as they happen, starting now: one line for the first packet of each flow. '-o json' prints \
            JSON lines. The exit code is 1 if the daemon ends the stream before --count records.
            """)

    @OptionGroup var socket: SocketOptions

    @Flag(name: .shortAndLong, help: "Continue until interrupted; without -f, end after --count records.")
    var follow = false

    @Option(help: "End after this many records (without -f: 1).")
    var count: Int?

    @Option(help: "Only one kind: drop (dropped packets), audit (packets that passed and would be denied), or request.")
    var kind: EventKind?

    @Option(name: [.customShort("o"), .long], help: "text or json.")
    var output: EventFormat = .text

    enum EventFormat: String, ExpressibleByArgument, CaseIterable {
        case text
        case json
    }

    enum EventKind: String, ExpressibleByArgument, CaseIterable {
        case drop
        case audit
        case request
    }

    func validate() throws {
        if let count, count < 1 { throw ValidationError("--count must be at least 1") }
    }

    func run() async throws {
        var lines = LineSplitter()
        var left = count ?? (follow ? Int.max : 1)
        if output == .text { Terminal.complain(banner) }
        do {
            try await socket.client.send(.get, .events, query: kind.map { [("kind", $0.rawValue)] } ?? []) { bytes in
                for line in lines.take(bytes.readableBytesView) where left > 0 {
                    if try show(line) { left -= 1 }
                }
                if left == 0 { throw Enough() }
            }
        } catch is Enough {
            return
        } catch let error where error is CommandFailure || error is Refusal {
            throw error
        } catch {
            throw CommandFailure("the connection to the daemon was lost: \(error); start 'events' again when it runs")
        }
        throw CommandFailure("the daemon stopped and ended the stream; start 'events' again when it runs")
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

    /// Whether the record counts: notices do not.
    private func show(_ line: [UInt8]) throws -> Bool {
        let record = try JSON.decode(FlowRecord.self, from: line)
        switch output {
        case .json: Terminal.writeJSON(line + [UInt8(ascii: "\n")])
        case .text: Terminal.write(Self.text(record) + "\n")
        }
        return record.kind != .notice
    }

    static func text(_ record: FlowRecord) -> String {
        switch record.kind {
        case .notice: return Terminal.paint("\(record.time)  \(record.notice ?? "")", .yellow)
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
        return "\(record.time)  \(kind)  \(packet.direction)  \(flow)  \(packet.reason)"
    }

    private static func text(_ record: FlowRecord, _ request: JudgedRequest?) -> String {
        guard let request else { return record.time }
        let kind = Terminal.paint(record.kind.rawValue, request.verdict == "wouldDeny" ? .yellow : .red)
        let url = "\(request.method) \(request.host)\(request.path)"
        return "\(record.time)  \(kind)  \(request.source) -> \(request.destination)  \(url)  \(request.reason)"
    }

    private struct Enough: Error {}
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
