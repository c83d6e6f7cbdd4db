// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import PolicyModel

/// Numbers of address classes. Classes of own-node addresses have numbers below ``AddressClassID/ownNodeLimit``, as
/// long as there is room.
struct ClassNumbers: Sendable {
    private var own: NumberAllocator
    private var others: NumberAllocator

    /// Numbers of a previous run are reused if they are in the right range.
    init(hints: [StableKey: UInt32]) {
        own = NumberAllocator(limit: AddressClassID.ownNodeLimit - 1, hints: hints)
        others = NumberAllocator(from: AddressClassID.ownNodeLimit, limit: CompilerLimits.addressClasses, hints: hints)
    }

    /// A number for the class with this key; nil if all are in use.
    mutating func allocate(_ key: StableKey, isOwn: Bool) -> UInt32? {
        if isOwn, let number = own.allocate(key) { return number }
        return others.allocate(key)
    }

    /// Whether a class may keep its number when its members become own addresses, or cease to be.
    func fits(_ number: UInt32, isOwn: Bool) -> Bool {
        let isBelow = number < AddressClassID.ownNodeLimit
        return isOwn ? isBelow || own.liveCount == Int(own.limit) : !isBelow
    }

    mutating func retire(_ number: UInt32) {
        if number < AddressClassID.ownNodeLimit { own.retire(number) } else { others.retire(number) }
    }

    mutating func endStep() {
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
