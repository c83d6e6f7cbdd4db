// SPDX-License-Identifier: Apache-2.0
import CLinuxShim
import Glibc

/// Packets that the kernel's network code has in hand.
enum PacketsUnderWay {
    /// How long it takes where the kernel cannot tell (nohz_full): many times what a packet needs through the hooks.
    private static let microseconds: UInt32 = 100_000

    /// Returns when every packet that was in the kernel's network code has left it.
    static func wait() {
        if bh_grace_period() != 0 { usleep(microseconds) }
    }
}
