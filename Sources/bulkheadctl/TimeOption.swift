// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import ControlProtocol
import Glibc

/// A moment of the past as a person writes it: what the daemon takes, or a time of the day in UTC, as times are
/// printed.
struct TimeOption {
    /// For the daemon.
    var parameter: String

    static func parse(_ text: String) throws -> TimeOption {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        guard let parameter = parameter(text, now: now.tv_sec) else {
            throw ValidationError("'\(text)' \(PastMoment.problem); or a time of the day in UTC, such as 10:05")
        }
        return TimeOption(parameter: parameter)
    }

    /// - Parameter now: seconds since 1970.
    static func parameter(_ text: String, now: Int) -> String? {
        if PastMoment(text) != nil { return text }
        let words = text.split(separator: ":", omittingEmptySubsequences: false)
        let numbers = words.compactMap { $0.utf8.count <= 2 ? Int32($0) : nil }
        guard (2...3).contains(words.count), numbers.count == words.count, (0..<24).contains(numbers[0]),
            numbers[1...].allSatisfy({ (0..<60).contains($0) })
        else { return nil }
        var day = now
        // A time that is still to come is yesterday's.
        for _ in 0..<2 {
            var parts = tm()
            guard gmtime_r(&day, &parts) != nil else { return nil }
            (parts.tm_hour, parts.tm_min, parts.tm_sec) = (numbers[0], numbers[1], numbers.count == 3 ? numbers[2] : 0)
            let moment = timegm(&parts)
            if moment >= 0, moment <= now { return RFC3339.text(wallMilliseconds: Int64(moment) * 1000) }
            day -= 86400
        }
        return nil
    }
}
