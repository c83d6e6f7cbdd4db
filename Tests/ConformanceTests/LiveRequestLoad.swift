// SPDX-License-Identifier: Apache-2.0
import Glibc
import NetworkKit
import NetworkTypes
import Synchronization

/// A client that sends requests without a pause, allowed and denied ones in turn, and connects again whenever its
/// connection ends.
final class LiveRequestLoad: Sendable {
    struct Counts: Sendable {
        var allowed = 0
        var denied = 0
        /// No decision: 503, or no connection, or its end before the answer.
        var refused = 0
        /// Answers to denied requests that no proxy gives.
        var leaks: [String] = []
    }

    static let allowed = "/shoes"
    static let denied = "/admin"

    private let state = Mutex(Counts())
    private let isStopping = Atomic<Bool>(false)
    private let threads = Mutex<[pthread_t]>([])

    /// Starts one client for each family.
    init(_ live: LiveRequestWorld) throws {
        for family in AddressFamily.allCases {
            let target = live.target(family)
            let thread = try live.world.pod("client").namespace.run {
                try NetThread.start { [self] in run(target.address, target.port) }
            }
            threads.withLock { $0.append(thread) }
        }
    }

    var counts: Counts { state.withLock { $0 } }

    func stop() {
        isStopping.store(true, ordering: .relaxed)
        for thread in threads.withLock({ $0 }) { pthread_join(thread, nil) }
        threads.withLock { $0 = [] }
    }

    private func run(_ address: IPAddress, _ port: UInt16) {
        while !isStopping.load(ordering: .relaxed) {
            do {
                // Not the kernel's second attempt: what counts is when the way is open again.
                let connection = try NetConnection(to: address, port: port, seconds: 0.3)
                for number in 0..<20 where !isStopping.load(ordering: .relaxed) {
                    guard try ask(connection, number.isMultiple(of: 2) ? Self.allowed : Self.denied) else { break }
                    NetClock.sleep(milliseconds: 3)
                }
            } catch {
                state.withLock { $0.refused += 1 }
            }
            NetClock.sleep(milliseconds: 5)
        }
    }

    /// - Returns: whether the connection goes on.
    private func ask(_ connection: NetConnection, _ path: String) throws -> Bool {
        try connection.send("GET \(path) HTTP/1.1\r\nHost: server\r\n\r\n")
        let response = try connection.response(seconds: 3)
        state.withLock { counts in
            switch (response?.status, path) {
            case (200, Self.allowed): counts.allowed += 1
            case (403, Self.denied): counts.denied += 1
            case (503, _), (nil, _): counts.refused += 1
            default: counts.leaks.append("\(path): \(response?.startLine ?? "")")
            }
        }
        return response != nil && !connection.isEnded
    }

    /// Waits until this many more were allowed and denied.
    ///
    /// - Returns: how long that took, in seconds.
    @discardableResult
    func waitForAnswers(_ what: String, count: Int = 1) throws -> Double {
        let (before, start) = (counts, NetClock.now)
        try NetClock.wait("answers \(what)", seconds: 30) {
            counts.allowed >= before.allowed + count && counts.denied >= before.denied + count
        }
        return Double(NetClock.now - start) / 1e9
    }

    /// Waits until this many more were refused.
    func waitForRefusals(_ count: Int, _ what: String) throws {
        let before = counts.refused
        try NetClock.wait("refusals \(what)", seconds: 30) { counts.refused >= before + count }
    }
}
