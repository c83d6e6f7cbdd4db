// SPDX-License-Identifier: Apache-2.0
import NetworkTypes

/// The beginning of a range, or the first address after one.
struct RangeBoundary: Hashable, Comparable {
    var address: IPAddress
    var isEnd: Bool

    static func < (a: Self, b: Self) -> Bool { a.address < b.address }

    /// The boundaries in the form that `nft` writes: in order, with one at the very first address.
    static func all(_ ranges: [AddressRange]) -> [RangeBoundary] {
        var boundaries: [RangeBoundary] = []
        for range in ranges {
            if boundaries.isEmpty, range.first.predecessor != nil {
                boundaries.append(RangeBoundary(address: range.first.masked(to: 0), isEnd: true))
            }
            boundaries.append(RangeBoundary(address: range.first, isEnd: false))
            if let after = range.last.successor { boundaries.append(RangeBoundary(address: after, isEnd: true)) }
        }
        return boundaries
    }

    /// The ranges between boundaries in order; nil if they do not form ranges.
    static func ranges(_ boundaries: [RangeBoundary]) -> [AddressRange]? {
        var ranges: [AddressRange] = []
        var open: IPAddress?
        for boundary in boundaries {
            switch (open, boundary.isEnd) {
            case (nil, true): continue
            case (nil, false): open = boundary.address
            case (let first?, true):
                guard let last = boundary.address.predecessor else { return nil }
                ranges.append(AddressRange(first: first, last: last))
                open = nil
            case (_?, false): return nil
            }
        }
        if let first = open { ranges.append(AddressRange(first: first, last: first.filled(from: 0))) }
        return ranges
    }
}
