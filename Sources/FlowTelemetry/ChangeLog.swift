// SPDX-License-Identifier: Apache-2.0

/// Changes of policies as log lines: each with its name, a burst as a sum.
///
/// A pure value: the caller passes times, as seconds of any clock.
public struct ChangeLog<Key: Hashable & Sendable>: Sendable {
    public enum Change: String, Sendable, Hashable, CaseIterable {
        case added
        case changed
        case removed
        case refused
    }

    public struct Entry: Sendable, Hashable {
        public var key: Key
        public var change: Change
        /// Where it came from: a directory, the API server, the socket.
        public var source: String
        public init(key: Key, change: Change, source: String) {
            self.key = key
            self.change = change
            self.source = source
        }
    }

    /// The changes that a burst left out.
    public struct Rest: Sendable, Hashable {
        public var counts: [Change: Int] = [:]
        public var total: Int { counts.values.reduce(0, +) }
    }

    /// Lines per second.
    public let limit: Int
    private var windowStart = -Double.infinity
    private var written = 0
    public private(set) var rest = Rest()

    public init(limit: Int = 20) { self.limit = limit }

    /// The entries to write now. All others are counted in ``rest``.
    public mutating func take(_ entries: [Entry], at now: Double) -> [Entry] {
        if now - windowStart >= 1 {
            windowStart = now
            written = 0
        }
        let admitted = entries.prefix(max(0, limit - written))
        written += admitted.count
        for entry in entries.dropFirst(admitted.count) { rest.counts[entry.change, default: 0] += 1 }
        return Array(admitted)
    }

    /// What was left out since the last call; nil if nothing was.
    public mutating func takeRest() -> Rest? {
        guard rest.total > 0 else { return nil }
        defer { rest = Rest() }
        return rest
    }
}
