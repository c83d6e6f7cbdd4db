// SPDX-License-Identifier: Apache-2.0
import BulkheadABI
import Datapath
import DatapathEBPF
import Glibc
import NetworkKit
import Testing

/// What a start says about the time before it.
@Suite struct KernelTakeoverTests {
    private func run(_ bpffs: String) throws -> Takeover {
        var datapath = EBPFDatapath(bpffs: bpffs)
        _ = try datapath.open()
        _ = try datapath.resync(KernelVerdictTests.onePod())
        return datapath.takeover
    }

    @Test func whatWasThereIsNamed() throws {
        try PrivateKernel.run { bpffs in
            let root = "\(bpffs)/bulkhead/v\(BH_LAYOUT_VERSION)/1"
            #expect(!EBPFDatapath.isInForce(bpffs: bpffs))
            #expect(try run(bpffs) == .nothing)
            #expect(try run(bpffs) == .whole && EBPFDatapath.isInForce(bpffs: bpffs))
            try #require(unlink("\(root)/link4") == 0)
            #expect(try run(bpffs) == .part(["the program at the forward hook, ipv4"]))
            #expect(try run(bpffs) == .whole)
            _ = try NetProcess.run(["nft", "delete table inet bulkhead-tracking"])
            #expect(try run(bpffs) == .part(["the nftables table inet bulkhead-tracking"]))
            _ = try EBPFDatapath.uninstall(bpffs: bpffs)
            mkdir("\(bpffs)/bulkhead", 0o700)
            mkdir("\(bpffs)/bulkhead/v0", 0o700)
            // Directories enforce nothing.
            #expect(!EBPFDatapath.isInForce(bpffs: bpffs))
            #expect(try run(bpffs) == .other)
        }
    }
}
