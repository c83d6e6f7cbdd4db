// SPDX-License-Identifier: Apache-2.0

/// The mark of a frame on its way through the forward hooks of a bridge, if it leaves through an endpoint's port to a
/// group, a link-local address, or any address that is not that endpoint's. The hooks of IPv4 and IPv6 see only the
/// bridge as the output device. The mark names the port, so that the ingress policy of the endpoint behind it decides.
/// The bridge guard sets the mark and removes it.
package enum PortMark {
    package static let base: UInt32 = 0x4200_0000
    /// The bits that identify such a mark; the others are the port's interface index.
    package static let mask: UInt32 = 0xff00_0000

    /// The mark of a port; nil for an index that does not fit.
    package static func of(port index: UInt32) -> UInt32? { index & mask == 0 ? base | index : nil }
}
