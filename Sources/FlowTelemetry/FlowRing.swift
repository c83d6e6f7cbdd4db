// SPDX-License-Identifier: Apache-2.0

/// The newest records, at most ``limit``: a further one takes the place of an old one. A quarter of the room is for rare
/// ones, so that no flood of frequent ones displaces them, nor the other way round.
public struct FlowRing<Element: Sendable>: Sendable {
    /// Records of one kind, the oldest first.
    private struct Part: Sendable {
        var elements: [(number: UInt64, element: Element)] = []
        /// Where the oldest is; what is in front of it was displaced.
        var start = 0
        /// Displaced records that stay in the array until there are so many.
        private static var slack: Int { 128 }

        var count: Int { elements.count - start }

        mutating func removeOldest() {
            start += 1
            guard start >= Self.slack || start == elements.count else { return }
            elements.removeFirst(start)
            start = 0
        }
    }

    public let limit: Int
    private var frequent = Part()
    private var rare = Part()
    /// Records so far.
    private var number: UInt64 = 0
    /// Records that were overwritten.
    public private(set) var overwritten: UInt64 = 0

    /// - Parameter limit: 0: nothing is kept, and nothing counts as overwritten.
    public init(limit: Int) { self.limit = max(limit, 0) }

    public var count: Int { frequent.count + rare.count }

    /// - Parameter isRare: of the kind that has its own part of the room.
    public mutating func append(_ element: Element, isRare: Bool = false) {
        guard limit > 0 else { return }
        number += 1
        if count == limit { displace(for: isRare) }
        if isRare { rare.elements.append((number, element)) } else { frequent.elements.append((number, element)) }
    }

    /// The kind that has more than its part gives way; if neither has, that of the newcomer does.
    private mutating func displace(for isRare: Bool) {
        let part = (limit + 3) / 4
        if rare.count > part || rare.count == part && isRare || frequent.count == 0 {
            rare.removeOldest()
        } else {
            frequent.removeOldest()
        }
        overwritten += 1
    }

    /// The newest records for which `isWanted` holds, at most `last` of them (nil: all), in the order of their arrival.
    public func newest(_ last: Int? = nil, where isWanted: (Element) -> Bool = { _ in true }) -> [Element] {
        var found: [Element] = []
        var (first, second) = (frequent.elements.count, rare.elements.count)
        while found.count < last ?? .max {
            let numbers = (
                first > frequent.start ? frequent.elements[first - 1].number : 0,
                second > rare.start ? rare.elements[second - 1].number : 0
            )
            guard numbers != (0, 0) else { break }
            let element: Element
            if numbers.0 > numbers.1 {
                first -= 1
                element = frequent.elements[first].element
            } else {
                second -= 1
                element = rare.elements[second].element
            }
            if isWanted(element) { found.append(element) }
        }
        return found.reversed()
    }
}
