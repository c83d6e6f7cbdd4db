// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials
import FuzzDriver
import Glibc
import PrometheusText
import RequestDecider
import RequestPolicy

/// Any bytes as a decider's counts: read or refused; what is read is written and read alike, and counted within limits.
private func fuzzCounts(_ start: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
    let bytes = Data(UnsafeBufferPointer(start: start, count: count))
    guard let counts = try? JSONDecoder().decode(RequestCounts.self, from: bytes) else { return 0 }
    guard let written = try? JSONEncoder().encode(counts) else { preconditionFailure("it cannot be written") }
    precondition((try? JSONDecoder().decode(RequestCounts.self, from: written)) == counts)
    var counters = RequestCounters()
    for _ in 0..<3 { counters.putBack(counts) }
    let told = counters.takeUntold(generation: 1)
    precondition((told?.denied.count ?? 0) <= RequestCounts.deniedLimit)
    precondition((told?.counts.count ?? 0) <= counts.counts.count)
    precondition(counters.takeUntold(generation: 1) == nil)
    _ = PrometheusText.text(of: counters.families)
    return 0
}

@main enum RequestCountsFuzz {
    static func main() { exit(fuzz(fuzzCounts)) }
}
