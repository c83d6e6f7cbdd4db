// SPDX-License-Identifier: Apache-2.0
import Glibc

/// Two clocks at one moment: packets have times of one or the other. Take one for all packets of a batch, so that their
/// order stays.
public struct ClockPair: Sendable {
    /// CLOCK_MONOTONIC, in nanoseconds.
    public var monotonic: UInt64
    /// CLOCK_REALTIME, in nanoseconds since 1970.
    public var sinceEpoch: Int64

    public init(monotonic: UInt64, sinceEpoch: Int64) {
        self.monotonic = monotonic
        self.sinceEpoch = sinceEpoch
    }

    /// Both clocks now. A thread that loses the processor between two readings would take them for one moment: the
    /// closest of a few readings counts.
    public static var now: ClockPair {
        closest { clock in
            var time = timespec()
            clock_gettime(clock, &time)
            return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
        }
    }

    /// - Parameter read: a clock's nanoseconds.
    package static func closest(_ read: (clockid_t) -> Int64) -> ClockPair {
        var best = (gap: Int64.max, pair: ClockPair(monotonic: 0, sinceEpoch: 0))
        for _ in 0..<5 {
            let before = read(CLOCK_MONOTONIC)
            let sinceEpoch = read(CLOCK_REALTIME)
            let gap = read(CLOCK_MONOTONIC) - before
            if gap < best.gap {
                best = (gap, ClockPair(monotonic: UInt64(clamping: before + gap / 2), sinceEpoch: sinceEpoch))
            }
            if gap < 10_000 { break }
        }
        return best.pair
    }

    /// Nanoseconds since 1970 of a moment of CLOCK_MONOTONIC.
    public func sinceEpoch(ofMonotonic moment: UInt64) -> Int64 {
        sinceEpoch &+ Int64(clamping: moment) &- Int64(clamping: monotonic)
    }

    /// The moment of CLOCK_MONOTONIC of a time of day. A clock that was set back or forward makes none of the future, nor
    /// of before the machine's start.
    public func monotonic(ofSinceEpoch time: Int64) -> UInt64 {
        guard time < sinceEpoch else { return monotonic }
        // The difference fits into 64 bits without a sign, whatever the two are.
        return monotonic - min(UInt64(bitPattern: sinceEpoch &- time), monotonic)
    }
}
