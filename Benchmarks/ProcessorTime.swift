// SPDX-License-Identifier: Apache-2.0
import Foundation

/// Processor time that this process has used, in milliseconds: the machine may have other work.
func processorMilliseconds() -> Double { milliseconds(of: CLOCK_PROCESS_CPUTIME_ID) }

/// Processor time that `work` uses.
func processorMilliseconds(_ work: () throws -> Void) rethrows -> Double {
    let start = processorMilliseconds()
    try work()
    return processorMilliseconds() - start
}

/// Processor time that another process has used so far, in milliseconds; nil: there is none.
func processorMilliseconds(of process: pid_t) -> Double? {
    var clock = clockid_t()
    return clock_getcpuclockid(process, &clock) == 0 ? milliseconds(of: clock) : nil
}

private func milliseconds(of clock: clockid_t) -> Double {
    var time = timespec()
    clock_gettime(clock, &time)
    return Double(time.tv_sec) * 1e3 + Double(time.tv_nsec) / 1e6
}

/// Processor time of all child processes that have ended, in milliseconds.
func childrensMilliseconds() -> Double {
    var usage = rusage()
    getrusage(Int32(truncatingIfNeeded: RUSAGE_CHILDREN.rawValue), &usage)
    func milliseconds(_ time: timeval) -> Double { Double(time.tv_sec) * 1e3 + Double(time.tv_usec) / 1e3 }
    return milliseconds(usage.ru_utime) + milliseconds(usage.ru_stime)
}
