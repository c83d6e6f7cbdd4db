// SPDX-License-Identifier: Apache-2.0
import CLinuxShim

/// What the process can give back to the system.
enum ProcessMemory {
    /// Gives back pages of code and metadata that only the start needed: two thirds of the memory.
    static func forgetStart() { bh_forget_start() }

    /// Gives back as well what the allocator keeps of lists that have come and gone.
    static func trim() {
        bh_trim_heap()
        bh_forget_start()
    }
}
