// SPDX-License-Identifier: Apache-2.0
import CGracePeriod
import Glibc

/// Packets that the kernel's network code is processing.
package enum PacketsUnderWay {
    /// The kernel cannot tell when packets have left its network code: it runs with nohz_full.
    package struct Unknown: Error {
        /// errno of membarrier(2).
        package let code: Int32
    }

    /// How long a packet may take if the kernel cannot tell: many times what it needs to pass the hooks.
    private static let microseconds: UInt32 = 100_000

    /// Returns when every packet that was in the kernel's network code has left it.
    package static func tryWait() throws(Unknown) { try check(bh_grace_period()) }

    /// Returns when every packet that was on its way through the node, or to it, has left its hooks; usually in a
    /// fraction of a millisecond. It does not wait for the node's own packets.
    package static func tryWaitForForwarded() throws(Unknown) { try check(bh_forwarding_grace_period()) }

    /// ``tryWait()``, or, if the kernel cannot tell, a wait that is long enough.
    package static func wait() {
        if bh_grace_period() != 0 { usleep(microseconds) }
    }

    /// ``tryWaitForForwarded()``, or, if the kernel cannot tell, a wait that is long enough.
    package static func waitForForwarded() {
        if bh_forwarding_grace_period() != 0 { usleep(microseconds) }
    }

    private static func check(_ code: Int32) throws(Unknown) {
        guard code == 0 else { throw Unknown(code: -code) }
    }
}
