// SPDX-License-Identifier: Apache-2.0

/// The newest records, at most ``limit``: a further one takes the place of the oldest.
public struct FlowRing<Element: Sendable>: Sendable {
    public let limit: Int
    private var elements: [Element] = []
    /// Where the next record goes, once the ring is full.
    private var next = 0
    /// Records that were overwritten.
    public private(set) var overwritten: UInt64 = 0

    /// - Parameter limit: 0: nothing is kept, and nothing counts as overwritten.
    public init(limit: Int) { self.limit = max(limit, 0) }

    public var count: Int { elements.count }

    public mutating func append(_ element: Element) {
        guard limit > 0 else { return }
        guard elements.count == limit else { return elements.append(element) }
        elements[next] = element
        next = (next + 1) % limit
        overwritten += 1
    }

    /// The newest records for which `isWanted` holds, at most `last` of them (nil: all), in the order of their arrival.
    public func newest(_ last: Int? = nil, where isWanted: (Element) -> Bool = { _ in true }) -> [Element] {
        var found: [Element] = []
        for index in elements.indices.reversed() where found.count < last ?? .max {
            let element = elements[(next + index) % elements.count]
            if isWanted(element) { found.append(element) }
        }
        return found.reversed()
    }
}
