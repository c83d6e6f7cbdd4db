// SPDX-License-Identifier: Apache-2.0

/// When to program the kernel again: after 0.25 s, then twice as long each time, at most 30 s.
///
/// Unlike `RetryDelay` of KubernetesWatch it has no jitter, because no other node waits for the same kernel.
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
