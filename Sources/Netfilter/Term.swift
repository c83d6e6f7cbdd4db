// SPDX-License-Identifier: Apache-2.0
import NetworkTypes

/// What a rule, or an element of a map, does with a packet.
package enum ChainVerdict: Hashable, Sendable {
    case accept
    case drop
    case leave
    case jump(String)
    case go(String)

    /// The chain that it needs.
    package var chain: String? {
        switch self {
        case .jump(let chain), .go(let chain): chain
        default: nil
        }
    }
}

/// One term of a rule: a match, which ends the rule if it fails, or a statement.
package enum Term: Hashable, Sendable {
    case family(AddressFamily)
    /// The packet's connection is in this state.
    case connectionState(ConnectionState)
    /// The packet travels in the direction of its connection's replies.
    case replyDirection
    /// The packet travels in the direction of its connection's first packet.
    case originalDirection
    /// Whether the packet's connection had its destination translated.
    case destinationNAT(Bool)
    /// No packet of the packet's connection has left the node yet.
    case unconfirmed
    /// The packet is for the node itself: the kernel has no output interface for it.
    case toOwnNode
    /// Whether the packet has a ``PortMark``.
    case portMark(Bool)
    /// The IPv4 header has more than this many words: five without options.
    case headerWords(above: UInt8)
    /// This byte of the options of IPv4 may be the type of LSRR (131) or SSRR (137); 129 and 139 pass for them.
    case sourceRouteByte(Int)
    /// IPv6 with a routing header.
    case routingHeader
    case transportProtocol(IPProtocol)
    case destinationPort(PortRange)
    /// The packet has the two bytes of a destination port.
    case hasDestinationPort
    case member([Field], of: String, negated: Bool = false)
    case dispatch([Field], by: String)
    case within(Field, CIDR)
    case outside(Field, CIDR)
    /// The frame's type in its header: for a tagged frame, that of the tag.
    case etherType(UInt16)
    /// The field has these bits under the mask.
    case masked(Field, mask: [UInt8], value: [UInt8])
    /// The field has another value.
    case differs(Field, [UInt8])
    case setMark(UInt32)
    /// Gives the bits under the mask this value; the other bits stay.
    case setMarkBits(MarkOwner, mask: UInt32, value: UInt32)
    /// Overwrites a part of the packet that no checksum covers.
    case write(PacketPart, [UInt8])
    /// The frame is for this host, whatever its receiver's hardware address was. Only at `prerouting` of a bridge.
    case acceptForHost
    /// The packet belongs to a socket of this network namespace with `IP_TRANSPARENT`.
    case transparentSocket
    /// The packet's receiver is the listener at this address and port of this network namespace (`tproxy`). A later rule
    /// accepts the packet and marks it, so that it is routed to the namespace itself.
    case redirectToProxy(IPAddress, port: UInt16)
    case limit(String)
    case count(String)
    case log(prefix: String, group: UInt16)
    case resetTCP
    case rejectProhibited
    case verdict(ChainVerdict)
}

/// What bears a mark.
package enum MarkOwner: Hashable, Sendable {
    case packet
    /// The packet's connection.
    case connection
}

/// A rule of a chain.
package struct TableRule: Hashable, Sendable {
    package var terms: [Term]
    package var comment: String
    package init(_ terms: [Term], comment: String = "") {
        self.terms = terms
        self.comment = comment
    }
}

/// A state of the packet's connection, as `ct state` reads it.
package enum ConnectionState: UInt32, Hashable, Sendable {
    /// NF_CT_STATE_INVALID_BIT.
    case invalid = 1
    /// NF_CT_STATE_BIT of IP_CT_ESTABLISHED and of IP_CT_RELATED, in both directions.
    case established = 2
    case related = 4
    /// NF_CT_STATE_BIT of IP_CT_NEW.
    case new = 8

    /// In `nft`'s language.
    var text: String {
        switch self {
        case .invalid: "invalid"
        case .established: "established"
        case .related: "related"
        case .new: "new"
        }
    }
}
