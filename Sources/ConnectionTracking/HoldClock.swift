// SPDX-License-Identifier: Apache-2.0
import Glibc

/// The clock for the holding time of connections.
package enum HoldClock {
    /// Nanoseconds that never decrease.
    package static var now: UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}
