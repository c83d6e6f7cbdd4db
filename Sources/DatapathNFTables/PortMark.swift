// SPDX-License-Identifier: Apache-2.0
import Datapath

/// The mark of a frame on its way through the forward hooks of a bridge, where it leaves by an endpoint's port to a
/// group, a link-local address, or any address that is not that endpoint's. The hooks of IPv4 and IPv6 know the bridge
/// alone as the device that it leaves by; the mark tells them the port, so that the ingress policy of the endpoint
/// behind it is asked. It is set and taken away by `table bridge bulkhead`.
package enum PortMark {
    package static let base: UInt32 = 0x4200_0000
    /// The bits that tell such a mark; the others are the port's interface index.
    package static let mask: UInt32 = 0xff00_0000

    /// The mark of a port; nil for an index that has no room in it.
    package static func of(port index: UInt32) -> UInt32? { index & mask == 0 ? base | index : nil }
}

extension NFTablesDatapath {
    /// Its hooks have no other way to learn it.
    public static var needsPortMarks: Bool { true }
}
