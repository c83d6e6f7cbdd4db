// SPDX-License-Identifier: Apache-2.0

/// Things that were not as the daemon had made them, and that it has repaired.
public struct RepairRecord: Codable, Sendable, Hashable {
    /// RFC 3339.
    public var time: String
    /// How many things.
    public var count: Int
    /// The things in words, at most ``namedLimit``; fewer than ``count`` if there were more, or not all have a name.
    public var things: [String]

    /// Things that are named.
    public static let namedLimit = 32

    public init(_ things: [String], count: Int? = nil, time: String = RFC3339.now()) {
        self.time = time
        self.count = count ?? things.count
        self.things = Array(things.prefix(Self.namedLimit))
    }
}
