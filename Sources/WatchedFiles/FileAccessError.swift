// SPDX-License-Identifier: Apache-2.0
import Glibc

/// A system call that failed for a file.
public struct FileAccessError: Error, Sendable, Hashable, CustomStringConvertible {
    public var path: String
    public var call: String
    public var errorNumber: Int32

    /// - Parameter errorNumber: nil: the calling thread's `errno`.
    package init(_ path: String, _ call: String, errorNumber: Int32? = nil) {
        self.path = path
        self.call = call
        self.errorNumber = errorNumber ?? errno
    }

    public var description: String { "\(path): \(call): \(String(cString: strerror(errorNumber)))" }

    /// Whether it may succeed in a moment: descriptors, memory or something below the file system were lacking.
    package var mayPass: Bool { [EMFILE, ENFILE, ENOMEM, EAGAIN, EINTR, EIO, ESTALE].contains(errorNumber) }
}
