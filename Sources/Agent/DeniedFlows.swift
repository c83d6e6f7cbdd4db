// SPDX-License-Identifier: Apache-2.0
import PolicyModel

/// How many denied flows were reported of each pod lately, in bounded memory.
package struct DeniedFlows: Sendable {
    package struct Key: Sendable, Hashable, Comparable {
        package var direction: Direction
        package var pod: EndpointName

        package init(_ pod: EndpointName, _ direction: Direction) {
            self.pod = pod
            self.direction = direction
        }

        package static func < (a: Self, b: Self) -> Bool {
            a.pod == b.pod ? a.direction.rawValue < b.direction.rawValue : a.pod < b.pod
        }
    }

    private struct Slice {
        var start: ContinuousClock.Instant
        var counts: [Key: Int] = [:]
    }

    private static let sliceLength = Duration.seconds(60)
    private static let sliceCount = 5
    /// More pods than a node has; so many in a slice are pods that come and go, and later ones are not counted.
    package static let keyLimit = 4096
    /// How many are shown.
    package static let shownLimit = 10

    /// Oldest first.
    private var slices: [Slice] = []

    package init() {}

    /// Counts one report.
    package mutating func note(_ pod: EndpointName, _ direction: Direction, at now: ContinuousClock.Instant) {
        if slices.last.map({ now - $0.start >= Self.sliceLength }) ?? true {
            slices.append(Slice(start: now))
            slices = slices.filter { isRecent($0, now) }
        }
        let (key, last) = (Key(pod, direction), slices.count - 1)
        guard slices[last].counts[key] != nil || slices[last].counts.count < Self.keyLimit else { return }
        slices[last].counts[key, default: 0] += 1
    }

    /// The keys with the most reports of the latest five minutes, greatest first.
    package func greatest(at now: ContinuousClock.Instant) -> [(key: Key, count: Int)] {
        var sums: [Key: Int] = [:]
        for slice in slices where isRecent(slice, now) { sums.merge(slice.counts, uniquingKeysWith: +) }
        let sorted = sums.sorted { $0.value == $1.value ? $0.key < $1.key : $0.value > $1.value }
        return sorted.prefix(Self.shownLimit).map { ($0.key, $0.value) }
    }

    private func isRecent(_ slice: Slice, _ now: ContinuousClock.Instant) -> Bool {
        now - slice.start < Self.sliceLength * Self.sliceCount
    }
}
