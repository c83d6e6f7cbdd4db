// SPDX-License-Identifier: Apache-2.0
import Journal
import KubernetesObjects

/// How much may wait for the disk.
public struct JournalLimits: Sendable {
    /// Changes and events; half of them may be pods of other nodes.
    public var changes = 16_384
    /// Their estimated bytes in memory; half of them may be of pods of other nodes.
    public var bytes = 8 << 20
    /// Objects whose last version is kept when their changes are dropped.
    public var objects = 65_536
    /// Milliseconds after which a write has taken too long.
    public var patience: Int64 = 10_000

    public init() {}
}

/// Changes that were dropped because the disk did not keep up.
struct JournalLoss: Sendable {
    var count: UInt64 = 0
    /// How many of them were of pods of other nodes.
    var elsewhere: UInt64 = 0
    /// When the last one happened.
    var time: JournalTime
    /// The last change of each object that the journal keeps as a whole.
    var objects: [ObjectKey: JournalInput] = [:]
    /// Endpoints of resolved policy; nil: no change.
    var resolved: Int?
    /// Whether these are more objects than may be kept.
    var isTooMuch = false
}

/// What waits for the journal's thread, within limits: the oldest changes are dropped first, and counted.
struct JournalQueue {
    enum Item {
        case step(JournalStep)
        /// Parts of the first lists. They are not limited: the daemon itself holds these objects.
        case gather([ObjectEvent])
        case begin(JournalBeginning, JournalTime)
        case event(JournalEvent, JournalTime)
        case lost(JournalLoss)
        case read(JournalReading)
        case stop(@Sendable () -> Void)
    }

    private struct Waiting {
        var item: Item
        var changes = 0
        var elsewhere = 0
        var bytes = 0
        var elsewhereBytes = 0
    }

    private let node: String
    private let limits: JournalLimits
    private var waiting: [Waiting] = []
    /// The first one that waits.
    private var head = 0
    private var changes = 0
    private var elsewhere = 0
    private var bytes = 0
    private var elsewhereBytes = 0
    private(set) var steps = 0
    private(set) var isClosed = false
    /// Changes that were dropped since the start.
    private(set) var lost: UInt64 = 0

    init(node: String, limits: JournalLimits) {
        self.node = node
        self.limits = limits
    }

    /// - Returns: whether the thread may sleep and must be woken; nil: the queue is closed.
    mutating func put(_ item: Item) -> Bool? {
        guard !isClosed else { return nil }
        if case .stop = item { isClosed = true }
        append(measured(item))
        shed()
        return waiting.count - head == 1
    }

    /// Puts a step. Of pods of other nodes, the newest changes are dropped if too many wait: a burst of them must not
    /// displace everything else.
    mutating func put(_ step: JournalStep) -> Bool? {
        guard !isClosed else { return nil }
        var step = step
        let (far, weight) = farPart(of: step)
        // By bytes as well: otherwise they alone could exceed that limit, which drops the oldest of everything.
        let isTooMuch = elsewhere + far > limits.changes / 2 || elsewhereBytes + weight > limits.bytes / 2
        if far > 0, isTooMuch {
            step.missed = JournalLoss(time: step.time)
            for input in step.inputs where input.isElsewhere(node) { step.missed?.add(input, node) }
            step.inputs.removeAll { [node] in $0.isElsewhere(node) }
            lost += UInt64(far)
            if step.inputs.isEmpty, mergeIntoLast(step) { return waiting.count - head == 1 }
        }
        return put(.step(step))
    }

    /// - Returns: the step's changes of pods of other nodes, and their bytes.
    private func farPart(of step: JournalStep) -> (count: Int, bytes: Int) {
        step.inputs.reduce(into: (count: 0, bytes: 0)) { sum, input in
            guard input.isElsewhere(node) else { return }
            sum.count += 1
            sum.bytes += input.weight
        }
    }

    /// Adds what a step misses to the step before it, if that is nothing else.
    private mutating func mergeIntoLast(_ step: JournalStep) -> Bool {
        guard waiting.count > head, case .step(var last) = waiting[waiting.count - 1].item, last.inputs.isEmpty,
            let missed = step.missed, last.missed != nil
        else { return false }
        last.missed?.add(missed, limit: limits.objects)
        last.time = step.time
        waiting[waiting.count - 1].item = .step(last)
        return true
    }

    private mutating func append(_ new: Waiting) {
        waiting.append(new)
        changes += new.changes
        elsewhere += new.elsewhere
        bytes += new.bytes
        elsewhereBytes += new.elsewhereBytes
        if case .step = new.item { steps += 1 }
    }

    private mutating func forget(_ old: Waiting) {
        changes -= old.changes
        elsewhere -= old.elsewhere
        bytes -= old.bytes
        elsewhereBytes -= old.elsewhereBytes
        if case .step = old.item { steps -= 1 }
    }

    private func measured(_ item: Item) -> Waiting {
        switch item {
        case .step(let step):
            let far = farPart(of: step)
            return Waiting(
                item: item, changes: step.inputs.count, elsewhere: far.count,
                bytes: step.inputs.reduce(0) { $0 + $1.weight }, elsewhereBytes: far.bytes)
        case .event(let event, _): return Waiting(item: item, changes: 1, bytes: 100 + event.text.utf8.count)
        case .gather, .begin, .lost, .read, .stop: return Waiting(item: item)
        }
    }

    /// Drops the oldest changes, an eighth more than necessary so that this is rare.
    private mutating func shed() {
        guard changes > limits.changes || bytes > limits.bytes else { return }
        var place: Int?
        for index in head..<waiting.count {
            guard changes > limits.changes / 8 * 7 || bytes > limits.bytes / 8 * 7 else { break }
            let old = waiting[index]
            guard var loss = loss(of: old.item) else {
                // Later changes must not come before it.
                if case .begin = old.item { place = nil }
                continue
            }
            forget(old)
            lost += UInt64(old.changes)
            if let place, case .lost(var before) = waiting[place].item {
                before.add(loss, limit: limits.objects)
                loss = before
                waiting[place].item = .lost(loss)
                waiting[index] = Waiting(item: .gather([]))
            } else {
                waiting[index] = Waiting(item: .lost(loss))
                place = index
            }
        }
        // What was dropped into another place is empty.
        let rest = waiting[head...].filter { if case .gather(let events) = $0.item { !events.isEmpty } else { true } }
        waiting = Array(rest)
        head = 0
    }

    /// Nil for what cannot be dropped.
    private func loss(of item: Item) -> JournalLoss? {
        switch item {
        case .step(let step):
            var loss = step.missed ?? JournalLoss(time: step.time)
            for input in step.inputs { loss.add(input, node) }
            loss.time = step.time
            return loss
        case .event(let event, let time):
            var loss = JournalLoss(count: 1, time: time)
            if event.kind == .resolved { loss.resolved = event.resolvedAfter }
            return loss
        case .lost(let loss): return loss
        case .gather, .begin, .read, .stop: return nil
        }
    }

    mutating func take() -> Item? {
        guard head < waiting.count else { return nil }
        let next = waiting[head]
        waiting[head] = Waiting(item: .gather([]))
        head += 1
        forget(next)
        if head == waiting.count {
            waiting.removeAll(keepingCapacity: waiting.count < 1024)
            head = 0
        } else if head > 1024, head * 2 > waiting.count {
            waiting.removeFirst(head)
            head = 0
        }
        return next.item
    }

    /// Removes a reader that no longer waits.
    mutating func remove(_ reading: JournalReading) {
        guard
            let index = waiting[head...].firstIndex(where: { other in
                if case .read(let found) = other.item { found === reading } else { false }
            })
        else { return }
        waiting.remove(at: index)
    }
}

extension JournalLoss {
    /// Adds a change after those that it has.
    mutating func add(_ input: JournalInput, _ node: String) {
        count += 1
        let key = input.event.key
        if input.isElsewhere(node) {
            elsewhere += 1
            // The journal has no state of them, unless the name was that of a pod of this node.
            guard objects[key] != nil else { return }
        }
        objects[key] = input
    }

    /// Adds what came after it.
    mutating func add(_ later: JournalLoss, limit: Int) {
        count += later.count
        elsewhere += later.elsewhere
        time = later.time
        resolved = later.resolved ?? resolved
        isTooMuch = isTooMuch || later.isTooMuch || objects.count + later.objects.count > limit
        if isTooMuch { objects = [:] } else { objects.merge(later.objects) { $1 } }
    }
}
