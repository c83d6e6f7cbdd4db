// SPDX-License-Identifier: Apache-2.0
import Glibc

/// A dedicated thread for a loop that waits in poll(2), until the loop must end.
public final class PolledThread: Sendable {
    /// How the loop waits; the thread's own.
    public struct Waiter: Sendable {
        /// Readable once the thread has to end.
        fileprivate let wake: Int32

        /// Waits until there is something to read.
        ///
        /// - Parameters:
        ///   - descriptor: what to read from; nil: only the time passes.
        ///   - milliseconds: how long to wait at most; -1: without end.
        /// - Returns: false once the loop has to return.
        public func wait(for descriptor: Int32? = nil, milliseconds: Int32 = -1) -> Bool {
            // poll(2) ignores descriptors below 0.
            var polled = (
                pollfd(fd: wake, events: Int16(POLLIN), revents: 0),
                pollfd(fd: descriptor ?? -1, events: Int16(POLLIN), revents: 0)
            )
            withUnsafeMutableBytes(of: &polled) { bytes in
                _ = poll(bytes.assumingMemoryBound(to: pollfd.self).baseAddress, 2, milliseconds)
            }
            return polled.0.revents == 0
        }
    }

    private let readEnd: Int32
    private let writeEnd: Int32
    private let thread: pthread_t

    /// Starts the thread.
    ///
    /// - Parameters:
    ///   - name: as the kernel shows it, up to 15 bytes; nil: the process's.
    ///   - stackSize: bytes of the thread's stack; nil: the system's default.
    ///   - body: runs on the thread, and returns once ``Waiter/wait(for:milliseconds:)`` answers false.
    /// - Throws: ``PolledThreadError`` when the system has no descriptor or thread left.
    public init(
        name: String? = nil, stackSize: Int? = nil, _ body: sending @escaping (_ waiter: Waiter) -> Void
    ) throws(PolledThreadError) {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { throw PolledThreadError(operation: "make a pipe", code: errno) }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        let (readEnd, writeEnd) = (ends[0], ends[1])
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        defer { pthread_attr_destroy(&attributes) }
        if let stackSize { pthread_attr_setstacksize(&attributes, stackSize) }
        var thread = pthread_t()
        let box = Unmanaged.passRetained(
            Body {
                if let name { ThreadName.set(name) }
                body(Waiter(wake: readEnd))
            })
        let failure = pthread_create(
            &thread, &attributes,
            { argument in
                Unmanaged<Body>.fromOpaque(argument!).takeRetainedValue().run()
                return nil
            }, box.toOpaque())
        guard failure == 0 else {
            box.release()
            for end in [readEnd, writeEnd] { close(end) }
            throw PolledThreadError(operation: "start a thread", code: failure)
        }
        self.readEnd = readEnd
        self.writeEnd = writeEnd
        self.thread = thread
    }

    /// Ends the thread and waits for it. Call this once, and not from the thread.
    public func stop() {
        var byte: UInt8 = 0
        _ = write(writeEnd, &byte, 1)
        pthread_join(thread, nil)
        for end in [readEnd, writeEnd] { close(end) }
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
