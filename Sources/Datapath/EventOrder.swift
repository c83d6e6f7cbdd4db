// SPDX-License-Identifier: Apache-2.0

extension [DropEvent] {
    /// Both in one order: by time, where each is in the order of arrival. Neither changes its own order.
    package static func merging(_ first: [DropEvent], _ second: [DropEvent]) -> [DropEvent] {
        guard !first.isEmpty, !second.isEmpty else { return first + second }
        var merged: [DropEvent] = []
        merged.reserveCapacity(first.count + second.count)
        var rest = second[...]
        for event in first {
            while let next = rest.first, next.monotonicNanoseconds < event.monotonicNanoseconds {
                merged.append(next)
                rest.removeFirst()
            }
            merged.append(event)
        }
        return merged + rest
    }
}
