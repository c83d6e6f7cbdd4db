// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import Datapath
import NetworkTypes

extension EBPFDatapath {
    public mutating func program(
        _ delta: CompiledDelta, of policy: borrowing CompiledPolicy
    ) throws(DatapathError) -> ProgramReport {
        let generation = try opened()
        guard !delta.isEmpty else { return ProgramReport() }
        if generation.mayDeny(delta, policy) { owesRevocation = true }
        let report = try carryOut(delta, policy, generation)
        if owesRevocation {
            revoke(policy)
        } else {
            _ = revoked.forgetAllowed(by: policy)
        }
        return report
    }

    private mutating func carryOut(
        _ delta: CompiledDelta, _ policy: borrowing CompiledPolicy, _ generation: Generation
    ) throws(DatapathError) -> ProgramReport {
        guard generation.capacities.hold(delta) else { return try rebuild(policy) }
        var report = ProgramReport()
        if delta.changesOwnNode, policy.judgesOwnNode {
            try attachOwnNode(generation)
        }
        if retired.conflicts(with: delta) { report.gracePeriods += try gracePeriod() }
        try zeroCounters(of: delta.addedRules.filter { usedRules.contains($0) })
        // A packet that read a program before it was retired may read the class of its port only now.
        if retired.programs, delta.hasInvisibleSteps { report.gracePeriods += try gracePeriod() }
        do {
            try generation.addAll(delta, policy)
            try generation.publishInvisible(delta)
        } catch {
            return try rebuild(policy)
        }
        // A packet that read its classes before must not meet the new programs.
        if delta.hasInvisibleSteps, delta.hasVisibleSteps { report.gracePeriods += try gracePeriod() }
        do {
            try generation.publishVisible(delta, policy)
        } catch {
            return try rebuild(policy)
        }
        generation.setJudgesOwnNode(policy.judgesOwnNode)
        generation.retireAll(delta)
        usedRules.formUnion(delta.removedRules)
        retired.add(delta)
        if delta.changesOwnNode { try generation.detachUnwanted() }
        report.wordsWritten = generation.memory.takeWordsWritten()
        report.gracePeriods += generation.memory.takeGracePeriods()
        return report
    }
}

extension CompiledDelta {
    fileprivate var hasInvisibleSteps: Bool { !portSegments.isEmpty || invisibleAddressCount > 0 }
    fileprivate var hasVisibleSteps: Bool {
        addresses.count > invisibleAddressCount || !changedEndpoints.isEmpty || changesOwnNodeClass
    }
}

extension Generation {
    fileprivate func publishInvisible(_ delta: CompiledDelta) throws(HeapFull) {
        writePorts(delta.portSegments)
        for change in delta.addresses.prefix(delta.invisibleAddressCount) { try write(change) }
    }

    fileprivate func publishVisible(_ delta: CompiledDelta, _ policy: borrowing CompiledPolicy) throws(HeapFull) {
        for change in delta.addresses.dropFirst(delta.invisibleAddressCount) { try write(change) }
        if delta.changesOwnNodeClass { writeOwnClasses(policy) }
        for id in delta.changedEndpoints { writeEndpoint(id, policy) }
    }

    fileprivate func addAll(_ delta: CompiledDelta, _ policy: borrowing CompiledPolicy) throws(HeapFull) {
        for id in delta.addedRules { setKey(.rule, id.rawValue, policy.rules[id]?.key) }
        for id in delta.addedAddressClasses { setKey(.addressClass, id.rawValue, policy.addressClasses[id]?.key) }
        for id in delta.renamedAddressClasses { setKey(.addressClass, id.rawValue, policy.addressClasses[id]?.key) }
        let added = Set(delta.addedPrograms)
        if !delta.addedAddressClasses.isEmpty || !delta.addedPortClasses.isEmpty {
            for id in programs.blocks.keys where !added.contains(id) {
                guard let program = policy.programs[id] else { continue }
                let fits = programs.extend(
                    id, program, addressClasses: delta.addedAddressClasses, portClasses: delta.addedPortClasses,
                    in: &memory)
                if !fits { try rewrite(id, program) }
            }
        }
        for id in delta.addedPrograms {
            guard let program = policy.programs[id] else { continue }
            setKey(.program, id.rawValue, program.key)
            try rewrite(id, program)
        }
        for id in delta.addedEndpoints {
            setKey(.endpoint, UInt32(id.rawValue), policy.endpoints[id]?.key)
            writeEndpoint(id, policy)
        }
    }

    /// Writes a program into a new block and switches the endpoints of the old block to it.
    func rewrite(_ id: ProgramID, _ program: Program) throws(HeapFull) {
        guard let old = try programs.write(id, program, to: &memory) else { return }
        EndpointTable.replaceProgram(old.block.offset, by: programs.offset(of: id), in: &memory)
        memory.retire(old.block)
    }

    func writeEndpoint(_ id: EndpointID, _ policy: borrowing CompiledPolicy) {
        guard let endpoint = policy.endpoints[id] else { return }
        EndpointTable.setPrograms(
            id, ingress: programs.offset(of: endpoint.ingress), egress: programs.offset(of: endpoint.egress),
            in: &memory)
    }

    func write(_ change: AddressChange) throws(HeapFull) {
        switch change.prefix.family {
        case .ipv4: try addresses4.set(change.prefix, change.entry, in: &memory)
        case .ipv6: try addresses6.set(change.prefix, change.entry, in: &memory)
        }
    }

    func retireAll(_ delta: CompiledDelta) {
        for id in delta.removedEndpoints {
            // The record keeps its programs until the number is reused: a packet may have found the endpoint a moment
            // ago.
            endpoints.forget(id, in: &memory)
            setKey(.endpoint, UInt32(id.rawValue), nil)
        }
        for id in delta.removedPrograms {
            programs.remove(id, from: &memory)
            setKey(.program, id.rawValue, nil)
        }
        for id in delta.removedAddressClasses { setKey(.addressClass, id.rawValue, nil) }
        for id in delta.removedRules { setKey(.rule, id.rawValue, nil) }
    }

    func setKey(_ kind: KeyMemory.Kind, _ number: UInt32, _ key: StableKey?) {
        memory.wordsWritten += keys.set(kind, number, key)
    }
}
