// SPDX-License-Identifier: Apache-2.0
import CLinuxShim
import Glibc

/// A dedicated thread for code that waits in poll(2), which ends when its descriptor becomes readable.
public final class PolledThread: Sendable {
    private let wake: Int32
    private let thread: pthread_t

    /// Starts the thread.
    ///
    /// - Parameter body: runs on the thread, and returns once its descriptor is readable.
    /// - Throws: ``PolledThreadError`` if the system has no descriptor or thread left.
    public init(_ body: sending @escaping (_ wake: Int32) -> Void) throws(PolledThreadError) {
        let wake = eventfd(0, Int32(EFD_CLOEXEC))
        guard wake >= 0 else { throw PolledThreadError(operation: "make an eventfd", code: errno) }
        var thread = pthread_t()
        let box = Unmanaged.passRetained(Body { body(wake) })
        let failure = pthread_create(
            &thread, nil,
            { argument in
                Unmanaged<Body>.fromOpaque(argument!).takeRetainedValue().run()
                return nil
            }, box.toOpaque())
        guard failure == 0 else {
            box.release()
            close(wake)
            throw PolledThreadError(operation: "start a thread", code: failure)
        }
        self.wake = wake
        self.thread = thread
    }

    /// Ends the thread and waits for it. Call this once, and not from the thread.
    public func stop() {
        var one: UInt64 = 1
        _ = write(wake, &one, MemoryLayout<UInt64>.size)
        pthread_join(thread, nil)
        close(wake)
    }

    /// The state of the thread itself.
    private final class Body {
        let run: () -> Void
        init(_ run: @escaping () -> Void) { self.run = run }
    }
}

/// Why there is no thread; `code` is an errno.
public struct PolledThreadError: Error, Sendable, Hashable {
    /// What was tried, as a verb phrase: "start a thread".
    public var operation: String
    public var code: Int32
}
