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

    /// The present moment, in nanoseconds since 1970.
    public static var nowNanoseconds: Int64 {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }

    /// A moment in nanoseconds since 1970.
    public static func text(nanoseconds: Int64) -> String {
        text(seconds: Int(nanoseconds / 1_000_000_000), milliseconds: Int(nanoseconds % 1_000_000_000 / 1_000_000))
    }

    /// Nanoseconds since 1970 of a text; nil for any other text, and for years far away.
    public static func nanoseconds(_ text: String) -> Int64? {
        guard let seconds = Timestamp.seconds(text), abs(seconds) < 9_000_000_000 else { return nil }
        var (fraction, unit): (Int64, Int64) = (0, 100_000_000)
        let digits = text.utf8.drop { $0 != UInt8(ascii: ".") }.dropFirst()
        for digit in digits.prefix(9) {
            guard digit.isASCIIDigit else { break }
            fraction += Int64(digit - UInt8(ascii: "0")) * unit
            unit /= 10
        }
        return seconds * 1_000_000_000 + fraction
    }

    private static func text(seconds: Int, milliseconds: Int) -> String {
        Timestamp.text(seconds: Int64(seconds), milliseconds: Int64(milliseconds))
    }
}
