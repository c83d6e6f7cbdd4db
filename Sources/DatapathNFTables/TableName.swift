// SPDX-License-Identifier: Apache-2.0
import Netfilter
import NetworkTypes
import PolicyModel

/// Names of Bulkhead's own objects: accepted by nft's scanner without quotes, bounded, and the same in every run.
package enum TableName {
    package static let table = TableIdentity(
        .inet, TableIdentity.prefix, comment: "Bulkhead: network policy of this node's pods")
    package static let forward = "forward"
    package static let input = "input"
    package static let output = "output"
    package static let sources = "source-addresses"
    package static let fromPods = "from-pods"
    package static let forwarded = "forwarded"
    package static let toPorts = "to-ports"
    package static let fromUnbound = "from-unbound"
    package static let podGuard = "pod-guard"
    package static let sourceRoutes = TableChain.sourceRoutesName
    package static let tunnelPackets = "tunnel-packets"
    package static let errors = "icmp-errors"
    package static let revokedFlows = "revoked-flows"
    package static let fromPodsToNode = "from-pods-to-node"
    package static let fromUnboundToNode = "from-unbound-to-node"
    package static let toNode = "to-node"
    package static let neighborDiscovery = "neighbor-discovery"
    package static let listenerDiscovery = "listener-discovery"
    package static let dhcp = "dhcp-ports"
    package static let dhcpToPorts = "dhcp-to-ports"
    package static let tunnelPorts = "tunnel-ports"
    package static let tunnelProtocols = "tunnel-protocols"
    package static let podHardware = "pod-hardware"
    package static let egressByHardware = "egress-hardware"
    package static let egressByInterface = "egress-interfaces"
    package static let ingressByInterface = "ingress-interfaces"
    package static let ingressByPort = "ingress-ports"
    package static let transportProtocols = "transport-protocols"
    package static let errorProtocols = "error-protocols"
    package static let podInterfaces = "pod-interfaces"
    package static let events = "events"
    package static let eventsSent = "events-sent"
    package static let dropped = "packets-dropped"
    package static let spoofed = "packets-spoofed"
    package static let inconsistent = "inconsistent"
    package static let revoked = "packets-revoked"
    package static let tunnel = "packets-tunnel"
    package static let sourceRouted = "packets-source-routed"
    package static let unrelatedErrors = "packets-unrelated-errors"
    package static let audited = "packets-audited"
    package static let handOver = "packets-hand-over"
    package static let flows = "flows"
    package static let newFlows = "new-flows"
    package static let allowedFlows = "allowed-flows"
    package static let flowsToNode = "flows-to-node"
    package static let newFlowsToNode = "new-flows-to-node"
    package static let flowsSent = "flows-sent"
    package static let flowsLeftOut = "flows-left-out"
    package static let establishedFlows = "established-flows"
    package static let foreignSources = "foreign-sources"

    package static func transport(_ direction: Direction) -> String { "transport-\(direction.rawValue)" }
    package static func unparsable(_ direction: Direction) -> String { "unparsable-\(direction.rawValue)" }
    package static func dispatch(_ direction: Direction, _ family: AddressFamily) -> String {
        "\(direction.rawValue)-\(family)"
    }
    package static func sources(_ family: AddressFamily) -> String { "pod-sources-\(family)" }
    package static func ownNode(_ family: AddressFamily) -> String { "own-node-\(family)" }
    package static func localSources(_ family: AddressFamily) -> String { "local-sources-\(family)" }
    /// Bridge ports by pod: not for any rule, but for the next run.
    package static func bridgePorts(_ family: AddressFamily) -> String { "bridge-ports-\(family)" }
    package static func nodes(_ family: AddressFamily) -> String { "node-addresses-\(family)" }
    package static func unbound(_ family: AddressFamily) -> String { "unbound-sources-\(family)" }
    package static func group(_ family: AddressFamily) -> String { "group-addresses-\(family)" }
    package static func samePod(_ family: AddressFamily) -> String { "same-pod-\(family)" }
    package static func revoked(_ family: AddressFamily) -> String { "revoked-\(family)" }

    /// The chain that drops a packet for a cause other than a rule.
    package static func drop(_ counter: String) -> String { "drop-" + counter.dropFirst("packets-".count) }

    /// Letters, digits and `/ _ .` of a text; anything else becomes one dash.
    static func slug(_ text: String, limit: Int) -> String {
        let dash = UInt8(ascii: "-")
        var result: [UInt8] = []
        for byte in text.utf8 where result.count < limit {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "/"), UInt8(ascii: "_"), UInt8(ascii: "."):
                result.append(byte)
            default:
                if result.last != dash { result.append(dash) }
            }
        }
        while result.last == dash { result.removeLast() }
        return String(decoding: result, as: UTF8.self)
    }

    /// Printable ASCII without quotes and backslashes, for comments that `nft` lists and reads again.
    static func comment(_ text: String) -> String {
        let quote = UInt8(ascii: "\"")
        let backslash = UInt8(ascii: "\\")
        let bytes = text.utf8.prefix(commentLimit).map { byte in
            (32...126).contains(byte) && byte != quote && byte != backslash ? byte : UInt8(ascii: "?")
        }
        return String(decoding: bytes, as: UTF8.self)
    }
    /// NFTNL_UDATA_COMMENT_MAXLEN minus the terminating zero.
    static let commentLimit = 127
}

/// FNV-1a, 64 bits: the same in every run. Things with the same digest are compared before they count as equal.
struct Digest {
    private var hash: UInt64 = 0xcbf2_9ce4_8422_2325

    mutating func add(_ byte: UInt8) { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
    mutating func add(_ text: String) { for byte in text.utf8 { add(byte) } }
    mutating func add(_ value: UInt64) { for shift in 0..<8 { add(UInt8(truncatingIfNeeded: value >> (shift * 8))) } }

    /// Eight hexadecimal digits.
    var text: String {
        let digits = String(UInt32(truncatingIfNeeded: hash ^ hash >> 32), radix: 16)
        return String(repeating: "0", count: 8 - digits.count) + digits
    }

    static func text(_ content: String) -> String {
        var digest = Digest()
        digest.add(content)
        return digest.text
    }
}
