// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import NetworkTypes

/// The words and numbers that random worlds are made of: few, so that they meet often.
package enum WorldPlan {
    static let namespaceNames = ["shop", "team-a", "team-b", "default", "infra"]
    static let namespaceLabels: [(key: String, values: [String])] = [
        ("team", ["a", "b", "c"]), ("env", ["prod", "dev"]), ("pci", ["yes", ""]),
    ]
    static let podLabels: [(key: String, values: [String])] = [
        ("app", ["web", "api", "db", "cache"]), ("tier", ["front", "back"]), ("env", ["prod", "dev"]),
        ("canary", ["true", ""]),
    ]
    static let nodeLabels: [(key: String, values: [String])] = [
        ("pool", ["general", "gpu"]), ("zone", ["a", "b"]),
    ]
    /// Few, so that some are equal.
    static let priorities: [Int32] = [10, 10, 10, 10, 0, 20, 1000]
    static let portNames = ["http", "metrics", "dns", "sig", "admin"]
    package static let portNumbers: [UInt16] = [80, 443, 8080, 8081, 9090, 53, 3868, 1, 65535]
    static let otherProtocols: [IPProtocol] = [
        .icmp, .icmpv6, IPProtocol(rawValue: 47), IPProtocol(rawValue: 50), IPProtocol(rawValue: 255),
        IPProtocol(rawValue: 41), IPProtocol(rawValue: 136),
    ]

    /// Pods of one node share a /24 (/112), pods of all nodes a /16 (/64). Few host numbers: reuse and neighbors.
    static func podAddress(_ family: AddressFamily, node: Int, host: Int) -> IPAddress {
        switch family {
        case .ipv4: IPAddress(v4: 0x0AF4_0000 | UInt32(node) << 8 | UInt32(host))
        case .ipv6: IPAddress(v6High: 0xFD00_0010_0244_0000, low: UInt64(node) << 16 | UInt64(host))
        }
    }

    package static func nodeAddress(_ family: AddressFamily, node: Int) -> IPAddress {
        switch family {
        case .ipv4: IPAddress(v4: 0xC0A8_0000 | UInt32(node + 1))
        case .ipv6: IPAddress(v6High: 0xFD00_0192_0168_0000, low: UInt64(node + 1))
        }
    }

    /// The deciding node's address on its pods' interfaces, which no object contains.
    static func gateway(_ family: AddressFamily) -> IPAddress {
        podAddress(family, node: 0, host: 254)
    }

    /// Destinations of local routes: beside all pods, among those of the deciding node, around all pods of another.
    static func localPrefixes(_ family: AddressFamily) -> [CIDR] {
        let (few, many) = family == .ipv4 ? (30, 24) : (126, 112)
        return [
            CIDR(podAddress(family, node: 9, host: 0), prefixLength: many),
            CIDR(podAddress(family, node: 0, host: 4), prefixLength: few),
            CIDR(podAddress(family, node: 1, host: 0), prefixLength: many),
        ]
    }

    /// The node-local name server, on an interface of the deciding node.
    static let nodeDNS = [IPAddress(v4: 0xA9FE_140A), IPAddress(v6High: 0xFD00_0010_0096_0000, low: 10)]

    /// Addresses outside the cluster, the metadata service and the ends of the address spaces among them.
    static let outside: [IPAddress] =
        [0x0808_0808, 0xA9FE_A9FE, 0xCB00_7105, 0xCB00_7106, 0xC633_6401, 0x0000_0000, 0xFFFF_FFFF, 0x0AF3_FFFF]
        .map { IPAddress(v4: $0) }
        + [
            (0x2001_0DB8_0000_0000, 0x1), (0x2001_0DB8_0000_0001, 0x1), (0x2001_0DB8_0001_0000, 0),
            (0x2606_4700_4700_0000, 0x1111), (0xFD00_0010_0245_0000, 0), (0, 0), (.max, .max),
        ].map { IPAddress(v6High: $0.0, low: $0.1) }

    /// ::ffff:10.244.0.1, which is not an IPv4 address. Manifests may not name such ones, flows may have them.
    static let mapped = IPAddress(v6High: 0, low: 0xFFFF_0AF4_0001)
}

extension IPAddress {
    /// The next address; the last one's next is the first.
    var next: IPAddress {
        switch family {
        case .ipv4: return IPAddress(v4: v4 &+ 1)
        case .ipv6:
            let sum = low.addingReportingOverflow(1)
            return IPAddress(v6High: high &+ (sum.overflow ? 1 : 0), low: sum.partialValue)
        }
    }

    /// The previous address; the first one's previous is the last.
    var previous: IPAddress {
        switch family {
        case .ipv4: return IPAddress(v4: v4 &- 1)
        case .ipv6:
            let difference = low.subtractingReportingOverflow(1)
            return IPAddress(v6High: high &- (difference.overflow ? 1 : 0), low: difference.partialValue)
        }
    }
}

extension CIDR {
    /// First, last, and the addresses just outside.
    var edges: [IPAddress] {
        let last = network.withHostBits(from: Int(prefixLength))
        return [network, last, network.previous, last.next]
    }
}

extension IPAddress {
    /// All bits after the first `prefixLength` set.
    func withHostBits(from prefixLength: Int) -> IPAddress {
        switch family {
        case .ipv4:
            return IPAddress(v4: v4 | (prefixLength >= 32 ? 0 : UInt32.max >> UInt32(prefixLength)))
        case .ipv6:
            let highMask = prefixLength >= 64 ? 0 : UInt64.max >> UInt64(prefixLength)
            let lowBits = max(prefixLength - 64, 0)
            let lowMask = lowBits >= 64 ? 0 : UInt64.max >> UInt64(lowBits)
            return IPAddress(v6High: high | highMask, low: low | lowMask)
        }
    }
}
