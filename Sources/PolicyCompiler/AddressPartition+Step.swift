// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import NetworkTypes
import PolicyModel

extension AddressPartition {
    // MARK: 1. What the last step left

    package var needsSettling: Bool { !dying.isEmpty || !emptiedLate.isEmpty || !leftPrefixes.isEmpty }

    /// Drops the sets that died in the last step: classes that become equal merge, the fewest addresses moving.
    package mutating func settle(_ step: inout PartitionStep) {
        guard needsSettling else { return }
        step.emptied.formUnion(emptiedLate)
        emptiedLate = []
        for number in shrinkingGroups { groups[number]?.peerSets.removeAll { dying.contains($0) } }
        let unused = releaseNodes()
        mergeClasses(&step)
        for group in dyingGroups.sorted() { dissolve(group, &step) }
        lift(unused, &step)
        for set in dying {
            blocks[set] = nil
            members[set] = nil
            keys[set] = nil
            ownNodeSets.remove(set)
            bounded.remove(set)
        }
        dying = []
        dyingGroups = []
        shrinkingGroups = []
        retireEmptied(&step)
    }

    private mutating func releaseNodes() -> [UInt32] {
        var prefixes = leftPrefixes
        leftPrefixes = []
        for set in dying.sorted() {
            let list = blocks[set] ?? (members[set] ?? []).map { AddressBlock(cidr: $0) }
            for number in nodes(in: list) { nodes.nodes[Int(number)].sets.removeAll { $0 == set } }
            prefixes += Self.prefixes(of: list)
        }
        return nodes.release(prefixes)
    }

    private mutating func mergeClasses(_ step: inout PartitionStep) {
        var bySignature: [[PeerSetID]: [UInt32]] = [:]
        for number in classes.indices where classes[number].isLive {
            guard classes[number].peerSets.contains(where: { dying.contains($0) }) else { continue }
            let signature = classes[number].peerSets.filter { !dying.contains($0) }
            bySignature[signature, default: []].append(UInt32(number))
        }
        for (signature, changed) in bySignature.sorted(by: { $0.value[0] < $1.value[0] }) {
            var candidates = changed
            if let present = classNumbers[signature] { candidates.append(present) }
            let kept = signature.isEmpty ? 0 : keep(candidates, as: signature, &step)
            for number in candidates where number != kept {
                for unit in classes[Int(number)].units { move(unit, to: kept, &step) }
                step.emptied.insert(number)
            }
            if classes[Int(kept)].peerSets != signature { rename(kept, signature, &step) }
        }
    }

    /// A group that is no longer in any set: its addresses inherit again, in the class that they already have.
    private mutating func dissolve(_ group: UInt32, _ step: inout PartitionStep) {
        guard let state = groups[group] else { return }
        for unit in state.units {
            for address in units[Int(unit)].members { place(address, group: Self.noGroup, &step) }
        }
        groups[group] = nil
    }

    /// Removes unused nodes: what is at them moves to the nearest node around them that stays.
    private mutating func lift(_ unused: [UInt32], _ step: inout PartitionStep) {
        guard !unused.isEmpty else { return }
        let gone = Set(unused)
        // Inner nodes first, so that everything moves at most once, to a node that stays.
        for node in unused.reversed() {
            var target = nodes.nodes[Int(node)].parent
            while gone.contains(target) { target = nodes.nodes[Int(target)].parent }
            for unit in nodes.nodes[Int(node)].units {
                let key = UnitKey(group: units[Int(unit)].key.group, node: target)
                let destination = self.unit(key, &step)
                for address in units[Int(unit)].members {
                    putIn(address, destination, hosts[address]?.endpoint ?? 0)
                    step.touched.append(address)
                }
                classes[Int(units[Int(unit)].addressClass)].entryCount -= units[Int(unit)].members.count
                units[Int(unit)].members = []
            }
            step.touchedPrefixes.append(nodes.prefix(node))
            for unit in nodes.nodes[Int(node)].units { drop(unit, &step) }
        }
        nodes.remove(unused)
    }

    // MARK: 2. Sets that are new

    /// Adds peer sets: classes split, the fewest addresses moving; programs in force see no difference.
    package mutating func add(_ change: ResolvedChange, _ step: inout PartitionStep) {
        var dirty: Set<UInt32> = []
        for set in change.addedPeerSets.keys.sorted() {
            guard let description = change.addedPeerSets[set] else { continue }
            keys[set] = StableKey(description)
            if description.isOwnNode { ownNodeSets.insert(set) }
            if !description.bounds.isEmpty { bounded.insert(set) }
        }
        addBlocks(change.addedPeerSets, dirty: &dirty, &step)
        var discovered: Set<UInt32> = []
        for (id, sets) in change.groups {
            let gained = sets.filter { change.addedPeerSets[$0] != nil }
            guard !gained.isEmpty else { continue }
            if let old = groups[id.rawValue] {
                groups[id.rawValue]?.peerSets = (old.peerSets + gained).sorted()
                dirty.formUnion(old.units)
            } else {
                groups[id.rawValue] = Group(peerSets: gained)
                discovered.insert(id.rawValue)
            }
        }
        dying = Set(change.removedPeerSets)
        split(dirty, &step)
        // Programs also see no difference for addresses that were in no set and enter only new sets.
        guard !discovered.isEmpty else { return }
        for move in change.addresses {
            guard let group = move.group?.rawValue, discovered.contains(group) else { continue }
            if self.group(of: move.address) == Self.noGroup { place(move.address, group: group, &step) }
        }
    }

    func group(of address: IPAddress) -> UInt32 {
        hosts[address].map { units[Int($0.unit)].key.group } ?? Self.noGroup
    }

    /// Moves dirty units to the class of their new signature. The largest part of a class, by entries, keeps its
    /// number.
    private mutating func split(_ dirty: Set<UInt32>, _ step: inout PartitionStep) {
        var byClass: [UInt32: [UInt32]] = [:]
        for unit in dirty.sorted() {
            byClass[units[Int(unit)].addressClass, default: []].append(unit)
        }
        for (number, changed) in byClass.sorted(by: { $0.key < $1.key }) {
            var parts: [[PeerSetID]: [UInt32]] = [:]
            let old = classes[Int(number)].peerSets
            var rest = classes[Int(number)].entryCount
            for unit in changed {
                let signature = signature(units[Int(unit)].key)
                guard signature != old else { continue }
                parts[signature, default: []].append(unit)
                rest -= units[Int(unit)].entryCount
            }
            let sizes = parts.map { part in
                (signature: part.key, units: part.value, size: part.value.reduce(0) { $0 + units[Int($1)].entryCount })
            }.sorted { $0.size == $1.size ? $0.signature.lexicographicallyPrecedes($1.signature) : $0.size > $1.size }
            guard let largest = sizes.first else { continue }
            let isFitting = numbers.fits(number, isOwn: isOwn(largest.signature))
            if number != 0, largest.size > rest, isFitting {
                let moving = Set(changed)
                let staying = classes[Int(number)].units.filter {
                    !moving.contains($0) || signature(units[Int($0)].key) == old
                }
                rename(number, largest.signature, &step)
                if !staying.isEmpty { moveApart(staying, old, from: number, &step) }
                for part in sizes.dropFirst() { moveApart(part.units, part.signature, from: number, &step) }
            } else {
                for part in sizes { moveApart(part.units, part.signature, from: number, &step) }
            }
        }
    }

    private mutating func moveApart(
        _ moving: [UInt32], _ signature: [PeerSetID], from old: UInt32, _ step: inout PartitionStep
    ) {
        let number = makeClass(signature)
        step.split.append((new: number, from: old))
        for unit in moving { move(unit, to: number, &step) }
    }

    // MARK: 3. Who is a member now

    /// Brings groups and addresses to their final state. Sets that die now stay until ``settle(_:)``.
    package mutating func update(_ change: ResolvedChange, _ step: inout PartitionStep) {
        updateMembers(change.members, &step)
        for (id, sets) in change.groups.sorted(by: { $0.key < $1.key }) {
            setGroup(id.rawValue, final(sets, of: id.rawValue), isDying: false, &step)
        }
        for move in change.addresses {
            let group = move.group.map(\.rawValue) ?? Self.noGroup
            place(move.address, group: groups[group] == nil ? Self.noGroup : group, &step)
        }
        for id in change.removedGroups.sorted() {
            let sets = final([], of: id.rawValue)
            if sets.isEmpty { dissolve(id.rawValue, &step) } else { setGroup(id.rawValue, sets, isDying: true, &step) }
        }
    }

    /// The sets of a group after this step: its new ones, and those that die of its old ones.
    func final(_ sets: [PeerSetID], of group: UInt32) -> [PeerSetID] {
        guard !dying.isEmpty, let old = groups[group]?.peerSets else { return sets }
        let kept = old.filter { dying.contains($0) }
        return kept.isEmpty ? sets : (sets + kept).sorted()
    }

    private mutating func setGroup(
        _ number: UInt32, _ sets: [PeerSetID], isDying: Bool, _ step: inout PartitionStep
    ) {
        if isDying { dyingGroups.insert(number) }
        if sets.contains(where: { dying.contains($0) }) { shrinkingGroups.insert(number) }
        guard let old = groups[number] else {
            groups[number] = Group(peerSets: sets)
            return
        }
        guard old.peerSets != sets else { return }
        groups[number]?.peerSets = sets
        for unit in old.units { move(unit, to: addressClass(signature(units[Int(unit)].key), &step), &step) }
    }

    /// Whether an address's class changes in this step in a way that programs in force see. Call this between
    /// ``add(_:_:)`` and ``update(_:_:)``; `told`: the groups in the change.
    func movesVisibly(_ address: IPAddress, _ change: ResolvedChange, told: [IPAddress: UInt32]) -> Bool {
        let old = group(of: address)
        if let new = told[address], new != old { return true }
        if change.members.values.contains(where: { $0.concerns(address) }) { return true }
        guard let group = groups[old] else { return false }
        let id = PeerGroupID(rawValue: old)
        if let sets = change.groups[id] { return final(sets, of: old) != group.peerSets }
        return change.removedGroups.contains(id) && final([], of: old) != group.peerSets
    }

    /// The last act of a step. A class that this step made and emptied again is given back by the next one, since
    /// addresses may be on their way through it.
    package mutating func finish(_ step: inout PartitionStep) {
        let made = Set(step.created).union(step.split.map(\.new))
        let late = step.emptied.filter { made.contains($0) && classes[Int($0)].units.isEmpty }
        emptiedLate = late
        step.emptied.subtract(late)
        retireEmptied(&step)
        numbers.endStep()
    }
}
