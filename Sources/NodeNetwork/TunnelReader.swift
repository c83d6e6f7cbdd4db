// SPDX-License-Identifier: Apache-2.0
import CLinuxShim
import NetlinkAttributes

/// Reads the kind of a device (IFLA_LINKINFO) and, if it is the end of a tunnel, what it decapsulates.
enum TunnelReader {
    static func information(_ body: NetlinkBytes) throws(NetlinkFormatError) -> (kind: String, tunnel: TunnelEnd?) {
        var kind = ""
        var data: NetlinkBytes?
        try body.forEachAttribute(from: 0) { type, payload in
            switch type {
            case Int(IFLA_INFO_KIND): kind = payload.text
            case Int(IFLA_INFO_DATA): data = payload
            default: break
            }
        }
        return (kind, try tunnel(kind, data))
    }

    private static func tunnel(_ kind: String, _ data: NetlinkBytes?) throws(NetlinkFormatError) -> TunnelEnd? {
        switch kind {
        case "vxlan": return TunnelEnd(udpPorts: try port(Int(IFLA_VXLAN_PORT), in: data))
        case "geneve": return TunnelEnd(udpPorts: try port(Int(IFLA_GENEVE_PORT), in: data))
        case "bareudp": return TunnelEnd(udpPorts: try port(Int(IFLA_BAREUDP_PORT), in: data))
        // Only WireGuard itself reports its port.
        case "wireguard": return TunnelEnd()
        case "gre", "gretap", "erspan", "ip6gre", "ip6gretap", "ip6erspan":
            return TunnelEnd(udpPorts: try port(TunnelAttribute.greEncapsulation, in: data), protocols: [Number.gre])
        case "ipip", "sit", "ip6tnl":
            return TunnelEnd(
                udpPorts: try port(TunnelAttribute.ipEncapsulation, in: data), protocols: try inner(of: kind, data))
        default: return nil
        }
    }

    /// A port in network byte order; nil if the attribute is missing or zero.
    private static func port(_ attribute: Int, in data: NetlinkBytes?) throws(NetlinkFormatError) -> Set<UInt16> {
        var ports: Set<UInt16> = []
        try data?.forEachAttribute(from: 0) { type, payload throws(NetlinkFormatError) in
            guard type == attribute else { return }
            let port = UInt16(bigEndian: try payload.load(UInt16.self, "tunnel's port"))
            if port != 0 { ports = [port] }
        }
        return ports
    }

    /// The protocols that follow the outer header: the requested one, or all that the kind can carry.
    private static func inner(of kind: String, _ data: NetlinkBytes?) throws(NetlinkFormatError) -> Set<UInt8> {
        var number: UInt8 = 0
        try data?.forEachAttribute(from: 0) { type, payload throws(NetlinkFormatError) in
            if type == TunnelAttribute.carried { number = try payload.load(UInt8.self, "tunnel's protocol") }
        }
        if number != 0 { return [number] }
        return kind == "ipip" ? [Number.ipv4] : [Number.ipv4, Number.ipv6]
    }

    /// linux/if_tunnel.h, which cannot be included together with glibc's net/if.h.
    private enum TunnelAttribute {
        /// IFLA_IPTUN_PROTO.
        static let carried = 9
        /// IFLA_IPTUN_ENCAP_DPORT.
        static let ipEncapsulation = 18
        /// IFLA_GRE_ENCAP_DPORT.
        static let greEncapsulation = 17
    }

    /// IP protocols (IANA).
    private enum Number {
        static let ipv4: UInt8 = 4
        static let ipv6: UInt8 = 41
        static let gre: UInt8 = 47
    }
}
