// SPDX-License-Identifier: Apache-2.0
import BulkheadABI
import CompiledPolicy
import Datapath
import NetworkTypes

/// From tables that enforce one policy to another policy, in place, when endpoints change programs or ports change
/// class. Until all endpoints have switched, programs of the old policy meet the classes of the new one: in each old
/// program, each new class and port class gets the line of the classes that it replaces.
///
/// Not every pair of policies can be joined in this way. If a new class contains what an old program distinguishes, or
/// an address would enter a class that an old program judges differently, new tables must be built beside the old ones.
struct Transition {
    private struct Change: Hashable {
        var old: UInt32
        var new: UInt32
    }

    /// Blocks to which some endpoint refers and that will not stay.
    private var leaving: [ProgramTable.Block] = []
    private var staying: [ProgramID] = []
    private var addresses: Set<Change> = []
    private var ports: Set<Change> = []
    private var newClasses: [AddressClassID] = []
    private var newPorts: [PortClassID] = []
    private let oldPorts: Set<UInt32>
    /// Endpoints in the tables that get other programs.
    private(set) var turning: [EndpointID] = []

    /// Nil if the tables cannot get there in place. `generation` enforces what it did: nothing is published.
    init?(_ generation: Generation, to policy: borrowing CompiledPolicy) {
        let before = generation.portSegments
        oldPorts = Set(before.map { UInt32($0.portClass.rawValue) })
        ports = Self.pairs(before, policy.portSegments)
        let classes = Set(policy.portSegments.map { UInt32($0.portClass.rawValue) })
        newPorts = classes.subtracting(oldPorts).sorted().map { PortClassID(rawValue: UInt16($0)) }
        // A number in use must keep at least some of its ports.
        guard generation.strayPrograms.isEmpty,
            classes.intersection(oldPorts).allSatisfy({ ports.contains(Change(old: $0, new: $0)) })
        else { return nil }
        newClasses = policy.addressClasses.keys.filter {
            $0 != .none && generation.keys[.addressClass, $0.rawValue] == nil
        }.sorted()
        findPrograms(generation, policy)
        let new = Set(newClasses.map(\.rawValue))
        for pair in generation.addressPairs(policy.addresses) {
            let change = Change(old: pair.old & BH_CLASS_MASK, new: pair.new & BH_CLASS_MASK)
            // The address carries a number without a key, which another class would get.
            guard !new.contains(change.old) else { return nil }
            addresses.insert(change)
        }
        guard joinsAddresses(generation.memory, new), joinsPorts(generation.memory) else { return nil }
    }

    private static func pairs(_ old: [PortSegment], _ new: [PortSegment]) -> Set<Change> {
        var pairs: Set<Change> = []
        for ipProtocol in IPProtocol.withPorts {
            let old = old.filter { $0.ports.ipProtocol == ipProtocol }.sorted()
            let new = new.filter { $0.ports.ipProtocol == ipProtocol }.sorted()
            var (a, b) = (0, 0)
            while a < old.count, b < new.count {
                pairs.insert(Change(old: UInt32(old[a].portClass.rawValue), new: UInt32(new[b].portClass.rawValue)))
                let (endA, endB) = (old[a].ports.range.last, new[b].ports.range.last)
                if endA <= endB { a += 1 }
                if endB <= endA { b += 1 }
            }
        }
        return pairs
    }

    private mutating func findPrograms(_ generation: Generation, _ policy: borrowing CompiledPolicy) {
        let isNew = Set(newClasses)
        let kept = policy.addressClasses.keys.filter { !isNew.contains($0) }.map { Int($0.rawValue) }
        let columns = ports.map { (old: Int($0.old), new: Int($0.new)) }
        for (id, program) in policy.programs
        where generation.keys[.program, id.rawValue] == program.key
            && generation.programs.matches(id, program, kept, columns, in: generation.memory)
        {
            staying.append(id)
        }
        let stays = Set(staying.map { generation.programs.offset(of: $0) })
        var referred: Set<UInt32> = []
        for (number, _) in generation.keys.all(.endpoint) {
            let id = EndpointID(rawValue: UInt16(number))
            let now = EndpointTable.programs(id, in: generation.memory)
            referred.formUnion([now.ingress, now.egress])
            guard let endpoint = policy.endpoints[id] else { continue }
            func willBe(_ program: ProgramID) -> UInt32? {
                if program == .none { return 0 }
                let offset = generation.programs.offset(of: program)
                return stays.contains(offset) ? offset : nil
            }
            if willBe(endpoint.ingress) != now.ingress || willBe(endpoint.egress) != now.egress { turning.append(id) }
        }
        leaving = generation.programs.blocks.values.filter {
            referred.contains($0.block.offset) && !stays.contains($0.block.offset)
        }
    }

    // MARK: Whether old programs can meet new classes

    private func joinsAddresses(_ memory: borrowing TableMemory, _ new: Set<UInt32>) -> Bool {
        for block in leaving {
            if let highest = new.max(), Int(highest) >= block.rowCapacity { return false }
            var lines: [UInt32: [UInt32]] = [:]
            for change in addresses where change.old != change.new {
                let cells = row(change.old, block, memory)
                if !new.contains(change.new), cells != row(change.new, block, memory) { return false }
                if new.contains(change.new), lines.updateValue(cells, forKey: change.new) ?? cells != cells {
                    return false
                }
            }
        }
        return true
    }

    private func joinsPorts(_ memory: borrowing TableMemory) -> Bool {
        let new = Set(newPorts.map { UInt32($0.rawValue) })
        for block in leaving {
            if let highest = new.max(), Int(highest) >= block.columnCapacity { return false }
            var lines: [UInt32: UInt16] = [:]
            for change in ports where change.old != change.new {
                let line = memory.half(atByte: Int(block.columns) * 4, Int(change.old))
                let other = memory.half(atByte: Int(block.columns) * 4, Int(change.new))
                if !new.contains(change.new), line != other { return false }
                if new.contains(change.new), lines.updateValue(line, forKey: change.new) ?? line != line {
                    return false
                }
            }
        }
        return true
    }

    /// The cells of an old program for an old class, by old port class.
    private func row(_ class: UInt32, _ block: ProgramTable.Block, _ memory: borrowing TableMemory) -> [UInt32] {
        guard Int(`class`) < block.rowCapacity else { return [] }
        let line = Int(memory.half(atByte: Int(block.rows) * 4, Int(`class`)))
        return oldPorts.filter { Int($0) < block.columnCapacity }.sorted().map { port in
            let column = Int(memory.half(atByte: Int(block.columns) * 4, Int(port)))
            return memory.load(block.cells + UInt32(line * block.stride + column))
        }
    }

    // MARK: Carrying it out

    /// Writes what nothing refers to yet. False if a pod would change class and programs by two stores that programs in
    /// force can see: new tables must then be built.
    func add(_ policy: borrowing CompiledPolicy, to generation: Generation) throws(HeapFull) -> Bool {
        for (id, rule) in policy.rules { generation.setKey(.rule, id.rawValue, rule.key) }
        for block in leaving { meetNewClasses(block, &generation.memory) }
        let stays = Set(staying)
        for (id, program) in policy.programs {
            let fits =
                stays.contains(id)
                && generation.programs.extend(
                    id, program, addressClasses: newClasses, portClasses: newPorts, in: &generation.memory)
            if !fits {
                guard !stays.contains(id) else { return false }
                let old = try generation.programs.write(id, program, to: &generation.memory)
                if let old { generation.strayPrograms.append(old.block) }
            }
            generation.setKey(.program, id.rawValue, program.key)
        }
        guard !movesVisibly(policy, generation) else { return false }
        for (id, state) in policy.addressClasses { generation.setKey(.addressClass, id.rawValue, state.key) }
        for (id, endpoint) in policy.endpoints where generation.keys[.endpoint, UInt32(id.rawValue)] == nil {
            generation.setKey(.endpoint, UInt32(id.rawValue), endpoint.key)
            generation.writeEndpoint(id, policy)
        }
        return true
    }

    private func meetNewClasses(_ block: ProgramTable.Block, _ memory: inout TableMemory) {
        let isNewClass = Set(newClasses.map(\.rawValue))
        for change in addresses where isNewClass.contains(change.new) {
            let line = memory.half(atByte: Int(block.rows) * 4, Int(change.old))
            memory.updateHalf(atByte: Int(block.rows) * 4, Int(change.new), line)
        }
        let isNewPort = Set(newPorts.map { UInt32($0.rawValue) })
        for change in ports where isNewPort.contains(change.new) {
            let line = memory.half(atByte: Int(block.columns) * 4, Int(change.old))
            memory.updateHalf(atByte: Int(block.columns) * 4, Int(change.new), line)
        }
    }

    private func movesVisibly(_ policy: borrowing CompiledPolicy, _ generation: Generation) -> Bool {
        turning.contains { id in
            (policy.endpoints[id]?.addresses ?? []).contains { address in
                let old = generation.word(of: address) & BH_CLASS_MASK
                let new = policy.addresses.entry(of: address).addressClass.rawValue
                return old != new
                    && staying.contains { program in
                        guard let block = generation.programs.blocks[program] else { return true }
                        func line(_ class: UInt32) -> UInt16 {
                            generation.memory.half(atByte: Int(block.rows) * 4, Int(`class`))
                        }
                        return line(old) != line(new)
                    }
            }
        }
    }

    /// Port classes of the old policy that are not in the new one.
    func removedPorts(_ policy: borrowing CompiledPolicy) -> [PortClassID] {
        let classes = Set(policy.portSegments.map { UInt32($0.portClass.rawValue) })
        return oldPorts.subtracting(classes).sorted().map { PortClassID(rawValue: UInt16($0)) }
    }
}

extension Generation {
    /// The leaf word of an address, as packets find it.
    func word(of address: IPAddress) -> UInt32 {
        address.family == .ipv4 ? AddressTable4.find(address.v4, in: memory) : AddressTree6.find(address, in: memory)
    }

    /// Each pair of words that some address has in these tables and in `table`. Words change only at the beginning of a
    /// span or a prefix, or just after the end of one.
    fileprivate func addressPairs(_ table: AddressTable) -> [(old: UInt32, new: UInt32)] {
        var starts: Set<IPAddress> = [IPAddress(v4: 0), IPAddress(v6High: 0, low: 0)]
        for prefix in table.prefixes.keys { starts.formUnion(prefix.ends) }
        for address in table.hosts.keys { starts.formUnion(CIDR(host: address).ends) }
        for slot in 0..<UInt32(BH_SLOTS) {
            let word = memory.load(AddressTable4.root + slot)
            let spans = isPointer(word) ? memory.spans(word, 0, .max) : [Span(0, word)]
            for span in spans { starts.insert(IPAddress(v4: slot << 16 | UInt32(span.first))) }
        }
        addStarts(AddressTree6.rootSpans(in: memory), CIDR(IPAddress(v6High: 0, low: 0), prefixLength: 0), &starts)
        var seen: Set<UInt64> = []
        return starts.compactMap { address in
            let pair = (old: word(of: address), new: table.entry(of: address).word)
            return seen.insert(UInt64(pair.old) << 32 | UInt64(pair.new)).inserted ? pair : nil
        }
    }

    private func addStarts(_ spans: [Span], _ prefix: CIDR, _ starts: inout Set<IPAddress>) {
        let group = Int(prefix.prefixLength) / 16
        for span in spans {
            var bits = Bits128(high: prefix.network.high, low: prefix.network.low)
            let value = UInt64(span.first) << UInt64((3 - group & 3) * 16)
            if group < 4 { bits.high |= value } else { bits.low |= value }
            starts.insert(IPAddress(v6High: bits.high, low: bits.low))
            guard isNode(span.word) else { continue }
            let at = offset(of: span.word)
            let network = IPAddress(v6High: memory.load64(at + 4), low: memory.load64(at + 6))
            let inner = CIDR(network, prefixLength: Int(memory.load(at + AddressTree6.groupWord)) * 16)
            starts.formUnion(inner.ends)
            addStarts(memory.spans(memory.load(at + AddressTree6.windowWord), 0, .max), inner, &starts)
        }
    }
}

extension CIDR {
    /// The first address, and the one after the last if there is one.
    var ends: [IPAddress] {
        let width = (family == .ipv4 ? 32 : 128) - Int(prefixLength)
        if family == .ipv4 {
            let (next, overflow) = UInt64(network.v4).addingReportingOverflow(1 << UInt64(width))
            return overflow || next > UInt64(UInt32.max) ? [network] : [network, IPAddress(v4: UInt32(next))]
        }
        guard width < 128 else { return [network] }
        let step = width >= 64 ? (UInt64(1) << UInt64(width - 64), UInt64(0)) : (0, UInt64(1) << UInt64(width))
        let (low, carry) = network.low.addingReportingOverflow(step.1)
        let (high, overflow) = network.high.addingReportingOverflow(step.0 + (carry ? 1 : 0))
        return overflow ? [network] : [network, IPAddress(v6High: high, low: low)]
    }
}
