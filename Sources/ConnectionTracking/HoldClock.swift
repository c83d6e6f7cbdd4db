// SPDX-License-Identifier: Apache-2.0
import Glibc

/// The clock by which connections are held.
package enum HoldClock {
    /// Nanoseconds that only grow.
    package static var now: UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}
