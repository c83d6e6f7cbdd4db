// SPDX-License-Identifier: Apache-2.0
import Documents
import Glibc

/// Moments of the system's clocks as text (RFC 3339).
public enum RFC3339 {
    /// The present moment.
    public static func now() -> String {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return text(seconds: time.tv_sec, milliseconds: time.tv_nsec / 1_000_000)
    }

    /// The time of day of a moment of CLOCK_MONOTONIC.
    public static func text(monotonicNanoseconds: UInt64) -> String {
        var now = timespec()
        var monotonic = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        clock_gettime(CLOCK_MONOTONIC, &monotonic)
        let boot = (now.tv_sec - monotonic.tv_sec) * 1_000_000_000 + now.tv_nsec - monotonic.tv_nsec
        let moment = boot + Int(clamping: monotonicNanoseconds)
        return text(seconds: moment / 1_000_000_000, milliseconds: moment % 1_000_000_000 / 1_000_000)
    }

    private static func text(seconds: Int, milliseconds: Int) -> String {
        Timestamp.text(seconds: Int64(seconds), milliseconds: Int64(milliseconds))
    }
}
