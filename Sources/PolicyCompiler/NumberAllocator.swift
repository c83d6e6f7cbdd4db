// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy

/// Gives out small numbers, and a number that was given back as late as it can: writing a number's place in the kernel
/// again costs a grace period. Numbers stay dense: never more of them than twice the count in use (or 64).
package struct NumberAllocator: Sendable {
    private enum State: UInt8 { case free, live, retired }

    /// The lowest number.
    private let first: UInt32
    /// The highest number.
    let limit: UInt32
    private var states: [State] = [.live]
    private var next: UInt32
    private var freed: [UInt32] = []
    private var firstFreed = 0
    private var retired: [UInt32] = []
    package private(set) var liveCount = 0
    /// Numbers that a previous run gave to these keys.
    private var hints: [StableKey: UInt32] = [:]
    private var reserved: Set<UInt32> = []

    package init(from first: UInt32 = 1, limit: UInt32, hints: [StableKey: UInt32] = [:]) {
        self.first = first
        self.limit = limit
        next = first
        self.hints = hints.filter { (first...limit).contains($0.value) }
        reserved = Set(self.hints.values)
    }

    /// Whether numbers were given back in this step.
    package var hasRetired: Bool { !retired.isEmpty }

    /// A number for the thing with this key; nil when all are in use.
    package mutating func allocate(_ key: StableKey) -> UInt32? {
        if let hint = allocateHint(key) { return hint }
        let dense = min(first - 1 + UInt32(clamping: max(64, 2 * (liveCount + 1))), limit)
        if let number = fresh(upTo: dense) { return take(number) }
        while firstFreed < freed.count {
            let number = freed[firstFreed]
            firstFreed += 1
            if state(number) == .free, !reserved.contains(number) { return take(number) }
        }
        if let number = fresh(upTo: limit) { return take(number) }
        return nil
    }

    /// The number that a previous run gave to the thing with this key; nil where there is none, or it is in use.
    package mutating func allocateHint(_ key: StableKey) -> UInt32? {
        guard let hint = hints[key], state(hint) == .free else { return nil }
        return take(hint)
    }

    /// Gives a number back; it is free only after ``endStep()``.
    package mutating func retire(_ number: UInt32) {
        states[Int(number)] = .retired
        retired.append(number)
        liveCount -= 1
    }

    package mutating func endStep() {
        guard !retired.isEmpty else { return }
        if firstFreed > 1024, firstFreed * 2 > freed.count {
            freed.removeFirst(firstFreed)
            firstFreed = 0
        }
        for number in retired { states[Int(number)] = .free }
        freed += retired
        retired.removeAll(keepingCapacity: true)
    }

    /// Forgets the previous run's numbers.
    package mutating func releaseHints() {
        for number in reserved.sorted() where number < next && state(number) == .free { freed.append(number) }
        hints = [:]
        reserved = []
    }

    private func state(_ number: UInt32) -> State { Int(number) < states.count ? states[Int(number)] : .free }

    private mutating func fresh(upTo bound: UInt32) -> UInt32? {
        while next <= bound {
            let number = next
            next += 1
            // A number below `next` that was allocated by hint comes back through `freed`.
            if state(number) == .free, !reserved.contains(number) { return number }
        }
        return nil
    }

    private mutating func take(_ number: UInt32) -> UInt32 {
        while states.count <= Int(number) { states.append(.free) }
        states[Int(number)] = .live
        liveCount += 1
        return number
    }
}
