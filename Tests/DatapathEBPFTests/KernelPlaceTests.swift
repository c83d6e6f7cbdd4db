// SPDX-License-Identifier: Apache-2.0
import ConnectionTracking
import Datapath
import DatapathEBPF
import Glibc
import NetworkKit
import Testing

/// Whether the removal of what enforces is noticed; needs root.
@Suite struct KernelPlaceTests {
    /// Paths of the links below a directory.
    private static func links(_ directory: String) throws -> [String] {
        try NetProcess.run(["find", directory, "-name", "link*"]).split(separator: "\n").map(String.init).sorted()
    }

    @Test(arguments: [false, true])
    func everyLinkIsMissed(judgesOwnNode: Bool) throws {
        try PrivateKernel.run { bpffs in
            var policy = KernelVerdictTests.onePod()
            policy.judgesOwnNode = judgesOwnNode
            var datapath = EBPFDatapath(bpffs: bpffs)
            #expect(throws: DatapathError.self) { try datapath.checkPlace() }
            _ = try datapath.open()
            _ = try datapath.resync(policy)
            try datapath.checkPlace()
            #expect(datapath.tableUse().map(\.table) == ["words"])
            #expect(datapath.tableUse().allSatisfy { $0.used > 0 && $0.used < $0.limit / 100 })
            let links = try Self.links(bpffs)
            #expect(links.count == (judgesOwnNode ? 6 : 2))
            for link in links {
                _ = try NetProcess.run(["bpftool", "link", "detach", "pinned", link])
                let error = #expect(throws: DatapathError.self) { try datapath.checkPlace() }
                #expect(error == .missing("the hook of \(link)"))
                #expect(datapath.repair().failure == nil)
                try datapath.checkPlace()
            }
        }
    }

    /// The pin is there and the hook is not: seen, and mended by the next start.
    @Test func aDetachedLinkIsMissed() throws {
        try PrivateKernel.run { bpffs in
            let policy = KernelVerdictTests.onePod()
            var link = ""
            do {
                var datapath = EBPFDatapath(bpffs: bpffs)
                _ = try datapath.open()
                _ = try datapath.resync(policy)
                link = try #require(Self.links(bpffs).first)
                _ = try NetProcess.run(["bpftool", "link", "detach", "pinned", link])
                let error = #expect(throws: DatapathError.self) { try datapath.checkPlace() }
                #expect(error == .missing("the hook of \(link)"))
            }
            var second = EBPFDatapath(bpffs: bpffs)
            _ = try second.open()
            try second.checkPlace()
            #expect(try Self.links(bpffs).count == 2)
        }
    }

    @Test func theTrackingTableIsMissed() throws {
        try PrivateKernel.run { bpffs in
            var datapath = EBPFDatapath(bpffs: bpffs)
            _ = try datapath.open()
            try datapath.checkPlace()
            try TrackingTable.remove()
            let error = try #require(throws: DatapathError.self) { try datapath.checkPlace() }
            #expect("\(error)".contains("bulkhead-tracking"))
        }
    }
}
