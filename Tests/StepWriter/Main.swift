// SPDX-License-Identifier: Apache-2.0
import DatapathEBPF
import Glibc
import NetworkKit
import PolicyPipeline
import PolicyResolver
import WorldKit

/// Programs one random change after another into the kernel until it is killed, for the kill test.
///
/// Arguments: a BPF file system, a seed, the last change that the tables hold. A resync carries out the two changes
/// after that one, as if they had come while no daemon ran; all others are steps. Prints `begin N` and `end N` around
/// each.
@main enum StepWriter {
    static func main() throws {
        let arguments = CommandLine.arguments
        guard arguments.count == 4, let seed = UInt64(arguments[2]), var number = Int(arguments[3]) else {
            throw NetError.missing("one of: bpffs, seed, change")
        }
        var generator = WorldGenerator(seed: seed)
        for _ in 0..<number + 2 { _ = generator.change() }
        number += 2
        var datapath = EBPFDatapath(bpffs: arguments[1])
        let settings = generator.world.settings
        var pipeline = PolicyPipeline(
            nodeName: generator.world.nodeName, numbering: try datapath.open(),
            settings: PolicySettings(
                enforcesNetworkPolicyOnOwnNode: settings.enforcesNetworkPolicyOnOwnNode, nodeDNS: settings.nodeDNS))
        _ = pipeline.apply(localAddresses: settings.localAddresses)
        pipeline.ingest(generator.world.events)
        _ = pipeline.apply([])
        say("begin \(number)")
        _ = try datapath.resync(pipeline.compiled)
        say("end \(number)")
        pipeline.releaseNumbering()
        while true {
            number += 1
            let delta = pipeline.apply(generator.change())
            say("begin \(number)")
            _ = try datapath.program(delta, of: pipeline.compiled)
            say("end \(number)")
            if number % 5 == 0 {
                while pipeline.needsSettling { _ = try datapath.program(pipeline.settle(), of: pipeline.compiled) }
                try datapath.reclaim()
            }
        }
    }

    /// Straight to the file: what is in a buffer dies with the process.
    private static func say(_ line: String) {
        let bytes = Array("\(line)\n".utf8)
        guard write(1, bytes, bytes.count) == bytes.count else { fatalError("standard output is gone") }
    }
}
