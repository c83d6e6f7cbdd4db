// SPDX-License-Identifier: Apache-2.0
import CLinuxShim

/// Memory that the process can return to the system.
enum ProcessMemory {
    /// Returns pages of code and metadata that only the start needed: two thirds of the memory.
    static func forgetStart() { bh_forget_start() }

    /// Also returns what the allocator keeps of lists that are gone.
    static func trim() {
        bh_trim_heap()
        bh_forget_start()
    }
}
