// SPDX-License-Identifier: Apache-2.0
import Glibc

/// The name of a thread, for ps and debuggers.
package enum ThreadName {
    /// Names the calling thread, in 15 bytes at most. Glibc's own function is hidden from Swift.
    package static func set(_ name: String) {
        let descriptor = open("/proc/thread-self/comm", O_WRONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        _ = write(descriptor, name, name.utf8.count)
    }
}
