// SPDX-License-Identifier: Apache-2.0
import Glibc

/// Processor time of the calling thread: what work costs, whatever else the machine does meanwhile.
enum ProcessorTime {
    /// Used since the thread began; zero if the kernel does not say.
    static var ofThread: Duration {
        var time = timespec()
        guard clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time) == 0 else { return .zero }
        return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
    }
}
