// SPDX-License-Identifier: Apache-2.0
import ControlProtocol
import Documents
import Glibc
import RequestDecider
import RequestPolicy
import SPOP
import Synchronization

/// The decider, shared by the connections that ask it, the follower that changes it and those who read its counters.
final class SharedDecider: Sendable {
    private struct State {
        var decider: RequestDecider
        var connections = 0
        /// When the daemon last told a policy in this run, and when it last told anything (monotonic seconds).
        var lastPolicy: Double?
        var lastWord: Double?
        /// Lines that may still be printed in this second.
        var lines = SharedDecider.linesPerSecond
        var second = 0.0
        var unprinted: UInt64 = 0
        var isProxyLost = false

        mutating func mayPrint() -> Bool {
            let now = SharedDecider.now
            if now - second >= 1 { (second, lines) = (now, SharedDecider.linesPerSecond) }
            guard lines > 0 else {
                unprinted += 1
                return false
            }
            lines -= 1
            return true
        }
    }

    /// Lines for denied requests; more are only counted.
    private static let linesPerSecond = 100

    private let state: Mutex<State>

    init(_ policy: RequestPolicy?, recordsAllowed: Bool) {
        state = Mutex(State(decider: RequestDecider(policy, recordsAllowed: recordsAllowed)))
    }

    /// Answers a question, and prints what is worth a line.
    func answer(_ question: SPOPAgent.Question, to output: inout [UInt8]) {
        let start = Self.now
        var answers: [SPOPVariable] = []
        var lines: [RequestCounts.Denied] = []
        state.withLock { state in
            for message in question.messages {
                let answer = state.decider.answer(message, time: RFC3339.now)
                answers += answer.variables
                if let record = answer.record, state.mayPrint() { lines.append(record) }
            }
            state.decider.counters.durations.record(Self.now - start)
        }
        question.answer(answers, to: &output)
        for line in lines { line.print() }
    }

    func take(_ policy: RequestPolicy) {
        state.withLock { state in
            state.decider.take(policy)
            state.lastPolicy = Self.now
        }
    }

    func heard() { state.withLock { $0.lastWord = Self.now } }
    func refuse(_ reason: String) { state.withLock { $0.decider.counters.refuse(reason) } }
    func countConnection(_ difference: Int) { state.withLock { $0.connections += difference } }
    func proxy(isLost: Bool) { state.withLock { $0.isProxyLost = isLost } }
    var policy: RequestPolicy? { state.withLock { $0.decider.policy } }

    /// Why no request can be allowed; nil: requests are decided.
    var problem: String? {
        state.withLock { state in
            state.decider.policy == nil ? "no policy" : state.isProxyLost ? "HAProxy does not answer" : nil
        }
    }

    /// Whether a connection that HAProxy passes through unread may go on.
    func passes(_ session: PassedSession) -> Bool {
        state.withLock { $0.decider.passes(from: session.source, to: session.destination, port: session.port) }
    }

    func takeUntold() -> RequestCounts? {
        state.withLock { state in
            state.decider.counters.takeUntold(generation: state.decider.policy?.generation ?? 0)
        }
    }

    func putBack(_ body: RequestCounts) { state.withLock { $0.decider.counters.putBack(body) } }

    /// Returns when the daemon has told a policy in this run, or after this time.
    func waitForPolicy(milliseconds: Int) async {
        for _ in 0..<milliseconds / 10 {
            if state.withLock({ $0.lastPolicy != nil }) { return }
            try? await Task.sleep(for: .milliseconds(10))
        }
    }

    /// Monotonic seconds.
    static var now: Double {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }

    /// What metrics tell.
    struct Facts: Sendable {
        var counters: RequestCounters
        var connections: Int
        var generation: UInt64?
        var endpoints: Int
        /// Seconds.
        var silence: Double?
        var unprinted: UInt64
    }

    var facts: Facts {
        state.withLock { state in
            Facts(
                counters: state.decider.counters, connections: state.connections,
                generation: state.decider.policy?.generation, endpoints: state.decider.policy?.endpoints.count ?? 0,
                silence: state.lastWord.map { Self.now - $0 }, unprinted: state.unprinted)
        }
    }
}

extension RequestCounts.Denied {
    /// One line of JSON on standard output.
    fileprivate func print() {
        var fields: [(String, DocumentNode)] = [
            ("time", .string(time)), ("verdict", .string(verdict.rawValue)), ("source", .string(source)),
            ("sourcePort", .integer(Int64(sourcePort))), ("destination", .string(destination)),
            ("port", .integer(Int64(port))), ("pod", .string(pod ?? "")), ("method", .string(method)),
            ("host", .string(host)), ("path", .string(path)),
        ]
        if let policy { fields.append(("policy", .string("\(policy.namespace)/\(policy.name)"))) }
        if let rule { fields.append(("rule", .integer(Int64(rule + 1)))) }
        if let reason { fields.append(("reason", .string(reason))) }
        var line: [UInt8] = []
        DocumentNode.object(fields).appendJSON(to: &line)
        line.append(UInt8(ascii: "\n"))
        _ = line.withUnsafeBytes { write(STDOUT_FILENO, $0.baseAddress, $0.count) }
    }
}

/// Runs something the first time only.
final class Once: Sendable {
    private let action: Mutex<(@Sendable () -> Void)?>
    init(_ action: @escaping @Sendable () -> Void) { self.action = Mutex(action) }
    func run() {
        let action = action.withLock { action in
            defer { action = nil }
            return action
        }
        action?()
    }
}
