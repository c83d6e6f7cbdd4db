// SPDX-License-Identifier: Apache-2.0

/// What a bridged frame bears while it passes the hook `forward` of the tables `bridge` and `inet`, and only then: the
/// bridge port by which it leaves, where the frame's destination does not tell which endpoint gets it.
package enum PortMark {
    package static let base: UInt32 = 0x4200_0000
    /// The bits that tell such a mark; the others are the port's interface index.
    package static let mask: UInt32 = 0xff00_0000

    /// The mark of a port; nil for an index that has no room in it.
    package static func of(port index: UInt32) -> UInt32? { index & mask == 0 ? base | index : nil }
}
