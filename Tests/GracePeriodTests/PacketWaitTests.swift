// SPDX-License-Identifier: Apache-2.0
import CGracePeriod
import Foundation
import Glibc
import NetworkKit
import Synchronization
import Testing

/// The wait for packets under way, without packets: that it ends, for all who wait at once.
struct PacketWaitTests {
    /// Where the kernel preempts softirqs, it says so and nothing is visited.
    @Test func processorsAreVisitedUnlessSoftirqsArePreempted() throws {
        let isPreempted = try NetProcess.run(["uname", "-v"]).contains("PREEMPT_RT")
        let code = try NetThread.run { bh_visit_processors() }
        #expect(code == (isPreempted ? -EOPNOTSUPP : 0))
    }

    @Test func theThreadMayRunWhereItMightBefore() throws {
        let (before, after) = try NetThread.run {
            let before = try Self.affinity
            _ = bh_visit_processors()
            return (before, try Self.affinity)
        }
        #expect(before == after && !before.isEmpty)
    }

    @Test func manyWaitWhileProcessorsAreBusy() throws {
        let shared = Shared()
        let busy = try (0..<2 * max(sysconf(Int32(_SC_NPROCESSORS_ONLN)), 1)).map { _ in
            try NetThread.start { while !shared.isOver.load(ordering: .relaxed) {} }
        }
        let waiting = try (0..<4).map { _ in
            try NetThread.start {
                for _ in 0..<5 {
                    let code = bh_forwarding_grace_period()
                    shared.codes.withLock { $0.append(code) }
                }
            }
        }
        for thread in waiting { pthread_join(thread, nil) }
        shared.isOver.store(true, ordering: .relaxed)
        for thread in busy { pthread_join(thread, nil) }
        #expect(shared.codes.withLock { $0 } == Array(repeating: 0, count: 20))
    }

    private final class Shared: Sendable {
        let isOver = Atomic(false)
        let codes = Mutex<[Int32]>([])
    }

    /// The processors that the calling thread may run on.
    private static var affinity: String {
        get throws {
            let status = try String(contentsOfFile: "/proc/thread-self/status", encoding: .utf8)
            return status.split(separator: "\n").first { $0.hasPrefix("Cpus_allowed:") }.map(String.init) ?? ""
        }
    }
}
