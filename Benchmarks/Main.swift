// SPDX-License-Identifier: Apache-2.0
import Glibc

/// Runs the benchmarks that its arguments name, or all; each prints ratios against a baseline of the same run.
@main
enum Main {
    static let benchmarks: [(name: String, run: @Sendable () throws -> Void)] = [
        ("authorization", benchAuthorization),
        ("cluster", benchCluster),
        ("compile", benchCompile),
        ("describe", benchDescribe),
        ("hotpath", benchHotPath),
        ("http", benchHTTP),
        ("journal", benchJournal),
        ("latency", benchLatency),
        ("lint", benchLint),
        ("live", benchLive),
        ("livetable", benchLiveTable),
        ("nftables", benchNFTables),
        ("objects", benchObjects),
        ("proof", benchProof),
        ("reach", benchReach),
        ("report", benchReport),
        ("tiers", benchTiers),
        ("plugin", benchPlugin),
    ]

    static func main() throws {
        if CommandLine.arguments.dropFirst().first == "counted" {
            exit(runCounted(CommandLine.arguments.dropFirst(2).first))
        }
        if CommandLine.arguments.dropFirst() == ["small-hotpath"] { return try measureSmallHotPath() }
        let wanted = Set(CommandLine.arguments.dropFirst())
        let known = Set(benchmarks.map(\.name))
        guard wanted.isSubset(of: known) else {
            print("usage: bulkhead-bench [\(benchmarks.map(\.name).joined(separator: "] ["))]")
            return
        }
        for benchmark in benchmarks where wanted.isEmpty || wanted.contains(benchmark.name) {
            print("== \(benchmark.name)")
            try benchmark.run()
        }
    }
}
