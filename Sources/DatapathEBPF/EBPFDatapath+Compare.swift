// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import Datapath
import NetworkTypes
import PolicyModel

extension EBPFDatapath {
    /// Compares this process's copy of the tables with policy; ``repair()`` compares the copy with what packets see, all
    /// of it within some calls.
    public mutating func compareNext(
        with policy: borrowing CompiledPolicy
    ) throws(DatapathError) -> ComparedPart { try opened().compareNext(policy) }
}

extension Generation {
    fileprivate func compareNext(_ policy: borrowing CompiledPolicy) -> ComparedPart {
        var comparison = self.comparison ?? TableComparison(policy)
        guard let work = comparison.left.popLast() else {
            self.comparison = nil
            return .finished(differences: comparison.differences)
        }
        if let rest = compare(work, policy, &comparison) { comparison.left.append(rest) }
        self.comparison = comparison
        return .equal
    }

    /// Does a bounded part of some work.
    ///
    /// - Returns: what is left of it.
    private func compare(
        _ work: TableComparison.Work, _ policy: borrowing CompiledPolicy, _ found: inout TableComparison
    ) -> TableComparison.Work? {
        switch work {
        case .header:
            if judgesOwnNode != policy.judgesOwnNode { found.note("whether packets of the own node are judged") }
            if memory.load(Self.headerWord(\.own_class)) != policy.ownNodeClass.rawValue {
                found.note("the class of the own node")
            }
            return nil
        case .rules(let ids):
            for id in ids.prefix(TableComparison.keysPerStep) {
                guard let wanted = policy.rules[id] else { continue }
                if keys[.rule, id.rawValue] != wanted.key { found.note("rule \(id.rawValue)") }
            }
            let rest = ids.dropFirst(TableComparison.keysPerStep)
            return rest.isEmpty ? nil : .rules(rest)
        case .classes(let ids):
            for id in ids.prefix(TableComparison.keysPerStep) {
                guard let wanted = policy.addressClasses[id] else { continue }
                if keys[.addressClass, id.rawValue] != wanted.key { found.note("address class \(id.rawValue)") }
            }
            let rest = ids.dropFirst(TableComparison.keysPerStep)
            return rest.isEmpty ? nil : .classes(rest)
        case .endpoints(let ids):
            for id in ids.prefix(TableComparison.endpointsPerStep) {
                guard let wanted = policy.endpoints[id] else { continue }
                let isSame = keys[.endpoint, UInt32(id.rawValue)] == wanted.key && hasPrograms(id, wanted)
                if !isSame { found.note("the programs of endpoint \(id.rawValue) (\(wanted.name))") }
            }
            let rest = ids.dropFirst(TableComparison.endpointsPerStep)
            return rest.isEmpty ? nil : .endpoints(rest)
        case .programs, .ports: return comparePrograms(work, policy, &found)
        case .hosts, .prefixes, .v4, .counts: return compareAddresses(work, policy, &found)
        }
    }

    private func comparePrograms(
        _ work: TableComparison.Work, _ policy: borrowing CompiledPolicy, _ found: inout TableComparison
    ) -> TableComparison.Work? {
        if case .programs(let sweep) = work { return compareCells(sweep, policy, &found) }
        if case .ports(var protocols) = work, let ipProtocol = protocols.popFirst() {
            if !portsMatch(policy.portSegments.filter { $0.ports.ipProtocol == ipProtocol }) {
                found.note("the classes of \(ipProtocol) ports")
            }
            return protocols.isEmpty ? nil : .ports(protocols)
        }
        return nil
    }

    /// The next cells of one program.
    private func compareCells(
        _ sweep: ProgramSweep, _ policy: borrowing CompiledPolicy, _ found: inout TableComparison
    ) -> TableComparison.Work? {
        guard let id = sweep.programs.first else { return nil }
        var rest = sweep
        found.ports.update(policy)
        let ports = found.ports.classes
        let count = min(max(TableComparison.cellsPerStep / ports.count, 1), TableComparison.keysPerStep)
        let next = found.classes.dropFirst(sweep.compared).prefix(count)
        rest.compared = next.endIndex
        var isSame = true
        if let program = policy.programs[id] {
            // Others were removed meanwhile.
            let present = next.filter { policy.addressClasses[$0] != nil }.map { Int($0.rawValue) }
            isSame =
                keys[.program, id.rawValue] == program.key
                && programs.decides(id, as: program, present, ports, in: memory)
            if !isSame { found.note("program \(id.rawValue)") }
        }
        if !isSame || rest.compared >= found.classes.count || policy.programs[id] == nil { rest.endProgram() }
        return rest.programs.isEmpty ? nil : .programs(rest)
    }

    private func compareAddresses(
        _ work: TableComparison.Work, _ policy: borrowing CompiledPolicy, _ found: inout TableComparison
    ) -> TableComparison.Work? {
        switch work {
        case .hosts(var sweep):
            let isLeft = sweep.next(TableComparison.addressesPerStep, of: policy.addresses.hosts) { address, entry in
                if word(of: address) != entry.word { found.note("the address \(address)") }
            }
            return isLeft ? .hosts(sweep) : nil
        case .prefixes(let prefixes):
            for prefix in prefixes.prefix(TableComparison.prefixesPerStep) {
                for end in prefix.ends where word(of: end) != policy.addresses.entry(of: end).word {
                    found.note("the address \(end)")
                }
            }
            let rest = prefixes.dropFirst(TableComparison.prefixesPerStep)
            return rest.isEmpty ? nil : .prefixes(rest)
        case .v4(let first):
            let (difference, next) = addresses4.difference(from: first, in: memory)
            if let difference { found.note("the address \(IPAddress(v4: difference))") }
            return next.map { .v4(from: $0) }
        case .counts:
            let count = addresses4.count + addresses6.count
            let wanted = policy.addresses.hosts.count + policy.addresses.prefixes.count
            if count != wanted { found.note("\(count) addresses and prefixes, not \(wanted)") }
            return nil
        case .header, .rules, .classes, .endpoints, .programs, .ports: return nil
        }
    }
}
