// SPDX-License-Identifier: Apache-2.0
import CLibNFTNL
import KernelErrors

extension Transaction {
    /// The transaction from `kernel` to `contents`. If sets, chains or objects exist in another form, everything is
    /// written from scratch, as if there were no table: it is one transaction either way.
    package static func difference(
        from kernel: KernelTable?, to contents: TableContents, _ socket: NetfilterSocket
    ) throws(KernelError) -> Transaction {
        guard let kernel, kernel.canBecome(contents) else { return Transaction(replacing: contents) }
        var step = Transaction()
        step.compareObjects(kernel, contents)
        try step.compareSets(kernel, contents, TableReader(contents.table, socket))
        step.compareChains(kernel, contents)
        return step
    }

    /// The transaction from one content to another of the same objects, without reading the kernel.
    package init(from old: TableContents, to new: TableContents) {
        for set in new.sets.values.sorted(by: { $0.shape.name < $1.shape.name }) {
            guard let before = old.sets[set.shape.name] else {
                newSets.append(set)
                continue
            }
            compare(before.members, with: set)
        }
        for chain in new.chains.values.sorted(by: { $0.name < $1.name }) {
            guard let before = old.chains[chain.name] else {
                newChains.append(chain)
                continue
            }
            if before != chain { rewrittenChains.append(chain) }
        }
        removedChains = old.chains.keys.sorted().filter { new.chains[$0] == nil }
        removedBaseChains = Set(removedChains.filter { old.chains[$0]?.hook != nil })
        removedSets = old.sets.keys.sorted().filter { new.sets[$0] == nil }
    }

    private mutating func compareObjects(_ kernel: KernelTable, _ contents: TableContents) {
        for object in contents.objects.values.sorted(by: { $0.name < $1.name })
        where kernel.objects[object.name] == nil { newObjects.append(object) }
        for name in kernel.objects.keys.sorted() where contents.objects[name] == nil {
            removedObjects.append(TableObject(name))
        }
    }

    private mutating func compareSets(
        _ kernel: KernelTable, _ contents: TableContents, _ reader: TableReader
    ) throws(KernelError) {
        for set in contents.sets.values.sorted(by: { $0.shape.name < $1.shape.name }) {
            guard kernel.sets[set.shape.name] != nil else {
                newSets.append(set)
                continue
            }
            var members = try reader.members(of: set.shape)
            // While the kernel grows a hash table, a listing may lack members: what differs is read once more.
            if members != set.members { members = try reader.members(of: set.shape) }
            compare(members, with: set)
        }
        // Sets without a name of their own disappear with the rules that use them.
        for name in kernel.sets.keys.sorted() where contents.sets[name] == nil && !name.hasPrefix("__") {
            removedSets.append(name)
        }
    }

    private mutating func compare(_ members: Members?, with set: TableSet) {
        guard members != set.members else { return }
        func some(_ members: Members) -> [TableSet] { members.isEmpty ? [] : [TableSet(set.shape, members)] }
        switch (members, set.members) {
        case (.addresses(let old), .addresses(let new)):
            removedMembers += some(.addresses(old.subtracting(new)))
            addedMembers += some(.addresses(new.subtracting(old)))
        case (.elements(let old), .elements(let new)) where !set.shape.isInterval:
            removedMembers += some(.elements(old.subtracting(new)))
            addedMembers += some(.elements(new.subtracting(old)))
        default:
            emptiedSets.append(set.shape)
            addedMembers += some(set.members)
        }
    }

    private mutating func compareChains(_ kernel: KernelTable, _ contents: TableContents) {
        for chain in contents.chains.values.sorted(by: { $0.name < $1.name }) {
            guard let existing = kernel.chains[chain.name] else {
                newChains.append(chain)
                continue
            }
            if existing.rules != chain.rules.map({ $0.fingerprint(in: chain.name, of: contents.table) }) {
                rewrittenChains.append(chain)
            }
        }
        removedChains += kernel.chains.keys.sorted().filter { contents.chains[$0] == nil }
        removedBaseChains.formUnion(removedChains.filter { kernel.chains[$0]?.isBase ?? false })
    }
}

extension KernelTable {
    /// Whether everything that stays has the right form.
    fileprivate func canBecome(_ contents: TableContents) -> Bool {
        flags == 0
            && objects.allSatisfy { name, object in
                guard let wanted = contents.objects[name] else { return object.kind == UInt32(NFT_OBJECT_COUNTER) }
                return wanted.fingerprint == object.fingerprint && wanted.userData == object.userData
            }
            && sets.allSatisfy { name, fingerprint in
                contents.sets[name].map { $0.shape.fingerprint == fingerprint } ?? true
            }
            && chains.allSatisfy { name, chain in
                contents.chains[name].map { $0.fingerprint == chain.fingerprint } ?? true
            }
    }
}

extension TableObject {
    var fingerprint: String {
        switch kind {
        case .counter: "counter"
        case .limit(let perSecond, let burst): Fingerprint.limit(rate: perSecond, unit: 1, burst: burst)
        }
    }
}

extension SetShape {
    package var fingerprint: String {
        Fingerprint.set(
            keyType: keyType, keyBytes: UInt32(keyBytes), flags: flags, timeout: 0, userData: userData.bytes)
    }
}

extension TableChain {
    var fingerprint: String {
        let entry = hook.map { "filter \($0.number) \($0.priority) \(NF_ACCEPT)" }
        return Fingerprint.chain(hook: entry, userData: UserData.comment(comment).bytes)
    }
}

extension TableRule {
    /// What ``TableReader/rules()`` reads back for it.
    package func fingerprint(in chain: String, of table: TableIdentity) -> [UInt8] {
        let rule = allocate(in: chain, of: table)
        defer { nftnl_rule_free(rule) }
        return Fingerprint.rule(rule)
    }
}
