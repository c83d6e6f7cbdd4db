// SPDX-License-Identifier: Apache-2.0
import Glibc

/// Points in time as text, without the formatters that cost tens of megabytes.
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

    /// UTC, to the millisecond.
    public static func text(seconds: Int, milliseconds: Int) -> String {
        var seconds = time_t(seconds)
        var parts = tm()
        gmtime_r(&seconds, &parts)
        func padded(_ value: some BinaryInteger, _ width: Int) -> String {
            let digits = "\(value)"
            return String(repeating: "0", count: max(0, width - digits.count)) + digits
        }
        let date = "\(padded(parts.tm_year + 1900, 4))-\(padded(parts.tm_mon + 1, 2))-\(padded(parts.tm_mday, 2))"
        let time = "\(padded(parts.tm_hour, 2)):\(padded(parts.tm_min, 2)):\(padded(parts.tm_sec, 2))"
        return "\(date)T\(time).\(padded(milliseconds, 3))Z"
    }
}
