// SPDX-License-Identifier: Apache-2.0
import CGracePeriod
import Glibc

/// Packets that the kernel's network code has in hand.
package enum PacketsUnderWay {
    /// The kernel cannot tell when packets have left its network code: it runs with nohz_full.
    package struct Unknown: Error {
        /// errno of membarrier(2).
        package let code: Int32
    }

    /// How long a packet may take where the kernel cannot tell: many times what it needs through the hooks.
    private static let microseconds: UInt32 = 100_000

    /// Returns when every packet that was in the kernel's network code has left it.
    package static func tryWait() throws(Unknown) { try check(bh_grace_period()) }

    /// Returns when every packet that was on its way through the node, or to it, has left its hooks; mostly in a
    /// fraction of a millisecond. What the node itself sends is not waited for.
    package static func tryWaitForForwarded() throws(Unknown) { try check(bh_forwarding_grace_period()) }

    /// ``tryWait()``, or where the kernel cannot tell, a wait that is long enough.
    package static func wait() {
        if bh_grace_period() != 0 { usleep(microseconds) }
    }

    /// ``tryWaitForForwarded()``, or where the kernel cannot tell, a wait that is long enough.
    package static func waitForForwarded() {
        if bh_forwarding_grace_period() != 0 { usleep(microseconds) }
    }

    private static func check(_ code: Int32) throws(Unknown) {
        guard code == 0 else { throw Unknown(code: -code) }
    }
}
