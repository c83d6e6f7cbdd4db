// SPDX-License-Identifier: Apache-2.0
import NetworkTypes

/// The identity of a table in a network namespace.
package struct TableIdentity: Hashable, Sendable {
    package enum Family: Hashable, Sendable { case inet, bridge }

    package var family: Family
    package var name: String
    /// The text that `nft` shows with the table; empty for none.
    package var comment: String

    package init(_ family: Family, _ name: String, comment: String = "") {
        self.family = family
        self.name = name
        self.comment = comment
    }

    /// The names of all of Bulkhead's tables begin with this.
    package static let prefix = "bulkhead"
}

extension TableIdentity: CustomStringConvertible {
    package var description: String { "\(family) \(name)" }
}

/// A chain with its rules.
package struct TableChain: Hashable, Sendable {
    /// A hook of the kernel, and the position of a chain among its callers.
    package struct Hook: Hashable, Sendable {
        package var name: String
        package var number: UInt32
        package var priority: Int32

        package init(_ name: String, number: UInt32, priority: Int32) {
            self.name = name
            self.number = number
            self.priority = priority
        }
    }

    package var name: String
    /// The hook from which packets enter; nil if only other chains lead here.
    package var hook: Hook?
    package var comment: String
    package var rules: [TableRule]

    package init(_ name: String, hook: Hook? = nil, comment: String = "", rules: [TableRule] = []) {
        self.name = name
        self.hook = hook
        self.comment = comment
        self.rules = rules
    }
}

/// A named counter or limit.
package struct TableObject: Hashable, Sendable {
    package enum Kind: Hashable, Sendable {
        case counter
        case limit(perSecond: UInt64, burst: UInt32)
    }
    package var name: String
    package var kind: Kind
    package var comment: String
    /// Bytes of the owner, for a later run; empty for none.
    package var mark: [UInt8]
    package init(_ name: String, _ kind: Kind = .counter, comment: String = "", mark: [UInt8] = []) {
        self.name = name
        self.kind = kind
        self.comment = comment
        self.mark = mark
    }
}

/// One element of a set of compound keys, or of a map to chains.
package struct SetElement: Hashable, Sendable {
    /// In the kernel's form: fields in network byte order (interface: host order), each padded to four bytes.
    package var key: [UInt8]
    /// Last key of a range; nil for a single key.
    package var end: [UInt8]?
    package var target: ChainVerdict?
    package init(key: [UInt8], end: [UInt8]? = nil, target: ChainVerdict? = nil) {
        self.key = key
        self.end = end
        self.target = target
    }
}

/// The content of a set.
package enum Members: Hashable, Sendable {
    case addresses(Set<IPAddress>)
    /// Disjoint, in order.
    case ranges([AddressRange])
    case elements(Set<SetElement>)

    package var count: Int {
        switch self {
        case .addresses(let addresses): addresses.count
        case .ranges(let ranges): ranges.count
        case .elements(let elements): elements.count
        }
    }
    package var isEmpty: Bool { count == 0 }
}

/// The shape of a set, without its members.
package struct SetShape: Hashable, Sendable {
    package var name: String
    package var fields: [Field]
    package var isMap: Bool
    /// Whether members are ranges.
    package var isInterval: Bool
    package var comment: String

    package init(
        name: String, fields: [Field], isMap: Bool = false, isInterval: Bool = false, comment: String = ""
    ) {
        self.name = name
        self.fields = fields
        self.isMap = isMap
        self.isInterval = isInterval
        self.comment = comment
    }

    package var keyBytes: Int {
        fields.count == 1 ? fields[0].byteCount : fields.reduce(0) { $0 + ($1.byteCount + 3) / 4 * 4 }
    }
}

/// A set or a map with its members.
package struct TableSet: Hashable, Sendable {
    package var shape: SetShape
    package var members: Members
    package init(_ shape: SetShape, _ members: Members) {
        self.shape = shape
        self.members = members
    }
}

/// The content of a table.
package struct TableContents: Hashable, Sendable {
    package let table: TableIdentity
    package var objects: [String: TableObject] = [:]
    package var sets: [String: TableSet] = [:]
    package var chains: [String: TableChain] = [:]
    package init(_ table: TableIdentity) { self.table = table }
}
