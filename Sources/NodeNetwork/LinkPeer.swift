// SPDX-License-Identifier: Apache-2.0
import NetworkTypes

/// The other end of a veth pair, in another namespace.
public struct LinkPeer: Sendable, Hashable {
    /// Its addresses, without link-local ones.
    public var addresses: Set<IPAddress> = []
    /// Its link-local addresses.
    public var linkLocal: Set<IPAddress> = []
    /// Six bytes, the first one uppermost; 0 if unknown.
    public var hardware: UInt64 = 0

    /// More than a pod's interface has; further addresses are ignored.
    static let addressLimit = 256

    public init(addresses: Set<IPAddress> = [], linkLocal: Set<IPAddress> = [], hardware: UInt64 = 0) {
        self.addresses = addresses
        self.linkLocal = linkLocal
        self.hardware = hardware
    }
}

extension IPAddress {
    /// Whether it is valid on one link only: fe80::/10 (RFC 4291, 2.5.6), 169.254.0.0/16 (RFC 3927).
    var isLinkLocal: Bool { NetworkState.linkLocal.contains(self) || NetworkState.linkLocal4.contains(self) }

    /// The link-local address that an interface derives from its hardware address (RFC 4291, appendix A).
    static func linkLocal(of hardware: UInt64) -> IPAddress {
        let identifier = ((hardware >> 24) << 40) | 0xff_fe00_0000 | (hardware & 0xff_ffff)
        return IPAddress(v6High: 0xfe80 << 48, low: identifier ^ 0x0200_0000_0000_0000)
    }
}

extension NetworkState {
    /// The links whose other ends may belong to pods, by the number of the other end's namespace.
    var linksByNamespace: [Int32: [Link]] {
        Dictionary(
            grouping: links.values.filter {
                $0.peerNamespace != nil && $0.peerIndex != 0 && Self.podKinds.contains($0.kind)
            }, by: { $0.peerNamespace! })
    }

    mutating func observePeers(_ message: NetworkMessage) -> Effect {
        let before = peers
        switch message {
        case .peerAddress(let namespace, let address):
            forEachLink(namespace, address.link) { peer in
                let isLocal = address.address.isLinkLocal
                guard (isLocal ? peer.linkLocal : peer.addresses).count < LinkPeer.addressLimit else { return }
                if isLocal { peer.linkLocal.insert(address.address) } else { peer.addresses.insert(address.address) }
            }
        case .peerLink(let namespace, let link, let hardware):
            forEachLink(namespace, link) { $0.hardware = hardware }
        default: break
        }
        return peers == before ? .unchanged : .changed
    }

    private mutating func forEachLink(_ namespace: Int32, _ index: UInt32, _ body: (inout LinkPeer) -> Void) {
        for link in links.values where link.peerNamespace == namespace && link.peerIndex == index {
            body(&peers[link.index, default: LinkPeer()])
        }
    }
}
