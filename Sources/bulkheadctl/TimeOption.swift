// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import ControlProtocol
import Glibc

/// A moment of the past as a person writes it: what the daemon takes, or a time of the day here.
struct TimeOption {
    /// For the daemon.
    var parameter: String

    static func parse(_ text: String) throws -> TimeOption {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        guard let parameter = parameter(text, now: now.tv_sec) else {
            throw ValidationError("'\(text)' \(PastMoment.problem); or a time of the day, such as 10:05")
        }
        return TimeOption(parameter: parameter)
    }

    /// - Parameter now: seconds since 1970.
    static func parameter(_ text: String, now: Int) -> String? {
        if PastMoment(text) != nil { return text }
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        let numbers = parts.compactMap { $0.utf8.count <= 2 ? Int32($0) : nil }
        guard (2...3).contains(parts.count), numbers.count == parts.count, (0..<24).contains(numbers[0]),
            numbers[1...].allSatisfy({ (0..<60).contains($0) })
        else { return nil }
        var day = now
        // A time that is still to come is yesterday's.
        for _ in 0..<2 {
            var local = tm()
            guard localtime_r(&day, &local) != nil else { return nil }
            (local.tm_hour, local.tm_min, local.tm_sec) = (numbers[0], numbers[1], numbers.count == 3 ? numbers[2] : 0)
            local.tm_isdst = -1
            let moment = mktime(&local)
            if moment >= 0, moment <= now { return RFC3339.text(wallMilliseconds: Int64(moment) * 1000) }
            day -= 86400
        }
        return nil
    }
}
