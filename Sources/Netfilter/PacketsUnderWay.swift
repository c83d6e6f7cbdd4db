// SPDX-License-Identifier: Apache-2.0
import CLinuxShim
import Glibc

/// Packets that the kernel's network code has in hand.
package enum PacketsUnderWay {
    /// How long it takes where the kernel cannot tell (nohz_full): many times what a packet needs through the hooks.
    private static let microseconds: UInt32 = 100_000

    /// Returns when every packet that was in the kernel's network code has left it.
    package static func wait() {
        if bh_grace_period() != 0 { usleep(microseconds) }
    }

    /// Returns when every packet that was on its way through the node, or to it, has left its hooks; mostly in a
    /// fraction of a millisecond. What the node itself sends is not waited for.
    package static func waitForForwarded() {
        if bh_forwarding_grace_period() != 0 { usleep(microseconds) }
    }
}
