// SPDX-License-Identifier: Apache-2.0

/// Elements that wait for one slow reader, at most `limit`; further ones are dropped and counted.
public struct Backlog<Element: Sendable>: Sendable {
    /// What a reader gets at once: `elements`, after which `lost` more were dropped.
    public struct Batch: Sendable {
        public var elements: [Element]
        public var lost: UInt64

        public init(elements: [Element], lost: UInt64 = 0) {
            self.elements = elements
            self.lost = lost
        }

        /// The same in pieces of at most `size` elements, in order; the last piece has the number of lost elements.
        public func pieces(of size: Int) -> [Batch] {
            let starts = stride(from: 0, to: max(elements.count, 1), by: size)
            return starts.map { start in
                let end = min(start + size, elements.count)
                return Batch(elements: Array(elements[start..<end]), lost: end == elements.count ? lost : 0)
            }
        }
    }

    public let limit: Int
    private var elements: [Element] = []
    private var lost: UInt64 = 0

    public init(limit: Int) { self.limit = limit }

    public mutating func append(_ element: Element) {
        // Once one element is lost, all are lost until the reader comes: losses stay in one place.
        if lost == 0, elements.count < limit { elements.append(element) } else { lost += 1 }
    }

    public mutating func take() -> Batch {
        defer {
            elements.removeAll()
            lost = 0
        }
        return Batch(elements: elements, lost: lost)
    }
}
