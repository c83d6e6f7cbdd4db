// SPDX-License-Identifier: Apache-2.0
import PolicyModel

/// Sums of what rules have counted, which never decrease: a smaller sum would look like a counter that started again.
///
/// What a rule counts between the last reading and its end is not in the sums.
struct PacketLedger {
    /// The labels of the metrics.
    struct Series: Hashable, Comparable {
        var direction: Direction
        /// `Admin`, `NetworkPolicy` or `Baseline`; `none` if a limit denies.
        var tier: String
        /// The namespace of the policy that denies; empty for a cluster-wide one.
        var namespace: String

        static func < (a: Self, b: Self) -> Bool {
            (a.direction.rawValue, a.tier, a.namespace) < (b.direction.rawValue, b.tier, b.namespace)
        }
    }

    /// What one rule has counted since the last time.
    struct Count {
        var series: Series
        var packets: UInt64
    }

    /// Namespaces with series of their own; later ones are added up as `other`.
    static let namespaceLimit = 100
    static let otherNamespaces = "other"

    private(set) var totals: [Series: UInt64] = [:]
    private var namespaces: Set<String> = []

    /// In the order of the series, so that nothing else decides which namespaces have series of their own.
    mutating func add(_ counts: [Count]) {
        for count in counts.sorted(by: { $0.series < $1.series }) {
            totals[capped(count.series), default: 0] += count.packets
        }
    }

    private mutating func capped(_ series: Series) -> Series {
        guard !series.namespace.isEmpty, !namespaces.contains(series.namespace) else { return series }
        if namespaces.count < Self.namespaceLimit {
            namespaces.insert(series.namespace)
            return series
        }
        var series = series
        series.namespace = Self.otherNamespaces
        return series
    }
}
