// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import NetworkTypes
import PolicyModel

/// Tells the first packet of a denied flow from those that follow within ``window``, for a datapath that reports each of
/// them. A pure value.
///
/// It remembers at most 2 × ``limit`` flows. While there are more at the same time, some are reported again earlier.
package struct RepeatedEvents: Sendable {
    /// What makes a report the same.
    private struct Key: Hashable {
        var cause: DropEvent.Cause
        var direction: Direction
        var flow: Flow
        var sourcePort: UInt16
        var endpoint: EndpointID
        var rule: RuleID
    }

    /// Nanoseconds from a report on in which the same flow is not reported again.
    package let window: UInt64
    package let limit: Int
    /// Events that were repetitions.
    package private(set) var count: UInt64 = 0
    /// When flows were reported; `older` is what `newer` was before it was full.
    private var newer: [Key: UInt64] = [:]
    private var older: [Key: UInt64] = [:]

    package init(window: UInt64 = 10_000_000_000, limit: Int = 2048) {
        self.window = window
        self.limit = max(limit, 1)
    }

    /// Whether an event is none of a flow that was reported just now; counts it if it is.
    package mutating func isNew(_ event: DropEvent) -> Bool {
        let key = Key(
            cause: event.cause, direction: event.direction, flow: event.flow, sourcePort: event.sourcePort,
            endpoint: event.endpoint, rule: event.rule)
        let now = event.monotonicNanoseconds
        if let last = newer[key] ?? older[key], now < last || now - last < window {
            count += 1
            return false
        }
        if newer.count >= limit {
            older = newer
            newer = [:]
        }
        newer[key] = now
        return true
    }

    /// What was reported counts as not reported.
    package mutating func forget() {
        newer = [:]
        older = [:]
    }
}
