// SPDX-License-Identifier: Apache-2.0
import Glibc
import PrometheusText

/// The metrics that every process has, under the names that dashboards know.
enum ProcessFigures {
    /// Leaves out what cannot be read.
    static func metrics() -> [MetricFamily] {
        var metrics: [MetricFamily] = []
        var time = timespec()
        if clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time) == 0 {
            metrics.append(
                MetricFamily(
                    "process_cpu_seconds_total", "Processor time used, of kernel and user.", .counter,
                    [.init(value: .number(seconds(time)))]))
        }
        // The second field of /proc/self/statm is the resident memory. In /proc/self/stat, the 20th field after the
        // name in parentheses is the start of the process, in ticks since the start of the machine (proc(5)).
        if let resident = read("/proc/self/statm")?.split(separator: " ").dropFirst().first.flatMap({ Int($0) }) {
            metrics.append(
                .gauge(
                    "process_resident_memory_bytes", "Resident memory of the process.",
                    resident * sysconf(Int32(_SC_PAGESIZE))))
        }
        var boot = timespec()
        var now = timespec()
        if let stat = read("/proc/self/stat"), let end = stat.lastIndex(of: ")"),
            let ticks = stat[end...].split(separator: " ").dropFirst(20).first.flatMap({ Double($0) }),
            clock_gettime(CLOCK_BOOTTIME, &boot) == 0, clock_gettime(CLOCK_REALTIME, &now) == 0
        {
            let started = seconds(now) - seconds(boot) + ticks / Double(sysconf(Int32(_SC_CLK_TCK)))
            metrics.append(
                .gauge("process_start_time_seconds", "When the process started, in seconds since 1970.", started))
        }
        return metrics
    }

    private static func seconds(_ time: timespec) -> Double { Double(time.tv_sec) + Double(time.tv_nsec) / 1e9 }

    private static func read(_ path: String) -> String? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        let bytes = [UInt8](unsafeUninitializedCapacity: 4096) { buffer, count in
            count = max(0, Glibc.read(descriptor, buffer.baseAddress, buffer.count))
        }
        return bytes.isEmpty ? nil : String(decoding: bytes, as: UTF8.self)
    }
}
