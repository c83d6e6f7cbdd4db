// SPDX-License-Identifier: Apache-2.0

/// What the clock did between two records.
public enum ClockStep: Sendable, Hashable {
    /// Set back, by milliseconds.
    case back(Int64)
    /// Set forward.
    case forward(Int64)

    /// Nil if it was not set, as far as the time since boot shows. Across a boot, only a step back is visible.
    public init?(from start: JournalTime, to end: JournalTime) {
        let passed = end.uptime - start.uptime
        let shown = end.wall - start.wall
        if passed < 0 {
            guard shown < 0 else { return nil }
            self = .back(-shown)
        } else if shown - passed < -JournalPast.tolerance {
            self = .back(passed - shown)
        } else if shown - passed > JournalPast.tolerance {
            self = .forward(shown - passed)
        } else {
            return nil
        }
    }
}
