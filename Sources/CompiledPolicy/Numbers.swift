// SPDX-License-Identifier: Apache-2.0
import NetworkTypes
import PolicyModel

/// All addresses that are members of exactly the same peer sets on this node. 0: member of none.
public struct AddressClassID: RawRepresentable, Sendable, Hashable, Comparable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }
    public static let none = AddressClassID(rawValue: 0)
    /// One above the highest class number for addresses of the own node. Other classes have greater numbers, so that
    /// one comparison identifies an own address; own classes without a free number below it have greater ones.
    public static let ownNodeLimit: UInt32 = 64
    /// Highest number that the kernel's address entry can carry (20 bits).
    public static let limit: UInt32 = 1 << 20
    public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
}

/// All (protocol, port) pairs that no rule on this node distinguishes. 0: everything without ports, and all ports that
/// no rule names.
public struct PortClassID: RawRepresentable, Sendable, Hashable, Comparable {
    public let rawValue: UInt16
    public init(rawValue: UInt16) { self.rawValue = rawValue }
    public static let none = PortClassID(rawValue: 0)
    public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
}

/// The ordered rules of one direction, shared by all local endpoints with the same rules. 0: allows everything.
public struct ProgramID: RawRepresentable, Sendable, Hashable, Comparable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }
    public static let none = ProgramID(rawValue: 0)
    public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
}

/// A local endpoint in the tables. 0: no local endpoint.
public struct EndpointID: RawRepresentable, Sendable, Hashable, Comparable {
    public let rawValue: UInt16
    public init(rawValue: UInt16) { self.rawValue = rawValue }
    public static let none = EndpointID(rawValue: 0)
    /// One above the highest number that the kernel's address entry can carry (11 bits).
    public static let limit: UInt16 = 1 << 11
    public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
}

/// A rule in the tables: what a cell names and a counter counts.
public struct RuleID: RawRepresentable, Sendable, Hashable, Comparable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }
    /// Nothing decided: allowed because no policy selects the endpoint in this direction.
    public static let noPolicy = RuleID(rawValue: 0)
    /// One above the highest number that a cell can carry (24 bits).
    public static let limit: UInt32 = 1 << 24
    public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
}

/// 128 bits that identify a thing by its content, the same in every run, so that a restarted daemon finds its numbers
/// again. Equal things have equal keys; unequal keys prove nothing, so tables are still compared by content.
public struct StableKey: Sendable, Hashable, Comparable, CustomStringConvertible {
    public let high: UInt64
    public let low: UInt64
    public init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }
    public static func < (a: Self, b: Self) -> Bool { (a.high, a.low) < (b.high, b.low) }
    public var description: String {
        func hexadecimal(_ value: UInt64) -> String {
            let digits = String(value, radix: 16)
            return String(repeating: "0", count: 16 - digits.count) + digits
        }
        return hexadecimal(high) + hexadecimal(low)
    }
}

/// Numbers that a previous run left in the kernel, by key: the compiler reuses them for these keys.
public struct Numbering: Sendable, Hashable {
    public var rules: [StableKey: RuleID] = [:]
    public var addressClasses: [StableKey: AddressClassID] = [:]
    public var programs: [StableKey: ProgramID] = [:]
    public var endpoints: [StableKey: EndpointID] = [:]
    /// The classes of all ports, as in ``CompiledPolicy/portSegments``; empty without a previous run. They have no
    /// keys: a class is identified by its ports.
    public var portSegments: [PortSegment] = []
    public init() {}
}
