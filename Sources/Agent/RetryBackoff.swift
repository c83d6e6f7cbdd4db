// SPDX-License-Identifier: Apache-2.0

/// When to retry: after 0.25 s, then doubled each time up to 30 s.
struct RetryBackoff {
    private(set) var failures = 0

    static let first: Duration = .milliseconds(250)
    static let longest: Duration = .seconds(30)

    mutating func failed() { failures += 1 }
    mutating func succeeded() { failures = 0 }

    /// How long to wait after the last failure; nil if nothing has failed.
    var delay: Duration? {
        guard failures > 0 else { return nil }
        // 2^7 of the first is above the longest.
        return min(Self.longest, Self.first * (1 << min(failures - 1, 7)))
    }
}
