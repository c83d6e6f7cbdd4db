// SPDX-License-Identifier: Apache-2.0
import Netfilter
import NetworkTypes
import PolicyModel

extension AddressBlock {
    /// The block without its excepts.
    package var ranges: [AddressRange] {
        var remaining: [AddressRange] = []
        var next: IPAddress? = cidr.network
        let whole = AddressRange(cidr)
        for hole in AddressRanges(except.map { AddressRange($0) }).ranges {
            guard let first = next, hole.first.family == cidr.family else { continue }
            if first < hole.first, let last = hole.first.predecessor {
                remaining.append(AddressRange(first: first, last: min(last, whole.last)))
            }
            if hole.last >= first { next = hole.last.successor }
        }
        if let first = next, first <= whole.last { remaining.append(AddressRange(first: first, last: whole.last)) }
        return remaining
    }
}
