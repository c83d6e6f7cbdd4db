// SPDX-License-Identifier: Apache-2.0
import ControlViews
import Glibc
import Synchronization

/// What becomes of the process when standard output takes no more.
enum OutputFailure {
    /// Whether everything that the command still does is to write, without an end of its own.
    private static let isStream = Atomic(false)
    private static let isReaderGone = Atomic(false)

    /// From now on the command ends when its reader leaves.
    static func endWithReader() { isStream.store(true, ordering: .relaxed) }

    /// Whether the reader has left: nothing that is still written is read.
    static var discards: Bool { isReaderGone.load(ordering: .relaxed) }

    /// A write has failed. A reader that has enough (`| head`) is not a failure: a stream ends, and any other command
    /// goes on, because its exit code says more than that it was read.
    static func handle(_ code: Int32, on descriptor: Int32) {
        guard descriptor == STDOUT_FILENO else { Glibc.exit(ExitStatus.failure.rawValue) }
        if code == EPIPE {
            if isStream.load(ordering: .relaxed) { Glibc.exit(ExitStatus.done.rawValue) }
            isReaderGone.store(true, ordering: .relaxed)
            return
        }
        let message = Array("error: cannot write to standard output: \(String(cString: strerror(code)))\n".utf8)
        // A failure to say so has no other place to go.
        _ = message.withUnsafeBytes { Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
        Glibc.exit(ExitStatus.failure.rawValue)
    }
}
