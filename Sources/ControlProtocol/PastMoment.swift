// SPDX-License-Identifier: Apache-2.0
import Documents

/// A moment of the past as clients name it: `2026-01-02T10:05:00Z`; `10m`, `-10m`, `1h30m` or `600` (seconds) ago; or
/// `#123`, after a record of the journal.
public enum PastMoment: Sendable, Hashable {
    /// Milliseconds since 1970.
    case time(Int64)
    /// Milliseconds before now.
    case ago(Int64)
    /// A record's sequence number.
    case record(UInt64)

    /// Nil if the text is none of these.
    public init?(_ text: String) {
        if let seconds = Timestamp.seconds(text) {
            // Years far away have no nanoseconds.
            guard abs(seconds) < 9_000_000_000 else { return nil }
            // With a fraction, the moment is the end of that second's first part as written.
            self = .time(seconds * 1000 + Self.milliseconds(text))
        } else if text.hasPrefix("#"), let number = UInt64(text.dropFirst()), number > 0 {
            self = .record(number)
        } else if let seconds = Self.duration(text.hasPrefix("-") ? text.dropFirst() : text[...]) {
            self = .ago(seconds * 1000)
        } else {
            return nil
        }
    }

    /// What a message says about a text that is none.
    public static let problem =
        "is not a moment: use a time such as 2026-01-02T10:05:00Z, 10m for ten minutes ago, or #123 for a record of the journal"

    /// Seconds of `90s`, `10m`, `2h`, `3d`, `1h30m` or `600`; at most a hundred years.
    private static func duration(_ text: Substring) -> Int64? {
        let limit: Int64 = 100 * 366 * 86400
        var (total, number, digits): (Int64, Int64, Int) = (0, 0, 0)
        for byte in text.utf8 {
            if byte.isASCIIDigit {
                guard digits < 10 else { return nil }
                number = number * 10 + Int64(byte - UInt8(ascii: "0"))
                digits += 1
                continue
            }
            guard digits > 0, let unit = units[byte] else { return nil }
            total += number * unit
            guard total <= limit else { return nil }
            (number, digits) = (0, 0)
        }
        let isPlain = digits == text.utf8.count
        if digits > 0, isPlain { total = number }
        return !text.isEmpty && (digits == 0 || isPlain) && total <= limit ? total : nil
    }

    private static let units: [UInt8: Int64] = [
        UInt8(ascii: "s"): 1, UInt8(ascii: "m"): 60, UInt8(ascii: "h"): 3600, UInt8(ascii: "d"): 86400,
    ]

    /// Of the fraction of a second.
    private static func milliseconds(_ text: String) -> Int64 {
        guard let point = text.firstIndex(of: ".") else { return 0 }
        let digits = text[text.index(after: point)...].prefix { $0.isNumber }.prefix(3)
        return Int64(digits + String(repeating: "0", count: 3 - digits.count)) ?? 0
    }

    /// As milliseconds since 1970; nil for a record.
    public func milliseconds(now: Int64) -> Int64? {
        switch self {
        case .time(let time): time
        case .ago(let duration): now - duration
        case .record: nil
        }
    }
}

extension RFC3339 {
    /// A moment in milliseconds since 1970.
    public static func text(wallMilliseconds wall: Int64) -> String {
        let second = wall >= 0 ? wall / 1000 : (wall - 999) / 1000
        return Timestamp.text(seconds: second, milliseconds: wall - second * 1000)
    }
}
