// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import DatapathEBPF
import NetworkTypes
import Testing

/// The tables against a list of prefixes searched in the slow way.
@Suite struct AddressTablesTests {
    /// Longest prefix by trying all.
    private func expected(_ address: IPAddress, _ prefixes: [CIDR: AddressEntry]) -> UInt32 {
        let found = prefixes.filter { $0.key.contains(address) }.max { $0.key.prefixLength < $1.key.prefixLength }
        return found?.value.word ?? 0
    }

    /// Ends of prefixes and their neighbors: where tables go wrong.
    private func probes(_ prefixes: some Sequence<CIDR>, _ family: AddressFamily, _ random: inout SeededRandom)
        -> [IPAddress]
    {
        var probes = (0..<20).map { _ in random.address(family) }
        for prefix in prefixes where random.chance(30) {
            let first = prefix.network
            if family == .ipv4 {
                let last = first.v4 | UInt32((UInt64(1) << UInt64(32 - prefix.prefixLength)) - 1)
                probes += [first.v4, first.v4 &- 1, last, last &+ 1].map { IPAddress(v4: $0) }
            } else {
                probes += [first, IPAddress(v6High: first.high, low: first.low &- 1)]
                probes.append(IPAddress(v6High: first.high, low: first.low | UInt64(random.number(0...65535))))
                probes.append(IPAddress(v6High: first.high &+ 1, low: first.low))
            }
        }
        return probes
    }

    @Test(arguments: 0..<11) func randomChangesIPv4(batch: Int) throws {
        for seed in UInt64(batch * 20)..<UInt64(batch * 20 + 20) { try changeRandomly(.ipv4, seed) }
    }

    @Test(arguments: 0..<11) func randomChangesIPv6(batch: Int) throws {
        for seed in UInt64(batch * 20)..<UInt64(batch * 20 + 20) { try changeRandomly(.ipv6, seed) }
    }

    private func changeRandomly(_ family: AddressFamily, _ seed: UInt64) throws {
        var random = SeededRandom(seed &* 2 + (family == .ipv4 ? 0 : 1))
        var memory = TableMemory(plainWords: TableMemory.heapBegin + 256 * 1024)
        var v4 = AddressTable4()
        var v6 = AddressTree6()
        var prefixes: [CIDR: AddressEntry] = [:]
        for round in 0..<4 {
            for _ in 0..<random.number(1...80) {
                let remove = random.chance(round == 3 ? 90 : 30)
                let old = remove ? prefixes.keys.randomElement(using: &random) : nil
                let prefix = old ?? random.prefix(family)
                let entry = remove ? nil : random.entry()
                prefixes[prefix] = entry
                if family == .ipv4 {
                    try v4.set(prefix, entry, in: &memory)
                } else {
                    try v6.set(prefix, entry, in: &memory)
                }
                if random.chance(20) { memory.releaseRetired() }
            }
            try check(family, prefixes, memory, &random, "seed \(seed) round \(round)")
            if round == Int(seed % 4) { try checkWhole(family, prefixes, &memory, &random, "seed \(seed)") }
        }
    }

    private func find(_ address: IPAddress, _ memory: borrowing TableMemory) -> UInt32 {
        address.family == .ipv4 ? AddressTable4.find(address.v4, in: memory) : AddressTree6.find(address, in: memory)
    }

    private func check(
        _ family: AddressFamily, _ prefixes: [CIDR: AddressEntry], _ memory: borrowing TableMemory,
        _ random: inout SeededRandom, _ note: String
    ) throws {
        for address in probes(prefixes.keys, family, &random) {
            let found = find(address, memory)
            if found != expected(address, prefixes) { Issue.record("\(address) \(note)") }
        }
    }

    private func checkWhole(
        _ family: AddressFamily, _ prefixes: [CIDR: AddressEntry], _ memory: inout TableMemory,
        _ random: inout SeededRandom, _ note: String
    ) throws {
        // Written as a whole: nothing differs, so nothing is stored.
        memory.releaseRetired()
        let used = memory.heap.usedWords
        _ = memory.takeWordsWritten()
        var v4 = AddressTable4()
        var v6 = AddressTree6()
        for (prefix, entry) in prefixes.sorted(by: { $0.key < $1.key }) {
            if family == .ipv4 { v4.note(prefix, entry) } else { v6.note(prefix, entry) }
        }
        if family == .ipv4 { try v4.write(to: &memory) } else { try v6.write(to: &memory) }
        #expect(memory.takeWordsWritten() == 0, "\(note)")
        #expect(memory.heap.usedWords == used, "\(note)")
        // Written over another table: all is as wanted, and nothing leaks.
        var fresh = TableMemory(plainWords: TableMemory.heapBegin + 256 * 1024)
        var others = AddressTable4()
        var others6 = AddressTree6()
        for (prefix, entry) in prefixes where random.chance(70) {
            let entry = random.chance(80) ? entry : random.entry()
            if family == .ipv4 { others.note(prefix, entry) } else { others6.note(prefix, entry) }
        }
        if family == .ipv4 { try others.write(to: &fresh) } else { try others6.write(to: &fresh) }
        var wanted = AddressTable4()
        var wanted6 = AddressTree6()
        for (prefix, entry) in prefixes {
            if family == .ipv4 { wanted.note(prefix, entry) } else { wanted6.note(prefix, entry) }
        }
        if family == .ipv4 { try wanted.write(to: &fresh) } else { try wanted6.write(to: &fresh) }
        try check(family, prefixes, fresh, &random, "rewritten, \(note)")
        fresh.releaseRetired()
        for prefix in prefixes.keys {
            if family == .ipv4 {
                try wanted.set(prefix, nil, in: &fresh)
            } else {
                try wanted6.set(prefix, nil, in: &fresh)
            }
        }
        fresh.releaseRetired()
        // The root of the IPv6 tree stays.
        #expect(fresh.heap.usedWords <= (family == .ipv4 ? 0 : 16), "\(fresh.heap.usedWords) left \(note)")
    }

    @Test func aFullHeapIsToldAndStopsThere() throws {
        var memory = TableMemory(plainWords: TableMemory.heapBegin + 64)
        var table = AddressTable4()
        #expect(throws: HeapFull.self) {
            for number in UInt32(0)..<200 {
                let prefix = CIDR(host: IPAddress(v4: 0x0a00_0000 | number * 2))
                try table.set(prefix, AddressEntry(addressClass: AddressClassID(rawValue: 1)), in: &memory)
            }
        }
    }

    @Test func aHundredThousandPrefixesStaySmall() throws {
        var random = SeededRandom(7)
        var memory = TableMemory(plainWords: TableMemory.heapBegin + 8 * 1024 * 1024)
        var v4 = AddressTable4()
        var v6 = AddressTree6()
        for number in 0..<100_000 {
            let entry = AddressEntry(addressClass: AddressClassID(rawValue: UInt32(number % 5000 + 1)))
            let bits = UInt32(truncatingIfNeeded: random.next())
            v4.note(CIDR(IPAddress(v4: bits), prefixLength: random.number(9...32)), entry)
        }
        try v4.write(to: &memory)
        let wordsV4 = memory.heap.usedWords
        for number in 0..<100_000 {
            let entry = AddressEntry(addressClass: AddressClassID(rawValue: UInt32(number % 5000 + 1)))
            let address = IPAddress(v6High: 0x2000_0000_0000_0000 | random.next() >> 3, low: random.next())
            v6.note(CIDR(address, prefixLength: random.number(20...64)), entry)
        }
        try v6.write(to: &memory)
        let wordsV6 = memory.heap.usedWords - wordsV4
        print("100,000 random prefixes: IPv4 \(wordsV4 * 4 / 1024) KiB, IPv6 \(wordsV6 * 4 / 1024) KiB")
        #expect(wordsV4 * 4 < 8 << 20)
        #expect(wordsV6 * 4 < 24 << 20)
    }
}
