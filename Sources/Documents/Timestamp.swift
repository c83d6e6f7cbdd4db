// SPDX-License-Identifier: Apache-2.0

/// Points in time as text (RFC 3339), without the formatters that cost tens of megabytes.
package enum Timestamp {
    /// Seconds since 1970 of `2006-01-02T15:04:05[.fraction](Z|±hh:mm)`; nil for any other text.
    package static func seconds(_ text: String) -> Int64? {
        var scanner = Scanner(utf8: Array(text.utf8))
        guard let year = scanner.number(digits: 4), scanner.skip("-"), let month = scanner.number(digits: 2),
            scanner.skip("-"), let day = scanner.number(digits: 2), scanner.skip("T") || scanner.skip("t"),
            let hour = scanner.number(digits: 2), scanner.skip(":"), let minute = scanner.number(digits: 2),
            scanner.skip(":"), let second = scanner.number(digits: 2)
        else { return nil }
        // Second 60: a leap second.
        guard (1...12).contains(month), (1...daysInMonth(month, of: year)).contains(day), hour < 24, minute < 60,
            second <= 60
        else { return nil }
        if scanner.skip("."), !scanner.skipDigits() { return nil }
        guard let offset = scanner.zone(), scanner.isAtEnd else { return nil }
        let days = daysSince1970(year: year, month: month, day: day)
        return days * 86400 + hour * 3600 + minute * 60 + second - offset
    }

    private struct Scanner {
        let utf8: [UInt8]
        var position = 0
        var isAtEnd: Bool { position == utf8.count }

        mutating func number(digits: Int) -> Int64? {
            guard position + digits <= utf8.count else { return nil }
            var value: Int64 = 0
            for byte in utf8[position..<position + digits] {
                guard byte.isASCIIDigit else { return nil }
                value = value * 10 + Int64(byte - UInt8(ascii: "0"))
            }
            position += digits
            return value
        }

        mutating func skip(_ scalar: Unicode.Scalar) -> Bool {
            guard position < utf8.count, utf8[position] == UInt8(ascii: scalar) else { return false }
            position += 1
            return true
        }

        mutating func skipDigits() -> Bool {
            let start = position
            while position < utf8.count, utf8[position].isASCIIDigit { position += 1 }
            return position > start
        }

        /// Seconds east of UTC.
        mutating func zone() -> Int64? {
            if skip("Z") || skip("z") { return 0 }
            let sign: Int64
            if skip("+") { sign = 1 } else if skip("-") { sign = -1 } else { return nil }
            guard let hours = number(digits: 2), skip(":"), let minutes = number(digits: 2), hours < 24, minutes < 60
            else { return nil }
            return sign * (hours * 3600 + minutes * 60)
        }
    }

    private static func daysInMonth(_ month: Int64, of year: Int64) -> Int64 {
        switch month {
        case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }

    /// Days of the proleptic Gregorian calendar: years begin in March, so that the leap day comes last.
    private static func daysSince1970(year: Int64, month: Int64, day: Int64) -> Int64 {
        let shiftedYear = month <= 2 ? year - 1 : year
        let monthFromMarch = (month + 9) % 12
        let dayOfYear = (153 * monthFromMarch + 2) / 5 + day - 1
        let leapDays = shiftedYear >= 0 ? shiftedYear / 4 - shiftedYear / 100 + shiftedYear / 400 : -1
        return shiftedYear * 365 + leapDays + dayOfYear - 719_468
    }

    /// UTC, to the millisecond: `2006-01-02T15:04:05.000Z`.
    ///
    /// - Parameter seconds: since 1970.
    package static func text(seconds: Int64, milliseconds: Int64) -> String {
        let second = ((seconds % 86400) + 86400) % 86400
        let (year, month, day) = date((seconds - second) / 86400)
        func padded(_ value: Int64, _ width: Int) -> String {
            let digits = "\(value)"
            return String(repeating: "0", count: max(0, width - digits.count)) + digits
        }
        let time = "\(padded(second / 3600, 2)):\(padded(second / 60 % 60, 2)):\(padded(second % 60, 2))"
        return "\(padded(year, 4))-\(padded(month, 2))-\(padded(day, 2))T\(time).\(padded(milliseconds, 3))Z"
    }

    /// The inverse of ``daysSince1970(year:month:day:)``, counted in eras of 400 years from March of the year 0.
    private static func date(_ days: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let shifted = days + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * monthFromMarch + 2) / 5 + 1)
    }
}
