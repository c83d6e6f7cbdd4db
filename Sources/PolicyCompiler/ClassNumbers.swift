// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import PolicyModel

/// Numbers of address classes. Those of addresses that the node itself takes in are below
/// ``AddressClassID/ownNodeLimit``, as long as there is room.
package struct ClassNumbers: Sendable {
    private var own: NumberAllocator
    private var others: NumberAllocator

    /// Numbers that a previous run gave are found again where they are in the right range.
    package init(hints: [StableKey: UInt32]) {
        own = NumberAllocator(limit: AddressClassID.ownNodeLimit - 1, hints: hints)
        others = NumberAllocator(from: AddressClassID.ownNodeLimit, limit: CompilerLimits.addressClasses, hints: hints)
    }

    /// A number for the class with this key; nil when all are in use.
    package mutating func allocate(_ key: StableKey, isOwn: Bool) -> UInt32? {
        if isOwn, let number = own.allocate(key) { return number }
        return others.allocate(key)
    }

    /// Whether a class may keep its number once its members are own addresses, or are none.
    package func fits(_ number: UInt32, isOwn: Bool) -> Bool {
        let isBelow = number < AddressClassID.ownNodeLimit
        return isOwn ? isBelow || own.liveCount == Int(own.limit) : !isBelow
    }

    package mutating func retire(_ number: UInt32) {
        if number < AddressClassID.ownNodeLimit { own.retire(number) } else { others.retire(number) }
    }

    package mutating func endStep() {
        own.endStep()
        others.endStep()
    }

    mutating func releaseHints() {
        own.releaseHints()
        others.releaseHints()
    }
}

extension AddressPartition {
    /// If classes merge, the number of the merged class. A new number if own addresses become others, or the reverse:
    /// the number says which they are.
    mutating func keep(_ candidates: [UInt32], as signature: [PeerSetID], _ step: inout PartitionStep) -> UInt32 {
        let isOwn = isOwn(signature)
        let fitting = candidates.filter { numbers.fits($0, isOwn: isOwn) }
        if let largest = fitting.max(by: { (classes[Int($0)].entryCount, $1) < (classes[Int($1)].entryCount, $0) }) {
            return largest
        }
        // They are empty and are retired in this step.
        if candidates.allSatisfy({ classes[Int($0)].units.isEmpty }) { return candidates[0] }
        let number = makeClass(signature)
        step.split.append((new: number, from: candidates[0]))
        return number
    }
}
