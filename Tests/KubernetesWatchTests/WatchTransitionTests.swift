// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import KubernetesWatch
import Testing

/// The states of a watch and what leaves each of them, one row a transition.
@Suite struct WatchTransitionTests {
    /// Where the rows begin. Each has listed `a` at version 5 before, but for `idle` and `listing`.
    enum Start {
        case idle, listing, secondPage, watchAsked, watching, waitingForList, waitingForPage, waitingForWatch
    }

    enum Input {
        case begin, timer, oldTimer
        case head(Int)
        case bytes(String)
        case end, broken, silence
    }

    /// What a transition leads to: the phase, and which request is under way (`-`: none).
    struct Outcome: Equatable, CustomStringConvertible {
        var phase: WatchStatus.Phase
        var request: String
        var description: String { "\(phase.rawValue), \(request)" }
        init(_ phase: WatchStatus.Phase, _ request: String) { (self.phase, self.request) = (phase, request) }
    }

    private static func start(_ start: Start) throws -> WatchDriver {
        var driver = WatchDriver()
        switch start {
        case .idle:
            driver.watch = ResourceWatch(APIResource(.namespace), seed: 1)
            (driver.request, driver.timer) = (nil, nil)
        case .listing: break
        case .secondPage: try driver.list([("a", 1)], at: 5, continuing: "t")
        case .watchAsked: try driver.list([("a", 1)], at: 5)
        case .watching:
            try driver.list([("a", 1)], at: 5)
            try driver.head()
            try driver.bytes(WatchDriver.bookmark(6))
        case .waitingForList:
            try driver.list([("a", 1)], at: 5)
            try driver.answer(410, WatchDriver.status(410, "Expired"))
        case .waitingForPage:
            try driver.list([("a", 1)], at: 5, continuing: "t")
            try driver.breakConnection()
        case .waitingForWatch:
            try driver.list([("a", 1)], at: 5)
            try driver.breakConnection()
        }
        return driver
    }

    private static func put(_ input: Input, into driver: inout WatchDriver) throws {
        switch input {
        case .begin: driver.put(.begin)
        case .timer: try driver.fire()
        case .oldTimer:
            let other = WatchDriver()
            driver.put(.timer(try #require(other.timer).id))
        case .head(let status): try driver.head(status)
        case .bytes(let text): try driver.bytes(text)
        case .end: try driver.end()
        case .broken: try driver.breakConnection()
        // The request under way has set the timer.
        case .silence: try driver.fire()
        }
    }

    private static func outcome(_ driver: WatchDriver) -> Outcome {
        let target = driver.request?.request.target ?? "-"
        let request =
            if target.contains("watch=1") {
                "watch"
            } else if target.contains("continue=t") {
                "page"
            } else {
                target == "-" ? "-" : "list"
            }
        return Outcome(driver.watch.status.phase, request)
    }

    @Test(
        arguments: [
            (.idle, .begin, Outcome(.listing, "list")),
            (.listing, .begin, Outcome(.listing, "list")),
            (.listing, .head(200), Outcome(.listing, "list")),
            (.listing, .bytes("early"), Outcome(.listing, "list")),
            (.listing, .end, Outcome(.waiting, "-")),
            (.listing, .broken, Outcome(.waiting, "-")),
            (.listing, .silence, Outcome(.waiting, "-")),
            (.secondPage, .head(200), Outcome(.listing, "page")),
            (.secondPage, .broken, Outcome(.waiting, "-")),
            (.watchAsked, .head(200), Outcome(.watching, "watch")),
            (.watchAsked, .head(500), Outcome(.waiting, "watch")),
            (.watchAsked, .end, Outcome(.waiting, "-")),
            (.watchAsked, .silence, Outcome(.waiting, "-")),
            (.watching, .oldTimer, Outcome(.watching, "watch")),
            (.watching, .bytes(WatchDriver.bookmark(7)), Outcome(.watching, "watch")),
            (.watching, .bytes(WatchDriver.error(410, "Expired")), Outcome(.waiting, "-")),
            (.watching, .bytes("no JSON\n"), Outcome(.waiting, "-")),
            (.watching, .end, Outcome(.waiting, "-")),
            (.watching, .broken, Outcome(.waiting, "-")),
            (.watching, .silence, Outcome(.watching, "watch")),
            (.waitingForList, .begin, Outcome(.waiting, "-")),
            (.waitingForList, .timer, Outcome(.listing, "list")),
            (.waitingForPage, .timer, Outcome(.listing, "page")),
            (.waitingForWatch, .oldTimer, Outcome(.waiting, "-")),
            (.waitingForWatch, .timer, Outcome(.waiting, "watch")),
        ] as [(Start, Input, Outcome)])
    func leadsTo(start: Start, input: Input, outcome: Outcome) throws {
        var driver = try Self.start(start)
        try Self.put(input, into: &driver)
        #expect(Self.outcome(driver) == outcome)
    }

    /// A watch that received data is kept, a silent one is requested again, and one that stays silent after that has
    /// failed.
    @Test func silenceOfAWatch() throws {
        var driver = try Self.start(.watching)
        try driver.fire()
        #expect(driver.sent.count == 2 && driver.failures.isEmpty)
        try driver.fire()
        #expect(driver.sent.count == 3 && driver.watch.status.phase == .waiting && driver.failures.isEmpty)
        try driver.fire()
        #expect(Self.outcome(driver) == Outcome(.waiting, "-") && driver.failures == [.silence])
    }

    /// What grows piece by piece is not copied with each of them: this takes seconds if it is.
    @Test func largeAnswersAreReadInPieces() throws {
        var driver = WatchDriver()
        try driver.head()
        let piece = [UInt8](repeating: UInt8(ascii: " "), count: 1 << 10)
        let time = try ContinuousClock().measure {
            for _ in 0..<(16 << 10) { try driver.bytes(piece) }
        }
        #expect(time < .seconds(5))
    }
}
