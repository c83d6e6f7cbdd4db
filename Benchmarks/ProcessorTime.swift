// SPDX-License-Identifier: Apache-2.0
import Foundation

/// Processor time that this process has used, in milliseconds: the machine may have other work.
func processorMilliseconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
    return Double(time.tv_sec) * 1e3 + Double(time.tv_nsec) / 1e6
}

/// Processor time that `work` uses.
func processorMilliseconds(_ work: () throws -> Void) rethrows -> Double {
    let start = processorMilliseconds()
    try work()
    return processorMilliseconds() - start
}
