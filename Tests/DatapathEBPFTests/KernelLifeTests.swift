// SPDX-License-Identifier: Apache-2.0
import BulkheadABI
import CLibBPF
import CLinuxShim
import CompiledPolicy
import Datapath
import DatapathEBPF
import Glibc
import NetworkKit
import NetworkTypes
import PacketKit
import PolicyModel
import Testing

/// The kernel's content outlives the process that wrote it.
@Suite struct KernelLifeTests {
    private static func wrongVerdicts(
        _ datapath: borrowing EBPFDatapath, _ policy: borrowing CompiledPolicy, _ random: inout SeededRandom
    ) throws -> [Flow] {
        var wrong: [Flow] = []
        for _ in 0..<100 {
            let flow = PolicyBuilder.randomFlow(policy, &random)
            let found = try datapath.testRun(packet: Packet(flow: flow).bytes, family: flow.source.family)
            if found.verdict != PolicyBuilder.verdict(flow, policy) { wrong.append(flow) }
        }
        return wrong
    }

    @Test func aSecondDaemonTakesOverWithoutAWord() throws {
        try PrivateKernel.run { bpffs in
            for seed in UInt64(1)...6 {
                var random = SeededRandom(seed)
                let policy = PolicyBuilder.random(&random)
                do {
                    var first = EBPFDatapath(bpffs: bpffs)
                    _ = try first.open()
                    _ = try first.resync(policy)
                }
                var second = EBPFDatapath(bpffs: bpffs)
                let numbering = try second.open()
                #expect(numbering.endpoints.count == policy.endpoints.count)
                #expect(numbering.rules.count == policy.rules.count)
                #expect(try Self.wrongVerdicts(second, policy, &random) == [], "before anything was written")
                let report = try second.resync(policy)
                #expect(report.wordsWritten == 0 && !report.rebuilt, "seed \(seed): \(report)")
                #expect(try second.resync(policy).wordsWritten == 0)
            }
        }
    }

    @Test func adoptionWritesOnlyWhatChanged() throws {
        try PrivateKernel.run { bpffs in
            var policy = KernelVerdictTests.onePod()
            do {
                var first = EBPFDatapath(bpffs: bpffs)
                _ = try first.open()
                _ = try first.resync(policy)
            }
            let moved = CIDR(IPAddress(v4: 0x0a02_0000), prefixLength: 16)
            policy.addresses[moved] = AddressEntry(addressClass: PolicyBuilder.addressClass(1))
            var second = EBPFDatapath(bpffs: bpffs)
            _ = try second.open()
            let report = try second.resync(policy)
            #expect(report.wordsWritten == 1 && !report.rebuilt, "\(report)")
            let flow = Flow(
                source: moved.network, destination: IPAddress(v4: 0x0a00_0001), ipProtocol: .tcp, destinationPort: 80)
            #expect(try second.testRun(packet: Packet(flow: flow).bytes, family: .ipv4).verdict == .allow)
        }
    }

    /// An upgrade: the programs of another build enforce until everything is written, and then go.
    @Test func programsOfAnotherBuildAreReplacedAtTheFirstWholeWrite() throws {
        try PrivateKernel.run { bpffs in
            var random = SeededRandom(4)
            let policy = PolicyBuilder.random(&random)
            do {
                var first = EBPFDatapath(bpffs: bpffs)
                _ = try first.open()
                _ = try first.resync(policy)
            }
            let offset = try #require(MemoryLayout<bh_header>.offset(of: \.build))
            let map = bpf_obj_get("\(bpffs)/bulkhead/v\(BH_LAYOUT_VERSION)/1/tables")
            try #require(map >= 0)
            let mapped = mmap(nil, Int(BH_FIXED_BYTES), PROT_READ | PROT_WRITE, MAP_SHARED, map, 0)
            let base = try #require(mapped)
            try #require(base != MAP_FAILED && base.load(fromByteOffset: offset, as: UInt32.self) != 0)
            base.storeBytes(of: 0, toByteOffset: offset, as: UInt32.self)
            munmap(base, Int(BH_FIXED_BYTES))
            close(map)
            // A build without this map is known by its absence.
            try #require(unlink("\(bpffs)/bulkhead/v\(BH_LAYOUT_VERSION)/1/flows") == 0)

            var second = EBPFDatapath(bpffs: bpffs)
            let numbering = try second.open()
            #expect(numbering.endpoints.count == policy.endpoints.count, "what it left is in force, and known")
            #expect(try Self.wrongVerdicts(second, policy, &random) == [])
            #expect(try second.resync(policy).rebuilt)
            #expect(try Self.wrongVerdicts(second, policy, &random) == [])
            #expect(access("\(bpffs)/bulkhead/v\(BH_LAYOUT_VERSION)/1", F_OK) != 0)
            let again = try second.resync(policy)
            #expect(!again.rebuilt && again.wordsWritten == 0)
            #expect(access("\(bpffs)/bulkhead/v\(BH_LAYOUT_VERSION)/2/flows", F_OK) == 0)
        }
    }

    /// Numbers that mean something else to the new daemon: built beside, and taken over at once.
    @Test func adoptionOfForeignNumbersRebuilds() throws {
        try PrivateKernel.run { bpffs in
            var random = SeededRandom(3)
            do {
                var first = EBPFDatapath(bpffs: bpffs)
                _ = try first.open()
                _ = try first.resync(PolicyBuilder.random(&random))
            }
            var other = PolicyBuilder.random(&random)
            for (id, addressClass) in other.addressClasses {
                other.addressClasses[id] = AddressClass(
                    key: StableKey(high: 77, low: addressClass.key.low), peerSets: [])
            }
            var second = EBPFDatapath(bpffs: bpffs)
            _ = try second.open()
            #expect(try second.resync(other).rebuilt)
            #expect(try Self.wrongVerdicts(second, other, &random) == [])
            #expect(try EBPFDatapath.installed(bpffs: bpffs).filter { $0.hasSuffix("/link4") }.count == 1)
        }
    }

    @Test func outgrownTablesAreBuiltAnewAndCountersKept() throws {
        try PrivateKernel.run { bpffs in
            var options = EBPFDatapath.Options()
            options.capacities.words = options.capacities.words - 128 * 1024 + 1024
            var datapath = EBPFDatapath(bpffs: bpffs, options: options)
            _ = try datapath.open()
            var policy = KernelVerdictTests.onePod()
            _ = try datapath.resync(policy)
            let allowed = Packet(
                flow: Flow(
                    source: IPAddress(v4: 0x0a01_0009), destination: IPAddress(v4: 0x0a00_0001), ipProtocol: .tcp,
                    destinationPort: 80)
            ).bytes
            var rebuilt = 0
            for number in UInt32(0)..<3000 {
                // Every second address of a /16 and another: chunks upon chunks.
                let prefix = CIDR(host: IPAddress(v4: 0x0a01_0000 | number * 7 % 0xfff0 + 16 | number % 3 << 17))
                let entry = AddressEntry(addressClass: PolicyBuilder.addressClass(Int(number % 2)))
                policy.addresses[prefix] = entry
                var delta = CompiledDelta()
                delta.addresses = [AddressChange(prefix, entry)]
                let report = try datapath.program(delta, of: policy)
                if report.rebuilt { rebuilt += 1 }
                if report.rebuilt || number % 100 == 0 {
                    #expect(try datapath.testRun(packet: allowed, family: .ipv4).verdict == .allow)
                }
            }
            #expect(rebuilt >= 2, "\(rebuilt)")
            #expect(try datapath.ruleCounters()[RuleID(rawValue: 1)]?.packets == UInt64(30 + rebuilt))
            var random = SeededRandom(1)
            #expect(try Self.wrongVerdicts(datapath, policy, &random) == [])
            #expect(try EBPFDatapath.installed(bpffs: bpffs).filter { $0.hasSuffix("/tables") }.count == 1)
        }
    }

    @Test func aNumberGivenAgainWaitsAndStartsAtZero() throws {
        try PrivateKernel.run { bpffs in
            var datapath = EBPFDatapath(bpffs: bpffs)
            _ = try datapath.open()
            var policy = KernelVerdictTests.onePod()
            _ = try datapath.resync(policy)
            try datapath.reclaim()
            let flow = Flow(
                source: IPAddress(v4: 0x0a03_0001), destination: IPAddress(v4: 0x0a00_0001), ipProtocol: .tcp,
                destinationPort: 80)
            let packet = Packet(flow: flow).bytes
            _ = try datapath.testRun(packet: packet, family: .ipv4)
            let (rule, pod) = (RuleID(rawValue: 2), EndpointID(rawValue: 1))
            #expect(try datapath.ruleCounters()[rule]?.packets == 1)
            try datapath.restartCounters(of: [rule])
            #expect(try datapath.ruleCounters()[rule] == nil)
            _ = try datapath.testRun(packet: packet, family: .ipv4)
            #expect(try datapath.ruleCounters()[rule]?.packets == 1)
            // Rule 2, program 1 and the pod go.
            let (oldRule, oldPod) = (policy.rules[rule], policy.endpoints[pod])
            let oldProgram = policy.programs[ProgramID(rawValue: 1)]
            var gone = CompiledDelta()
            gone.removedRules = [rule]
            gone.removedPrograms = [ProgramID(rawValue: 1)]
            gone.removedEndpoints = [pod]
            gone.addresses = oldPod!.addresses.map { AddressChange(CIDR(host: $0), nil) }
            policy.rules[rule] = nil
            policy.programs[ProgramID(rawValue: 1)] = nil
            policy.endpoints[pod] = nil
            for address in oldPod!.addresses { policy.addresses[CIDR(host: address)] = nil }
            #expect(try datapath.program(gone, of: policy).gracePeriods == 0)
            #expect(try datapath.testRun(packet: packet, family: .ipv4).verdict == .allow)
            // They come again at once.
            var back = CompiledDelta()
            back.addedRules = [rule]
            back.addedPrograms = [ProgramID(rawValue: 1)]
            back.addedEndpoints = [pod]
            policy.rules[rule] = oldRule
            policy.programs[ProgramID(rawValue: 1)] = oldProgram
            policy.endpoints[pod] = oldPod
            for address in oldPod!.addresses {
                let entry = AddressEntry(addressClass: .none, endpoint: pod)
                policy.addresses[CIDR(host: address)] = entry
                back.addresses.append(AddressChange(CIDR(host: address), entry))
            }
            #expect(try datapath.program(back, of: policy).gracePeriods == 1)
            #expect(try datapath.ruleCounters()[rule] == nil)
            #expect(try datapath.testRun(packet: packet, family: .ipv4).verdict == .deny)
            #expect(try datapath.ruleCounters()[rule]?.packets == 1)
        }
    }

    @Test func newClassesGetTheirRowsBeforeAddressesCarryThem() throws {
        try PrivateKernel.run { bpffs in
            var datapath = EBPFDatapath(bpffs: bpffs)
            _ = try datapath.open()
            var builder = PolicyBuilder()
            builder.policy = KernelVerdictTests.onePod()
            _ = try datapath.resync(builder.policy)
            let pod = IPAddress(v4: 0x0a00_0001)
            var moved = 0
            for number in 2...200 {
                let id = PolicyBuilder.addressClass(number)
                builder.policy.addressClasses[id] = AddressClass(key: PolicyBuilder.key(1, number), peerSets: [])
                for (program, var content) in builder.policy.programs {
                    let row = content.cells.count / content.columnCount
                    content.rows.append(UInt16(row))
                    let action: CellAction = number % 3 == 0 ? .allow : .deny
                    content.cells += Array(
                        repeating: Cell(action, by: RuleID(rawValue: 1)), count: content.columnCount)
                    builder.policy.programs[program] = content
                }
                let prefix = CIDR(host: IPAddress(v4: 0x0a05_0000 | UInt32(number)))
                builder.set(prefix, number)
                var delta = CompiledDelta()
                delta.addedAddressClasses = [id]
                delta.addresses = [AddressChange(prefix, AddressEntry(addressClass: id))]
                let report = try datapath.program(delta, of: builder.policy)
                if report.wordsWritten > 60 { moved += 1 }
                let flow = Flow(source: prefix.network, destination: pod, ipProtocol: .tcp, destinationPort: 443)
                let found = try datapath.testRun(packet: Packet(flow: flow).bytes, family: .ipv4).verdict
                #expect(found == (number % 3 == 0 ? .allow : .deny), "class \(number)")
            }
            #expect(moved >= 2, "programs were never written anew for want of room")
            #expect(try datapath.resync(builder.policy).wordsWritten == 0)
            #expect(try datapath.counters().inconsistent == 0)
        }
    }

    @Test func uninstallLeavesNothing() throws {
        try PrivateKernel.run { bpffs in
            #expect(try EBPFDatapath.installed(bpffs: bpffs) == [])
            #expect(try EBPFDatapath.uninstall(bpffs: bpffs) == [])
            do {
                var datapath = EBPFDatapath(bpffs: bpffs)
                _ = try datapath.open()
                _ = try datapath.resync(KernelVerdictTests.onePod())
                // While a daemon holds it, no other process does.
                #expect(throws: DatapathError.self) { try EBPFDatapath.uninstall(bpffs: bpffs) }
                #expect(throws: DatapathError.self) {
                    var second = EBPFDatapath(bpffs: bpffs)
                    _ = try second.open()
                }
                #expect(try datapath.dump().contains("endpoint 1 "))
            }
            let installed = try EBPFDatapath.installed(bpffs: bpffs)
            #expect(installed.contains { $0.hasSuffix("/link4") } && installed.contains { $0.hasSuffix("/link6") })
            #expect(installed.last == "nftables table inet bulkhead-tracking")
            let removed = try EBPFDatapath.uninstall(bpffs: bpffs)
            #expect(Set(removed) == Set(installed))
            #expect(try EBPFDatapath.installed(bpffs: bpffs) == [])
        }
    }

    @Test func aDirectoryThatIsNoBPFFileSystemIsNamed() throws {
        try PrivateKernel.run { _ in
            var datapath = EBPFDatapath(bpffs: "/tmp")
            let expected = DatapathError.unsupported(
                what: "/tmp is not on a BPF file system", remedy: "mount -t bpf bpf /tmp")
            #expect(throws: expected) { _ = try datapath.open() }
        }
    }

    @Test func unfinishedSetsAreRemoved() throws {
        try PrivateKernel.run { bpffs in
            mkdir("\(bpffs)/bulkhead", 0o700)
            mkdir("\(bpffs)/bulkhead/v\(BH_LAYOUT_VERSION)", 0o700)
            mkdir("\(bpffs)/bulkhead/v\(BH_LAYOUT_VERSION)/1", 0o700)
            mkdir("\(bpffs)/bulkhead/v0", 0o700)
            var datapath = EBPFDatapath(bpffs: bpffs)
            _ = try datapath.open()
            #expect(access("\(bpffs)/bulkhead/v0", F_OK) == 0, "other layouts enforce until all is written")
            _ = try datapath.resync(KernelVerdictTests.onePod())
            #expect(access("\(bpffs)/bulkhead/v0", F_OK) != 0)
            #expect(access("\(bpffs)/bulkhead/v\(BH_LAYOUT_VERSION)/1/tables", F_OK) == 0)
        }
    }

    @Test func programsStayWithinTheirBudgets() throws {
        try PrivateKernel.run { bpffs in
            var datapath = EBPFDatapath(bpffs: bpffs)
            let started = NetClock.ofThisThread
            _ = try datapath.open()
            let elapsed = NetClock.ofThisThread - started
            let budget = try VerifierBudget.read()
            for family in [AddressFamily.ipv4, .ipv6] {
                for hook in PacketHook.allCases {
                    let facts = try datapath.programFacts(family, hook: hook)
                    let limit = try #require(budget["\(family) \(hook)"])
                    #expect(facts.instructions <= limit.instructions, "\(hook) \(family) \(facts)")
                    #expect(facts.verified <= limit.verified, "\(hook) \(family) \(facts)")
                }
            }
            #expect(elapsed < 2_000_000_000, "loading all took \(elapsed) ns of processor time")
        }
    }

    @Test func threeCapabilitiesAreEnough() throws {
        try PrivateKernel.run { bpffs in
            // CAP_NET_ADMIN 12, CAP_PERFMON 38, CAP_BPF 39.
            let code = bh_keep_capabilities(1 << 12 | 1 << 38 | 1 << 39)
            #expect(code == 0)
            var datapath = EBPFDatapath(bpffs: bpffs)
            _ = try datapath.open()
            var random = SeededRandom(9)
            let policy = PolicyBuilder.random(&random)
            _ = try datapath.resync(policy)
            try datapath.reclaim()
            #expect(try Self.wrongVerdicts(datapath, policy, &random) == [])
            _ = try datapath.ruleCounters()
        }
    }
}
