// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import NetworkTypes
import PolicyModel

/// Ports cut into classes by the ranges that programs use. Class 0 is what no range covers.
package struct PortPartition: Sendable {
    private var references: [ProtocolPorts: Int] = [:]
    /// Ranges that cut the present segments: those in use, and, between ``release(_:)`` and ``settle()``, others.
    private var cutting: Set<ProtocolPorts> = []
    package private(set) var segments = Self.uncut
    /// Classes that each range is made of.
    package private(set) var classesOfRange: [ProtocolPorts: [PortClassID]] = [:]
    private var liveClasses: Set<PortClassID> = [.none]
    private var numbers: NumberAllocator
    /// From a previous run: a new class gets the number that most of its ports had.
    private var hints: [PortSegment]

    /// - Parameter hints: segments of a previous run, complete as ``segments`` are, or none.
    package init(hints: [PortSegment] = []) {
        self.hints = hints.sorted()
        let classes = Set(hints.map { UInt32($0.portClass.rawValue) }).subtracting([0])
        let keys = classes.map { (Self.hintKey($0), $0) }
        numbers = NumberAllocator(limit: UInt32(UInt16.max), hints: Dictionary(uniqueKeysWithValues: keys))
    }

    private static func hintKey(_ number: UInt32) -> StableKey { StableKey(high: 0, low: UInt64(number)) }

    /// Forgets the previous run's numbers.
    mutating func releaseHints() {
        hints = []
        numbers.releaseHints()
    }

    private static let uncut = IPProtocol.withPorts.sorted().map { PortSegment(ProtocolPorts($0, .all), .none) }

    /// What a change of the ranges did to the classes.
    package struct Change {
        package var added: [(PortClassID, from: PortClassID)] = []
        package var removed: [PortClassID] = []
    }

    package var classCount: Int { liveClasses.count }
    private(set) var highestClass: UInt16 = 0
    package var rangeCount: Int { references.count }
    package func isInUse(_ range: ProtocolPorts) -> Bool { references[range] != nil }

    package mutating func retain(_ range: ProtocolPorts) { references[range, default: 0] += 1 }

    package mutating func release(_ range: ProtocolPorts) {
        guard let count = references[range] else { return }
        references[range] = count == 1 ? nil : count - 1
    }

    /// Cuts by the ranges in use, on top of those that cut already: classes only split.
    package mutating func split() -> Change? {
        let new = references.keys.filter { !cutting.contains($0) }
        guard !new.isEmpty else { return nil }
        cutting.formUnion(new)
        return recut()
    }

    /// Forgets unused ranges: classes only merge.
    package mutating func settle() -> Change? {
        guard cutting.count != references.count else { return nil }
        cutting = Set(references.keys)
        return recut()
    }

    package mutating func endStep() { numbers.endStep() }

    private mutating func recut() -> Change {
        let ranges = cutting.sorted()
        let pieces = Self.pieces(ranges)
        let provisional = Self.classes(of: pieces, ranges)
        let present = Self.overlaps(segments, pieces, provisional)
        let before = hints.isEmpty ? [] : Self.overlaps(hints, pieces, provisional)
        var change = Change()
        let names = nameClasses(present, before, count: (provisional.max() ?? 0) + 1, &change)
        segments = Self.joined(zip(pieces, provisional).map { PortSegment($0, names[$1]) })
        classesOfRange = [:]
        for range in ranges {
            var classes: Set<PortClassID> = []
            for index in Self.indices(of: range, in: pieces) { classes.insert(names[provisional[index]]) }
            classesOfRange[range] = classes.sorted()
        }
        return change
    }

    /// The longest runs of ports that no range cuts.
    private static func pieces(_ ranges: [ProtocolPorts]) -> [ProtocolPorts] {
        var result: [ProtocolPorts] = []
        for ipProtocol in IPProtocol.withPorts.sorted() {
            var starts: Set<Int> = [0]
            for range in ranges where range.ipProtocol == ipProtocol {
                starts.insert(Int(range.range.first))
                starts.insert(Int(range.range.last) + 1)
            }
            starts.remove(65536)
            let sorted = starts.sorted() + [65536]
            for (first, next) in zip(sorted, sorted.dropFirst()) {
                result.append(ProtocolPorts(ipProtocol, PortRange(UInt16(first), UInt16(next - 1))))
            }
        }
        return result
    }

    /// The class of each piece, refined range by range: two pieces share one if the same ranges cover them.
    private static func classes(of pieces: [ProtocolPorts], _ ranges: [ProtocolPorts]) -> [Int] {
        var result = [Int](repeating: 0, count: pieces.count)
        var count = 1
        for range in ranges {
            var split: [Int: Int] = [:]
            for index in indices(of: range, in: pieces) {
                if let inside = split[result[index]] {
                    result[index] = inside
                } else {
                    split[result[index]] = count
                    result[index] = count
                    count += 1
                }
            }
        }
        // Classes that were split completely leave holes.
        var dense: [Int: Int] = [0: 0]
        return result.map { value in
            if let number = dense[value] { return number }
            dense[value] = dense.count
            return dense.count - 1
        }
    }

    private static func indices(of range: ProtocolPorts, in pieces: [ProtocolPorts]) -> Range<Int> {
        func first(notBelow port: Int) -> Int {
            var low = 0
            var high = pieces.count
            while low < high {
                let middle = (low + high) / 2
                let piece = pieces[middle]
                let isBelow =
                    piece.ipProtocol == range.ipProtocol
                    ? Int(piece.range.first) < port : piece.ipProtocol < range.ipProtocol
                if isBelow { low = middle + 1 } else { high = middle }
            }
            return low
        }
        return first(notBelow: Int(range.range.first))..<first(notBelow: Int(range.range.last) + 1)
    }

    private struct Overlap: Hashable {
        var old: PortClassID
        var new: Int
    }

    /// Which old and new classes share ports, those that share most first.
    private static func overlaps(
        _ segments: [PortSegment], _ pieces: [ProtocolPorts], _ classes: [Int]
    ) -> [Overlap] {
        var result: [Overlap: Int] = [:]
        var index = 0
        for (piece, new) in zip(pieces, classes) {
            while segments[index].ports.ipProtocol != piece.ipProtocol
                || segments[index].ports.range.last < piece.range.first
            { index += 1 }
            var at = index
            while at < segments.count, segments[at].ports.ipProtocol == piece.ipProtocol,
                segments[at].ports.range.first <= piece.range.last
            {
                let first = max(segments[at].ports.range.first, piece.range.first)
                let last = min(segments[at].ports.range.last, piece.range.last)
                result[Overlap(old: segments[at].portClass, new: new), default: 0] += Int(last - first) + 1
                at += 1
            }
        }
        return result.sorted {
            ($1.value, $0.key.old, $0.key.new) < ($0.value, $1.key.old, $1.key.new)
        }.map(\.key)
    }

    /// A new class keeps the number of the old class with which it shares most, unless another one shares more;
    /// otherwise the number of a class of the previous run.
    private mutating func nameClasses(
        _ present: [Overlap], _ before: [Overlap], count: Int, _ change: inout Change
    ) -> [PortClassID] {
        var names = [PortClassID?](repeating: nil, count: count)
        names[0] = PortClassID.none
        var taken: Set<PortClassID> = [.none]
        for overlap in present where names[overlap.new] == nil && !taken.contains(overlap.old) {
            names[overlap.new] = overlap.old
            taken.insert(overlap.old)
        }
        func name(_ new: Int, _ number: UInt32) {
            guard let parent = present.first(where: { $0.new == new })?.old else {
                preconditionFailure("the old segments cover every port")
            }
            let id = PortClassID(rawValue: UInt16(number))
            names[new] = id
            highestClass = max(highestClass, id.rawValue)
            taken.insert(id)
            change.added.append((id, from: parent))
        }
        for overlap in before where names[overlap.new] == nil {
            let key = Self.hintKey(UInt32(overlap.old.rawValue))
            if let number = numbers.allocateHint(key) { name(overlap.new, number) }
        }
        for new in names.indices where names[new] == nil {
            guard let number = numbers.allocate(Self.hintKey(0)) else {
                preconditionFailure("CompilerLimits.portRanges keeps port classes within 16 bits")
            }
            name(new, number)
        }
        change.removed = liveClasses.subtracting(taken).sorted()
        for old in change.removed { numbers.retire(UInt32(old.rawValue)) }
        liveClasses = taken
        return names.map { $0 ?? .none }
    }

    /// Merges adjacent segments of one class.
    private static func joined(_ segments: [PortSegment]) -> [PortSegment] {
        var result: [PortSegment] = []
        for segment in segments {
            if let last = result.last, last.portClass == segment.portClass,
                last.ports.ipProtocol == segment.ports.ipProtocol
            {
                let range = PortRange(last.ports.range.first, segment.ports.range.last)
                result[result.count - 1].ports.range = range
            } else {
                result.append(segment)
            }
        }
        return result
    }

    /// The runs of ports whose class differs, with their new class.
    package static func differences(_ old: [PortSegment], _ new: [PortSegment]) -> [PortSegment] {
        var result: [PortSegment] = []
        var a = 0
        var b = 0
        while a < old.count, b < new.count {
            let first = max(old[a].ports.range.first, new[b].ports.range.first)
            let last = min(old[a].ports.range.last, new[b].ports.range.last)
            if old[a].portClass != new[b].portClass {
                result.append(
                    PortSegment(ProtocolPorts(new[b].ports.ipProtocol, PortRange(first, last)), new[b].portClass))
            }
            let isOldDone = old[a].ports.range.last == last
            let isNewDone = new[b].ports.range.last == last
            if isOldDone { a += 1 }
            if isNewDone { b += 1 }
        }
        return joinedNeighbors(result)
    }

    private static func joinedNeighbors(_ segments: [PortSegment]) -> [PortSegment] {
        var result: [PortSegment] = []
        for segment in segments {
            if let last = result.last, last.portClass == segment.portClass,
                last.ports.ipProtocol == segment.ports.ipProtocol,
                Int(last.ports.range.last) + 1 == Int(segment.ports.range.first)
            {
                result[result.count - 1].ports.range = PortRange(last.ports.range.first, segment.ports.range.last)
            } else {
                result.append(segment)
            }
        }
        return result
    }
}
