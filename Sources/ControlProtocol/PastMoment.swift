// SPDX-License-Identifier: Apache-2.0
import Documents

/// A moment of the past as clients name it: `2026-01-02T10:05:00Z`, `10m` or `-10m` ago, or `#123`, after a record of the
/// journal.
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
            // With a fraction, the moment is the end of that second's first part as written.
            self = .time(seconds * 1000 + Self.milliseconds(text))
        } else if text.hasPrefix("#"), let number = UInt64(text.dropFirst()), number > 0 {
            self = .record(number)
        } else if let milliseconds = Self.duration(text.hasPrefix("-") ? text.dropFirst() : text[...]) {
            self = .ago(milliseconds)
        } else {
            return nil
        }
    }

    /// What a message says about a text that is none.
    public static let problem =
        "is not a moment: use a time such as 2026-01-02T10:05:00Z, 10m for ten minutes ago, or #123 for a record of the journal"

    /// `90s`, `10m`, `2h`, `3d` in milliseconds.
    private static func duration(_ text: Substring) -> Int64? {
        let units: [Character: Int64] = ["s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000]
        guard let unit = text.last.flatMap({ units[$0] }), text.dropLast().allSatisfy(\.isNumber),
            let number = Int64(text.dropLast()), number < 1 << 30
        else { return nil }
        return number * unit
    }

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
