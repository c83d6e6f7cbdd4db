// SPDX-License-Identifier: Apache-2.0
import Glibc
import Journal

/// The clocks of the node.
public struct JournalClock: Sendable {
    public var now: @Sendable () -> JournalTime
    /// The kernel's name for this boot.
    public var boot: String

    public init(boot: String, now: @escaping @Sendable () -> JournalTime) {
        self.now = now
        self.boot = boot
    }

    /// The system's.
    public static var system: JournalClock {
        JournalClock(boot: JournalFile.read("/proc/sys/kernel/random/boot_id", limit: 64) ?? "") {
            JournalTime(wall: milliseconds(CLOCK_REALTIME), uptime: milliseconds(CLOCK_BOOTTIME))
        }
    }

    private static func milliseconds(_ clock: clockid_t) -> Int64 {
        var time = timespec()
        clock_gettime(clock, &time)
        return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
    }
}
