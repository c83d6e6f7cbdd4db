// SPDX-License-Identifier: Apache-2.0
import BulkheadABI
import CompiledPolicy
import Datapath
import NetworkTypes

extension EBPFDatapath {
    public mutating func resync(_ policy: borrowing CompiledPolicy) throws(DatapathError) -> ProgramReport {
        let repair = repair(isWhole: true)
        var report = try resyncTables(policy)
        report.repaired += repair.repaired.count
        report.repairs += repair.repaired
        // If nothing has changed, nothing that policy denies can be established.
        if report.wordsWritten > 0 || report.rebuilt || owesRevocation { revoke(policy) }
        return report
    }

    private mutating func resyncTables(_ policy: borrowing CompiledPolicy) throws(DatapathError) -> ProgramReport {
        let generation = try opened()
        guard generation.isOfThisBuild, generation.capacities.hold(policy), generation.keysAgree(with: policy) else {
            return try rebuild(policy)
        }
        var report = ProgramReport()
        if policy.judgesOwnNode { try attachOwnNode(generation) }
        if !retired.isEmpty { report.gracePeriods += try gracePeriod() }
        let added = policy.rules.keys.filter { generation.keys[.rule, $0.rawValue] == nil }
        try zeroCounters(of: added.filter { usedRules.contains($0) })
        let start: Generation.ResyncStart
        do {
            start = try generation.start(policy)
        } catch {
            return try rebuild(policy)
        }
        guard case .classesPublished(let transition, let newcomers) = start else { return try rebuild(policy) }
        // A packet that read its classes before must not meet the new programs.
        if !newcomers.isEmpty || transition.map({ !$0.turning.isEmpty }) ?? false {
            report.gracePeriods += try gracePeriod()
        }
        do {
            for change in newcomers { try generation.write(change) }
        } catch {
            return try rebuild(policy)
        }
        generation.writeOwnClasses(policy)
        retired.add(generation.finish(transition, policy))
        generation.setJudgesOwnNode(policy.judgesOwnNode)
        try generation.detachUnwanted()
        try removeSuperseded()
        report.wordsWritten = generation.memory.takeWordsWritten()
        report.gracePeriods += generation.memory.takeGracePeriods()
        return report
    }

    /// Writes the whole policy into a new set of maps, attaches it, and removes the old set. For a moment both judge;
    /// there is never a moment without either.
    mutating func rebuild(_ policy: borrowing CompiledPolicy) throws(DatapathError) -> ProgramReport {
        let old = try opened()
        var capacities = old.capacities.grown(for: policy)
        var report = ProgramReport()
        report.rebuilt = true
        while true {
            let new = try create(number: nextNumber(), capacities)
            do {
                _ = try new.write(policy, isLive: false)
            } catch {
                capacities = capacities.withDoubleHeap
                guard capacities.words <= Capacities.wordLimit else {
                    throw .limit(what: "words of the tables", limit: Int(Capacities.wordLimit))
                }
                continue
            }
            try copyPlaces(from: old, to: new)
            try new.copyGuard(from: old)
            new.writeOwnClasses(policy)
            try copyCounters(from: old, to: new)
            new.setJudgesOwnNode(policy.judgesOwnNode)
            new.complete()
            // If it cannot be pinned, it still enforces as long as this process lives: repair() retries.
            _ = try? new.pin()
            try attach(new)
            new.takeFlows(from: old)
            _ = try? new.pin()
            superseded.append(old.directory)
            current = new
            usedRules = []
            retired = RetiredNumbers()
            report.wordsWritten = new.memory.takeWordsWritten()
            report.gracePeriods += try detach(old)
            return report
        }
    }

    /// Detaches what a new set replaces, and keeps what it has reported until no packet is in its programs.
    ///
    /// - Returns: how many grace periods that took.
    private mutating func detach(_ old: Generation) throws(DatapathError) -> Int {
        // Whatever fails.
        defer { carryEvents(of: old) }
        if old.mayJudgeOutput { current?.mayJudgeOutput = true }
        var failure: DatapathError?
        do throws(DatapathError) { try removeSuperseded() } catch { failure = error }
        old.detach()
        let count = try gracePeriod()
        if let failure { throw failure }
        return count
    }

    private mutating func removeSuperseded() throws(DatapathError) {
        for directory in superseded { try Pins.removeTree(directory) }
        superseded = []
    }

    private func copyPlaces(from old: Generation, to new: Generation) throws(DatapathError) {
        let numbers = new.keys.numbering.endpoints
        for (id, place) in old.endpoints.places {
            guard let key = old.keys[.endpoint, UInt32(id.rawValue)], let number = numbers[key] else { continue }
            try new.endpoints.set(place, of: number, in: &new.memory)
        }
    }
}

extension Generation {
    /// Whether every number in use means the same in `policy`, so that it can be written while packets are judged;
    /// otherwise a new set is written beside the old one.
    fileprivate func keysAgree(with policy: borrowing CompiledPolicy) -> Bool {
        func same(_ kind: KeyMemory.Kind, _ number: UInt32, _ key: StableKey) -> Bool {
            let found = keys[kind, number]
            return found == nil || found == key
        }
        return policy.addressClasses.allSatisfy { same(.addressClass, $0.key.rawValue, $0.value.key) }
            && policy.programs.allSatisfy { same(.program, $0.key.rawValue, $0.value.key) }
            && policy.rules.allSatisfy { same(.rule, $0.key.rawValue, $0.value.key) }
            && policy.endpoints.allSatisfy { same(.endpoint, UInt32($0.key.rawValue), $0.value.key) }
    }

    /// Whether no endpoint in the tables changes programs, and no port that one of them may judge by changes class.
    fileprivate func programsStay(in policy: borrowing CompiledPolicy) -> Bool {
        let enforcing = (1..<UInt32(EndpointID.limit)).contains { keys[.endpoint, $0] != nil }
        return (!enforcing || portsMatch(policy.portSegments))
            && policy.endpoints.allSatisfy { hasPrograms($0.key, $0.value) }
    }

    fileprivate enum ResyncStart {
        /// Nil if no endpoint switches programs. The changes give addresses to other endpoints.
        case classesPublished(Transition?, newcomers: [AddressChange])
        case impossible
    }

    /// Writes all of `policy` except what brings other programs: the switch of the endpoints, and addresses that get
    /// another endpoint.
    fileprivate func start(_ policy: borrowing CompiledPolicy) throws(HeapFull) -> ResyncStart {
        if programsStay(in: policy) {
            return .classesPublished(nil, newcomers: try write(policy, isLive: true))
        }
        guard let transition = Transition(self, to: policy), try transition.add(policy, to: self) else {
            return .impossible
        }
        writePorts(policy.portSegments)
        return .classesPublished(transition, newcomers: try writeAddresses(policy.addresses, isLive: true))
    }

    /// Switches the endpoints to their new programs and retires what is left.
    fileprivate func finish(_ transition: Transition?, _ policy: borrowing CompiledPolicy) -> CompiledDelta {
        var removed = numbersToRemove(policy)
        if let transition {
            for id in transition.turning { writeEndpoint(id, policy) }
            removed.removedPortClasses = transition.removedPorts(policy)
            removed.changedEndpoints = transition.turning
        }
        retireAll(removed)
        for block in strayPrograms { memory.retire(block) }
        strayPrograms = []
        return removed
    }

    /// Whether an endpoint is new or already has these programs, by number. If programs changed while no daemon ran,
    /// addresses may have changed class with them: see ``Transition``.
    func hasPrograms(_ id: EndpointID, _ endpoint: CompiledEndpoint) -> Bool {
        guard keys[.endpoint, UInt32(id.rawValue)] != nil else { return true }
        let (ingress, egress) = EndpointTable.programs(id, in: memory)
        func number(_ offset: UInt32) -> UInt32 { offset == 0 ? 0 : memory.load(offset) }
        return number(ingress) == endpoint.ingress.rawValue && number(egress) == endpoint.egress.rawValue
    }

    /// Makes the tables equal to `policy`, storing only what differs, in the order that keeps every packet's verdict
    /// consistent. Retires nothing.
    ///
    /// - Parameter isLive: packets are judged meanwhile.
    /// - Returns: what is left to write: the result of ``writeAddresses(_:isLive:)``.
    fileprivate func write(_ policy: borrowing CompiledPolicy, isLive: Bool) throws(HeapFull) -> [AddressChange] {
        for (id, rule) in policy.rules { setKey(.rule, id.rawValue, rule.key) }
        try writePrograms(policy)
        for (id, addressClass) in policy.addressClasses { setKey(.addressClass, id.rawValue, addressClass.key) }
        for (id, endpoint) in policy.endpoints {
            setKey(.endpoint, UInt32(id.rawValue), endpoint.key)
            writeEndpoint(id, policy)
        }
        writePorts(policy.portSegments)
        return try writeAddresses(policy.addresses, isLive: isLive)
    }

    private func writePrograms(_ policy: borrowing CompiledPolicy) throws(HeapFull) {
        // No address carries these classes yet, so their rows may be written in place.
        func isNew(_ id: AddressClassID) -> Bool { id != .none && keys[.addressClass, id.rawValue] == nil }
        let kept = policy.addressClasses.keys.filter { !isNew($0) }.map { Int($0.rawValue) }
        let added = policy.addressClasses.keys.filter(isNew).sorted()
        let ports = Set(policy.portSegments.map { Int($0.portClass.rawValue) } + [0]).map { (old: $0, new: $0) }
        for (id, program) in policy.programs {
            setKey(.program, id.rawValue, program.key)
            let fits =
                programs.matches(id, program, kept, ports, in: memory)
                && programs.extend(id, program, addressClasses: added, portClasses: [], in: &memory)
            if !fits { try rewrite(id, program) }
        }
    }

    /// - Parameter isLive: addresses that get another endpoint stay as they are: its programs are made for the classes
    ///   that all others will get.
    /// - Returns: the changes of those addresses.
    private func writeAddresses(_ table: AddressTable, isLive: Bool) throws(HeapFull) -> [AddressChange] {
        var newcomers: [AddressChange] = []
        var v4 = AddressTable4()
        var v6 = AddressTree6()
        // In order, each is appended at the end; in another order, half of the array would move each time.
        var entries = table.prefixes.map { (prefix: $0, entry: $1) }
        entries += table.hosts.map { (prefix: CIDR(host: $0), entry: $1) }
        entries.sort { $0.prefix < $1.prefix }
        for (prefix, wanted) in entries {
            var entry = wanted
            if isLive, wanted.endpoint != .none {
                let now = AddressEntry(word: word(of: prefix.network))
                if now.endpoint != wanted.endpoint {
                    newcomers.append(AddressChange(prefix, wanted))
                    entry = now
                }
            }
            switch prefix.family {
            case .ipv4: v4.note(prefix, entry)
            case .ipv6: v6.note(prefix, entry)
            }
        }
        try v4.write(to: &memory)
        try v6.write(to: &memory)
        addresses4 = v4
        addresses6 = v6
        return newcomers
    }

    private func numbersToRemove(_ policy: borrowing CompiledPolicy) -> CompiledDelta {
        var removed = CompiledDelta()
        for (number, _) in keys.all(.endpoint) where policy.endpoints[EndpointID(rawValue: UInt16(number))] == nil {
            removed.removedEndpoints.append(EndpointID(rawValue: UInt16(number)))
        }
        for (number, _) in keys.all(.program) where policy.programs[ProgramID(rawValue: number)] == nil {
            removed.removedPrograms.append(ProgramID(rawValue: number))
        }
        for (number, _) in keys.all(.addressClass)
        where policy.addressClasses[AddressClassID(rawValue: number)] == nil {
            removed.removedAddressClasses.append(AddressClassID(rawValue: number))
        }
        for (number, _) in keys.all(.rule) where policy.rules[RuleID(rawValue: number)] == nil {
            removed.removedRules.append(RuleID(rawValue: number))
        }
        return removed
    }
}
