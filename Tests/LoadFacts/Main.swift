// SPDX-License-Identifier: Apache-2.0
import Datapath
import DatapathEBPF
import Glibc

/// Prints what the running kernel offers to the eBPF datapath, and what its verifier needs for each program, as lines
/// of words between tabs.
@main enum LoadFacts {
    static func main() {
        let support = EBPFSupport()
        print("support\t\(support)")
        if let missing = support.missing {
            print("missing\t\(missing)")
            return
        }
        var start = timespec()
        clock_gettime(CLOCK_MONOTONIC, &start)
        do throws(DatapathError) {
            for program in try VerifierFigures.measure().programs {
                let numbers = [program.instructions, program.states, program.peakStates, program.microseconds]
                print("program\t\(program.name)\t" + numbers.map { "\($0)" }.joined(separator: "\t"))
            }
        } catch {
            print("missing\t\(error)")
            return
        }
        var end = timespec()
        clock_gettime(CLOCK_MONOTONIC, &end)
        print("loaded\t\((end.tv_sec - start.tv_sec) * 1000 + (end.tv_nsec - start.tv_nsec) / 1_000_000)")
    }
}
