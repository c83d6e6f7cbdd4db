// SPDX-License-Identifier: Apache-2.0
import BulkheadABI
import CLibBPF
import CLinuxShim
import Datapath
import DatapathEBPF
import Glibc
import NetworkKit
import NetworkTypes
import PacketKit
import PolicyModel
import Testing

/// What others take away from a datapath that runs, and whether it is put back; needs root.
@Suite struct KernelRepairTests {
    private static func links(_ directory: String) throws -> [String] {
        try NetProcess.run(["find", directory, "-name", "link*"]).split(separator: "\n").map(String.init).sorted()
    }

    /// A flow that ``KernelVerdictTests/onePod()`` denies.
    private static func isDenied(_ datapath: borrowing EBPFDatapath) throws -> Bool {
        let flow = Flow(
            source: IPAddress(v4: 0x0a01_0005), destination: IPAddress(v4: 0x0a00_0001), ipProtocol: .tcp,
            destinationPort: 81)
        return try datapath.testRun(packet: Packet(flow: flow).bytes, family: .ipv4).verdict == .deny
    }

    private static func withOpen(_ body: (String, inout EBPFDatapath) throws -> Void) throws {
        try PrivateKernel.run { bpffs in
            var policy = KernelVerdictTests.onePod()
            policy.judgesOwnNode = true
            var datapath = EBPFDatapath(bpffs: bpffs)
            _ = try datapath.open()
            _ = try datapath.resync(policy)
            #expect(datapath.repair() == RepairReport())
            try body(bpffs, &datapath)
            #expect(datapath.repair() == RepairReport())
            try datapath.checkPlace()
            #expect(try Self.isDenied(datapath))
        }
    }

    @Test func pinsComeBackAndNothingIsDetachedMeanwhile() throws {
        try Self.withOpen { bpffs, datapath in
            let before = try NetProcess.run(["bpftool", "-j", "link", "show", "pinned", Self.links(bpffs)[0]])
            let all = try NetProcess.run(["find", bpffs])
            _ = try NetProcess.run(["rm", "-r", "\(bpffs)/bulkhead"])
            try datapath.checkPlace()
            let report = datapath.repair()
            let place = "pins in \(bpffs)/bulkhead/v\(BH_LAYOUT_VERSION)/1"
            #expect(report.failure == nil && report.repaired.count == 1, "\(report)")
            #expect(report.repaired.first?.hasSuffix(place) == true, "\(report)")
            #expect(
                try NetProcess.run(["find", bpffs]).split(separator: "\n").sorted()
                    == all.split(separator: "\n").sorted())
            #expect(try NetProcess.run(["bpftool", "-j", "link", "show", "pinned", Self.links(bpffs)[0]]) == before)
            // The directory is this process's again.
            #expect(throws: DatapathError.self) { try EBPFDatapath.uninstall(bpffs: bpffs) }
            for link in try Self.links(bpffs) {
                try #require(unlink(link) == 0)
                #expect(datapath.repair().repaired.count == 1)
            }
            // Something else under the name of a link.
            let first = try Self.links(bpffs)[0]
            try #require(rename(first, first + "-moved") == 0 && mkdir(first, 0o700) == 0)
            #expect(datapath.repair().repaired.count == 1)
            try #require(unlink(first + "-moved") == 0)
        }
    }

    @Test func whatIsPutBackOutlivesTheProcess() throws {
        try PrivateKernel.run { bpffs in
            do {
                var datapath = EBPFDatapath(bpffs: bpffs)
                _ = try datapath.open()
                _ = try datapath.resync(KernelVerdictTests.onePod())
                _ = try NetProcess.run(["rm", "-r", "\(bpffs)/bulkhead"])
                #expect(datapath.repair().failure == nil)
            }
            var second = EBPFDatapath(bpffs: bpffs)
            let numbering = try second.open()
            #expect(!numbering.endpoints.isEmpty)
            #expect(try Self.isDenied(second))
            #expect(try second.resync(KernelVerdictTests.onePod()).wordsWritten == 0)
        }
    }

    @Test func aDetachedLinkIsAttachedAgain() throws {
        try Self.withOpen { bpffs, datapath in
            for link in try Self.links(bpffs) {
                _ = try NetProcess.run(["bpftool", "link", "detach", "pinned", link])
                #expect(throws: DatapathError.self) { try datapath.checkPlace() }
                let report = datapath.repair()
                #expect(report.repaired.count == 2 && report.repaired[0].contains("hook"), "\(report)")
                try datapath.checkPlace()
            }
        }
    }

    /// Everything in a map, at once, by a process that opens its pin.
    private static func overwrite(_ path: String, with byte: UInt8) throws {
        let map = bpf_obj_get(path)
        try #require(map >= 0)
        defer { close(map) }
        var info = bpf_map_info()
        var size = UInt32(MemoryLayout<bpf_map_info>.size)
        try #require(bpf_obj_get_info_by_fd(map, &info, &size) == 0)
        let bytes = Int(info.value_size)
        let base = try #require(mmap(nil, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, map, 0))
        try #require(base != MAP_FAILED)
        memset(base, Int32(byte), bytes)
        munmap(base, bytes)
    }

    @Test(arguments: ["tables", "keys"], [UInt8(0), 0x81, 0xff])
    func whatIsWrittenIntoAMapIsPutRight(map: String, byte: UInt8) throws {
        try Self.withOpen { bpffs, datapath in
            try Self.overwrite("\(bpffs)/bulkhead/v\(BH_LAYOUT_VERSION)/1/\(map)", with: byte)
            let report = datapath.repair()
            #expect(report.repaired.last?.hasSuffix(" more words of the \(map)") == true, "\(report)")
            #expect((2...17).contains(report.repaired.count), "\(report)")
            #expect(try Self.isDenied(datapath))
            // A change of policy does not follow what others have written.
            try Self.overwrite("\(bpffs)/bulkhead/v\(BH_LAYOUT_VERSION)/1/\(map)", with: byte)
            var policy = KernelVerdictTests.onePod()
            policy.judgesOwnNode = true
            let resync = try datapath.resync(policy)
            #expect(resync.repaired == resync.repairs.count && resync.repaired > 0 && !resync.rebuilt, "\(resync)")
        }
    }

    @Test(arguments: ["flush ruleset", "delete table inet bulkhead-tracking", "flush table inet bulkhead-tracking"])
    func connectionsAreTrackedAgain(edit: String) throws {
        try Self.withOpen { _, datapath in
            let before = try NetProcess.run(["nft", "list", "ruleset"])
            _ = try NetProcess.run(["nft", edit])
            #expect(throws: DatapathError.self) { try datapath.checkPlace() }
            #expect(datapath.repair().repaired == ["the nftables table inet bulkhead-tracking"])
            #expect(try NetProcess.run(["nft", "list", "ruleset"]) == before)
        }
    }

    /// Enforcement goes on, also of a policy that needs larger tables, and is pinned when that is possible again.
    @Test func withoutItsFileSystemItGoesOn() throws {
        try Self.withOpen { bpffs, datapath in
            try #require(umount2(bpffs, 2) == 0)
            #expect(datapath.repair().failure != nil)
            try datapath.checkPlace()
            var builder = PolicyBuilder()
            builder.policy = KernelVerdictTests.onePod()
            builder.policy.judgesOwnNode = true
            builder.addRules(5000)
            #expect(try datapath.resync(builder.policy).rebuilt)
            try datapath.checkPlace()
            #expect(try Self.isDenied(datapath))
            try #require(mount("bpf", bpffs, "bpf", 0, nil) == 0)
            #expect(datapath.repair().repaired.count == 1)
            #expect(try Self.links(bpffs).count == 6)
        }
    }

    // MARK: Links that are not where uninstall looks first

    /// Runs `body` with a second BPF file system.
    private static func withSecond(_ bpffs: String, _ body: (String) throws -> Void) throws {
        var template = Array("/tmp/bulkhead-ebpf-XXXXXX".utf8CString)
        try #require(mkdtemp(&template) != nil)
        let second = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        try #require(mount("bpf", second, "bpf", 0, nil) == 0)
        defer {
            umount2(second, 2)
            rmdir(second)
        }
        try body(second)
    }

    @Test func uninstallFindsAnotherFileSystem() throws {
        try PrivateKernel.run { bpffs in
            try Self.withSecond(bpffs) { other in
                do {
                    var datapath = EBPFDatapath(bpffs: other)
                    _ = try datapath.open()
                    _ = try datapath.resync(KernelVerdictTests.onePod())
                }
                #expect(try EBPFDatapath.installed(bpffs: bpffs).contains { $0.contains("netfilter link") })
                let removed = try EBPFDatapath.uninstall(bpffs: bpffs)
                #expect(removed.contains { $0.hasPrefix(other) && $0.hasSuffix("/link4") }, "\(removed)")
                #expect(try EBPFDatapath.installed(bpffs: other) == [])
                #expect(try NetProcess.run(["find", other, "-mindepth", "1", "-name", "*bulkhead*"]) == "")
            }
        }
    }

    @Test func uninstallDetachesWhatNobodyHasPinned() throws {
        try PrivateKernel.run { bpffs in
            var held: Int32 = -1
            do {
                var datapath = EBPFDatapath(bpffs: bpffs)
                _ = try datapath.open()
                held = bpf_obj_get(try Self.links(bpffs)[0])
            }
            defer { close(held) }
            _ = try NetProcess.run(["rm", "-r", "\(bpffs)/bulkhead"])
            let removed = try EBPFDatapath.uninstall(bpffs: bpffs)
            #expect(removed.count { $0.contains("netfilter link") } == 1, "\(removed)")
            #expect(try EBPFDatapath.installed(bpffs: bpffs) == [])
        }
    }

    /// Links at the same place in the hook of another network namespace.
    @Test func uninstallLeavesOtherNetworkNamespacesAlone() throws {
        try Self.withOpen { _, _ in
            try PrivateKernel.run { other in
                do {
                    var datapath = EBPFDatapath(bpffs: other)
                    _ = try datapath.open()
                }
                let removed = try EBPFDatapath.uninstall(bpffs: other)
                #expect(
                    removed.contains { $0.hasSuffix("/link4") } && !removed.contains { $0.contains("netfilter link") })
            }
        }
    }
}

/// Why a program was not loaded, in a line.
@Suite struct LoadMessageTests {
    @Test func theVerifiersLastWordsAreKept() {
        let walk = (0..<200).map { "\($0): (bf) r1 = r2" }
        let log =
            ([
                "libbpf: prog 'bulkhead4': BPF program load failed: Permission denied",
                "libbpf: prog 'bulkhead4': -- BEGIN PROG LOAD LOG --",
            ] + walk
            + [
                "R1 unbounded memory access, make sure to bounds check", "processed 812 insns (limit 1000000)",
                "-- END PROG LOAD LOG --", "libbpf: prog 'bulkhead4': failed to load: -13",
            ])
            .joined(separator: "\n")
        let words = LoadedObject.lastWords(of: log)
        #expect(words.hasPrefix("libbpf: prog 'bulkhead4': BPF program load failed"))
        #expect(words.hasSuffix("R1 unbounded memory access, make sure to bounds check"), "\(words)")
        #expect(words.utf8.count < 400)
        #expect(LoadedObject.lastWords(of: "") == "")
        #expect(LoadedObject.lastWords(of: "libbpf: one\nlibbpf: two\n") == "libbpf: one | libbpf: two")
    }
}
