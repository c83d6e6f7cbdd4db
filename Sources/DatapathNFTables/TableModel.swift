// SPDX-License-Identifier: Apache-2.0
import NetworkTypes

/// A field of a packet, as a set's key is made of them.
package enum Field: Hashable, Sendable {
    case interface
    case source(AddressFamily)
    case destination(AddressFamily)
    case transportProtocol
    case sourcePort
    case destinationPort
    /// Address of an ARP packet's sender.
    case arpSource
    case icmpType
    /// Of IPv6.
    case hopLimit
    case icmpv4Type
    /// By which the packet leaves; 0 where it is for the node itself.
    case outInterface
    /// Hardware address of an Ethernet frame's sender.
    case hardwareSource
    case mark
    /// Where the first packet of the packet's connection came from, or the first reply.
    case connectionSource(AddressFamily, isReply: Bool = false)
    /// What `ct id` says of the packet's connection.
    case connectionID
    /// What bridged frames alone are looked at for.
    case frame(FramePart)

    /// Bytes of the value itself; in a key of several fields each is padded to a multiple of four.
    var byteCount: Int {
        switch self {
        case .interface, .outInterface, .mark, .arpSource, .connectionID: 4
        case .source(let family), .destination(let family), .connectionSource(let family, _): family.bitWidth / 8
        case .hardwareSource: 6
        case .transportProtocol, .icmpType, .icmpv4Type, .hopLimit: 1
        case .sourcePort, .destinationPort: 2
        case .frame(let part): part.byteCount
        }
    }

    /// The family that must be told to a rule that reads this field.
    var family: AddressFamily? {
        switch self {
        case .source(let family), .destination(let family): family
        default: nil
        }
    }
}

package enum ChainVerdict: Hashable, Sendable {
    case accept
    case drop
    case leave
    case jump(String)
    case go(String)

    /// The chain that it needs.
    var chain: String? {
        switch self {
        case .jump(let chain), .go(let chain): chain
        default: nil
        }
    }
}

/// One step of a rule: a match that ends the rule when it fails, or a statement.
package enum Term: Hashable, Sendable {
    case family(AddressFamily)
    /// The packet's connection is in this state (NF_CT_STATE_BIT).
    case connectionState(UInt32)
    /// The packet goes the way of its connection's replies.
    case replyDirection
    /// Whether the packet's connection had its destination translated.
    case destinationNAT(Bool)
    /// The packet is for the node itself: the kernel knows no interface by which it would leave.
    case toOwnNode
    /// Whether it is marked by the table `bridge bulkhead`: see ``PortMark``.
    case portMark(Bool)
    /// The IPv4 header has more than so many words: five without options.
    case headerWords(above: UInt8)
    /// This byte of the options of IPv4 may be the type of LSRR (131) or SSRR (137); 129 and 139 pass for them.
    case sourceRouteByte(Int)
    /// IPv6 with a routing header.
    case routingHeader
    case transportProtocol(IPProtocol)
    case destinationPort(PortRange)
    /// The two bytes where a port stands are there.
    case hasDestinationPort
    case member([Field], of: String, negated: Bool = false)
    case dispatch([Field], by: String)
    case within(Field, CIDR)
    /// The frame's type as it stands in its header, so that a tagged frame has the tag's.
    case etherType(UInt16)
    /// The field has these bits under the mask.
    case masked(Field, mask: [UInt8], value: [UInt8])
    case setMark(UInt32)
    case limit(String)
    case count(String)
    case log(prefix: String, group: UInt16)
    case resetTCP
    case rejectProhibited
    case verdict(ChainVerdict)
}

package struct TableRule: Hashable, Sendable {
    package var terms: [Term]
    package var comment: String
    package init(_ terms: [Term], comment: String = "") {
        self.terms = terms
        self.comment = comment
    }
}

package struct TableChain: Hashable, Sendable {
    package var name: String
    package enum Hook: Hashable, Sendable {
        case forward
        case input
        case output
        case bridgePrerouting
        /// Before policy is enforced on what a bridge forwards, and after it.
        case bridgeForward
        case bridgeForwardEnd
    }
    /// Whether packets enter here from one of the kernel's hooks.
    package var isBase: Bool
    /// The hook from which they enter.
    package var hook: Hook
    package var comment: String
    package var rules: [TableRule]
    package init(
        _ name: String, isBase: Bool = false, hook: Hook = .forward, comment: String = "", rules: [TableRule] = []
    ) {
        self.name = name
        self.isBase = isBase
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
    /// Number and key of the rule that it counts, so that a later run finds its numbers again.
    package var rule: RuleMark?
    package init(_ name: String, _ kind: Kind = .counter, comment: String = "", rule: RuleMark? = nil) {
        self.name = name
        self.kind = kind
        self.comment = comment
        self.rule = rule
    }
}

/// One element of a set of compound keys, or of a map to chains.
package struct SetElement: Hashable, Sendable {
    /// As the kernel compares it: fields in network byte order (interface: host order), each padded to four bytes.
    package var key: [UInt8]
    /// Last key of a range; nil: one key.
    package var end: [UInt8]?
    package var target: ChainVerdict?
    package init(key: [UInt8], end: [UInt8]? = nil, target: ChainVerdict? = nil) {
        self.key = key
        self.end = end
        self.target = target
    }
}

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

/// What a set is, without its members.
package struct SetShape: Hashable, Sendable {
    package var name: String
    package var fields: [Field]
    package var isMap = false
    /// Whether members are ranges.
    package var isInterval = false
    package var comment = ""

    var keyBytes: Int {
        fields.count == 1 ? fields[0].byteCount : fields.reduce(0) { $0 + ($1.byteCount + 3) / 4 * 4 }
    }
}

package struct TableSet: Hashable, Sendable {
    package var shape: SetShape
    package var members: Members
    package init(_ shape: SetShape, _ members: Members) {
        self.shape = shape
        self.members = members
    }
}

/// All that the table `inet bulkhead` holds.
package struct TableContents: Hashable, Sendable {
    package var objects: [String: TableObject] = [:]
    package var sets: [String: TableSet] = [:]
    package var chains: [String: TableChain] = [:]
    package init() {}
}

/// What becomes of the table in one step, in the order of the properties. Carried out in ``parts``.
package struct Transaction: Sendable {
    /// The table is removed first and made anew.
    package var replacesTable = false
    package var newObjects: [TableObject] = []
    package var newSets: [TableSet] = []
    package var newChains: [TableChain] = []
    /// Chains that exist and get new rules instead of all that they have.
    package var rewrittenChains: [TableChain] = []
    /// Sets whose members are all removed before others are added.
    package var emptiedSets: [SetShape] = []
    package var removedMembers: [TableSet] = []
    package var addedMembers: [TableSet] = []
    package var removedChains: [String] = []
    package var removedSets: [String] = []
    package var removedObjects: [TableObject] = []
    package init() {}

    package var isEmpty: Bool {
        !replacesTable && newObjects.isEmpty && newSets.isEmpty && newChains.isEmpty && rewrittenChains.isEmpty
            && emptiedSets.isEmpty && removedMembers.isEmpty && addedMembers.isEmpty && removedChains.isEmpty
            && removedSets.isEmpty && removedObjects.isEmpty
    }

    /// How many things it adds, removes or rewrites.
    package var count: Int {
        let sets = (newSets + removedMembers + addedMembers).reduce(0) { $0 + $1.members.count }
        return newObjects.count + newSets.count + newChains.count + rewrittenChains.count + emptiedSets.count + sets
            + removedChains.count + removedSets.count + removedObjects.count
    }

    /// The step as transactions of the kernel's, of which one changes what packets meet. First comes what nothing leads
    /// to yet, last what nothing leads to any more.
    ///
    /// The kernel puts a transaction in force by one store, and yet not for a packet under way: that goes on by the
    /// rules that it began with, and finds the elements of sets as they are at the moment of each look-up. It would be
    /// led into chains that are empty for it, or miss sets that its rules ask for. Sets of ranges, too, are filled only
    /// some time after that store (nf_tables_commit, nft_pipapo_commit).
    package var parts: [Transaction] {
        guard !replacesTable else { return [self] }
        var (before, after) = (Transaction(), Transaction())
        var change = self
        swap(&before.newObjects, &change.newObjects)
        swap(&before.newSets, &change.newSets)
        before.newChains = change.newChains.filter { !$0.isBase }
        change.newChains.removeAll { !$0.isBase }
        after.removedChains = change.removedChains.filter { !TableName.baseChains.contains($0) }
        change.removedChains.removeAll { !TableName.baseChains.contains($0) }
        swap(&after.removedSets, &change.removedSets)
        swap(&after.removedObjects, &change.removedObjects)
        return [before, change, after].filter { !$0.isEmpty }
    }

    /// Everything anew.
    package init(replacing contents: TableContents) {
        replacesTable = true
        newObjects = contents.objects.values.sorted { $0.name < $1.name }
        newSets = contents.sets.values.sorted { $0.shape.name < $1.shape.name }
        newChains = contents.chains.values.sorted { $0.name < $1.name }
    }
}
