// SPDX-License-Identifier: Apache-2.0

/// How long to wait before the next request: doubled with each failure, at random between half and all of it, so that
/// clients that failed together do not return together. Random numbers come from a seed, so that a run can be repeated.
struct RetryDelay: Sendable {
    private(set) var failures = 0
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func failed() { failures += 1 }
    mutating func succeeded() { failures = 0 }

    /// The wait after the last failure.
    ///
    /// - Parameter atLeast: seconds that the server asked for.
    mutating func next(_ settings: WatchSettings, atLeast: Int? = nil) -> Duration {
        let doubled = settings.firstDelay * (1 << min(max(failures - 1, 0), 16))
        let own = jittered(min(doubled, settings.longestDelay))
        guard let atLeast, atLeast > 0 else { return own }
        let asked = min(Duration.seconds(min(atLeast, 1 << 20)), settings.longestRetryAfter)
        // Never earlier than requested, nor all clients at the requested moment.
        return max(own, asked + jittered(asked / 4))
    }

    /// At random between half of it and the whole.
    mutating func jittered(_ duration: Duration) -> Duration { duration / 2 + duration / 2000 * Int(random() % 1001) }

    mutating func number(in range: ClosedRange<UInt64>) -> UInt64 {
        range.lowerBound + random() % (range.upperBound - range.lowerBound + 1)
    }

    /// SplitMix64 (Steele, Lea, Flood 2014).
    private mutating func random() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
