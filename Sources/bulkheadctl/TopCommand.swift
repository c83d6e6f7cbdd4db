// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import ControlProtocol
import ControlViews

struct TopCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "top",
        abstract: "Shows the busiest pods and rules, and who is denied, live.",
        usage: "bulkheadctl top [pods|rules|denied]",
        discussion: """
            pods: packets a second to and from each pod, as its interface on this node counts them, and denied flows \
            reported a second. rules: packets a second that each rule decided, and their total. denied: the denied \
            flows that were reported since the start, by sender, receiver, port and rule.

            Keys: p, r and d show another table, q or Ctrl-C ends. If the output is not a terminal, and with --once or \
            -o json, measures for the time of -d, prints one table and ends.
            """)

    @Argument(help: ArgumentHelp("pods, rules or denied.", valueName: "table"))
    var view: TopView = .pods

    @Option(name: .shortAndLong, help: ArgumentHelp("How often to measure.", valueName: "seconds"))
    var delay: Double = 2

    @Flag(help: "Print one table and end.")
    var once = false

    @OptionGroup var socket: SocketOptions
    @OptionGroup var output: OutputOptions
    @OptionGroup var list: ListOptions

    func validate() throws {
        guard (0.1...3600).contains(delay) else { throw ValidationError("--delay is from 0.1 to 3600 seconds") }
    }

    func run() async throws {
        let source = TopSource(client: socket.client, delay: .milliseconds(Int64(delay * 1000)))
        var screen = TopScreen(view: view, namespace: list.namespace)
        let isLive = !once && Terminal.size != nil && [.text, .wide].contains(output.output)
        guard isLive else { return try await printOnce(source, screen) }
        // Fails in the open terminal if the daemon cannot be asked at all.
        screen.node = try await source.node()
        var top = LiveTop(source: source, screen: screen)
        try await top.run()
    }

    private func printOnce(_ source: TopSource, _ screen: TopScreen) async throws {
        let model = try await source.measureOnce()
        func table<Answer>(_ answer: Answer) -> String { screen.table(model).text }
        switch view {
        case .pods: try output.print(screen.pods(model), text: table)
        case .rules: try output.print(screen.rules(model), text: table)
        case .denied: try output.print(screen.denied(model), text: table)
        }
        if output.isForPeople {
            for remark in screen.remarks(model, seconds: delay) { Terminal.complain(remark) }
        }
    }
}

extension TopView: ExpressibleByArgument {}

/// Asks the daemon for everything that `top` shows.
struct TopSource: Sendable {
    /// What arrives while `top` runs.
    enum Input: Sendable {
        case sample(TopSample, node: String)
        case record(FlowRecord)
        /// Why nothing could be measured.
        case failed(String)
        /// The stream of events is followed; with a reason, it is not.
        case following(problem: String?)
        case key(UInt8)
        case signal(Int32)
    }

    var client: ControlClient
    var delay: Duration

    func node() async throws -> String {
        let status = try await client.ask(StatusAnswer.self, .get, .status)
        return "\(status.node)  \(status.healthy ? "healthy" : "NOT healthy, see 'bulkheadctl status'")"
    }

    func sample() async throws -> TopSample {
        let counters = try await client.ask(CountersAnswer.self, .get, .counters)
        let endpoints = try await client.ask(EndpointsAnswer.self, .get, .endpoints).endpoints
        let interfaces = (try? InputFile.read("/proc/net/dev", limit: 1 << 24)) ?? []
        let time = ContinuousClock.now - Self.start
        return TopSample(
            seconds: time / .seconds(1), counters: counters, endpoints: endpoints,
            interfaces: InterfaceTraffic.parse(String(decoding: interfaces, as: UTF8.self)))
    }

    private static let start = ContinuousClock.now

    /// Two samples, and the events between them.
    ///
    /// - Throws: at once if the events cannot be followed: what was not followed must not look like nothing.
    func measureOnce() async throws -> TopModel {
        let (records, input) = AsyncStream.makeStream(of: FlowRecord.self)
        var model = TopModel()
        let first = try await withThrowingTaskGroup(of: Bool.self) { tasks in
            tasks.addTask {
                try await follow { input.yield($0) }
                return false
            }
            let first = try await sample()
            tasks.addTask {
                try await Task.sleep(for: delay)
                return true
            }
            while let isOver = try await tasks.next(), !isOver {}
            // Before the second sample: it has the rates of what was reported until now.
            tasks.cancelAll()
            return first
        }
        model.take(first)
        input.finish()
        for await record in records { model.take(record) }
        model.take(try await sample())
        return model
    }

    /// Passes on the stream of events until it ends.
    func follow(begins: () -> Void = {}, _ take: (FlowRecord) -> Void) async throws {
        var lines = LineSplitter()
        try await client.send(.get, .events, begins: begins) { bytes in
            for line in lines.take(bytes.readableBytesView) { take(try JSON.answer(FlowRecord.self, from: line)) }
        }
    }

    /// Measures again and again, and passes on the events, until this task is canceled.
    func run(_ pass: @escaping @Sendable (Input) -> Void) async {
        await withTaskGroup(of: Void.self) { tasks in
            tasks.addTask {
                while !Task.isCancelled {
                    do {
                        pass(.sample(try await sample(), node: try await node()))
                    } catch {
                        pass(.failed("\(error)"))
                    }
                    try? await Task.sleep(for: delay)
                }
            }
            tasks.addTask {
                // The stream ends with the daemon; the next one has another.
                while !Task.isCancelled {
                    do {
                        try await follow {
                            pass(.following(problem: nil))
                        } _: {
                            pass(.record($0))
                        }
                    } catch {
                        pass(.following(problem: "denied flows are not followed: \(error)"))
                    }
                    try? await Task.sleep(for: delay)
                }
            }
        }
    }
}

/// `top` in a terminal, until a key or a signal ends it.
struct LiveTop {
    let source: TopSource
    var screen: TopScreen
    private var model = TopModel()

    init(source: TopSource, screen: TopScreen) {
        self.source = source
        self.screen = screen
    }

    mutating func run() async throws {
        let (inputs, input) = AsyncStream.makeStream(of: TopSource.Input.self)
        let terminal = try FullScreen { key in
            input.yield(.key(key))
        } signaled: {
            input.yield(.signal($0))
        }
        let measuring = Task { [source] in await source.run { input.yield($0) } }
        var end: Int32?
        draw()
        for await next in inputs {
            if case .signal(let number) = next, !FullScreen.isResize(number) {
                end = number
                break
            }
            if case .key(let key) = next, key == UInt8(ascii: "q") { break }
            take(next)
        }
        measuring.cancel()
        terminal.restore()
        if let end { FullScreen.die(of: end) }
    }

    private mutating func take(_ input: TopSource.Input) {
        switch input {
        case .sample(let sample, let node):
            model.take(sample)
            screen.node = node
            screen.problem = nil
        // Shown with the next sample.
        case .record(let record): return model.take(record)
        case .failed(let reason): screen.problem = reason
        case .following(let problem): screen.eventProblem = problem
        case .key(let key):
            guard let view = TopView.allCases.first(where: { $0.rawValue.utf8.first == key }) else { return }
            screen.view = view
        case .signal: break
        }
        draw()
    }

    private func draw() {
        let size = Terminal.size ?? (columns: 80, rows: 24)
        let lines = screen.lines(
            model, columns: size.columns, rows: size.rows, time: FullScreen.timeOfDay, paint: Terminal.paint)
        FullScreen.show(lines)
    }
}
