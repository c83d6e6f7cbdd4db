// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import ControlProtocol
import ControlViews
import NIOCore

struct FlowsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "flows",
        abstract: "Shows the flows of this node's pods, allowed and denied: the first packet of each.",
        discussion: """
            Shows what the daemon has recorded, at first the last 20; -f goes on with what happens from now on. The \
            daemon keeps the newest records (bulkheadd --flow-records). '-o json' prints JSON lines with the fields of \
            'hubble observe -o json'.
            """)

    @OptionGroup var socket: SocketOptions

    @Flag(name: .shortAndLong, help: "Continue with new flows until interrupted; recorded ones only if asked for.")
    var follow = false

    @Flag(help: "Instead of the flows: who reached whom, on which port, how often, and by which rule.")
    var summary = false

    @OptionGroup(title: "Filters") var filter: FlowFilterOptions

    @Option(
        name: [.customShort("o"), .long],
        help: "compact, one line for each flow; wide, with --summary each row on one line; or json.")
    var output: FlowFormat = .compact

    enum FlowFormat: String, ExpressibleByArgument, CaseIterable {
        case compact
        case wide
        case json
    }

    @OptionGroup var titles: TitleOptions

    private static let shownAtFirst = 20

    func validate() throws {
        if summary, follow { throw ValidationError("--summary and --follow exclude each other") }
    }

    func run() async throws {
        Terminal.settings.withLock { $0.isWide = output == .wide }
        var query = filter.parameters
        if follow { query.append(("follow", "true")) }
        if !filter.asksForRecords, !summary { query.append(("last", follow ? "0" : "\(Self.shownAtFirst)")) }
        var sums = FlowSummary()
        var isEmpty = true
        try await FlowStream(client: socket.client, path: .flows, query: query, follows: follow).read { bytes in
            isEmpty = false
            let line = try JSON.answer(FlowLine.self, from: bytes)
            if summary {
                if let flow = line.flow { sums.add(flow) }
            } else if output == .json {
                Terminal.writeJSON(bytes + [UInt8(ascii: "\n")])
            } else {
                Terminal.write(Self.text(line) + "\n")
            }
            return true
        }
        if summary { try sums.print(asJSON: output == .json) }
        if isEmpty { await filter.explainEmpty("flow", socket.client) }
    }

    static func text(_ line: FlowLine) -> String {
        if let lost = line.lostEvents {
            let why = lost.source == .client ? "read too slowly" : "over the rate limit, or not fetched in time"
            let flows = Words.count(Int(lost.numEventsLost) ?? 0, "flow")
            return Terminal.paint("\(line.time)  \(flows) not shown: \(why)", .yellow)
        }
        guard let flow = line.flow else { return line.time }
        let color: Terminal.Color =
            switch flow.verdict {
            case .forwarded: .green
            case .dropped: .red
            case .audit: .yellow
            }
        let verdict = Terminal.paint(flow.verdict.rawValue, color)
        let ends = "\(flow.sourceEnd) -> \(flow.destinationEnd)"
        let packet = [flow.protocolName, flow.messageName].compactMap(\.self).joined(separator: " ")
        let what = flow.l7.map { "\($0.http.method) \($0.http.url)" } ?? packet
        let text = VisibleText.line("\(flow.trafficDirection.lowercased())  \(ends) \(what)  \(flow.summary)")
        return "\(line.time)  \(verdict)  \(text)"
    }
}

extension ObservedFlow {
    var sourceEnd: EventEnd { EventEnd(address: ip.source, port: ports?.sourcePort, pod: source?.name) }
    var destinationEnd: EventEnd {
        EventEnd(address: ip.destination, port: ports?.destinationPort, pod: destination?.name)
    }
}

extension ObservedFlow.Pod {
    fileprivate var name: String { "\(namespace)/\(podName)" }
}

/// Lines of a stream of the daemon's, until it ends.
struct FlowStream {
    let client: ControlClient
    let path: ControlPath
    let query: [(String, String)]
    /// Whether the stream goes on until the daemon stops.
    let follows: Bool

    private struct Enough: Error {}

    /// - Parameter show: takes a line; returns whether to go on.
    func read(_ show: ([UInt8]) throws -> Bool) async throws {
        OutputFailure.endWithReader()
        var lines = LineSplitter()
        do {
            try await client.send(.get, path, query: query) { bytes in
                for line in lines.take(bytes.readableBytesView) {
                    guard try show(line) else { throw Enough() }
                }
            }
        } catch is Enough {
            return
        } catch let error where error is CommandFailure || error is Refusal {
            throw error
        } catch {
            throw CommandFailure(
                "the connection to the daemon was lost: \(error); start '\(name)' again when it runs")
        }
        if follows {
            throw CommandFailure("the daemon stopped and ended the stream; start '\(name)' again when it runs")
        }
    }

    private var name: String { path == .flows ? "flows" : "events" }
}
