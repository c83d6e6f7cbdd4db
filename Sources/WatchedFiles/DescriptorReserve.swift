// SPDX-License-Identifier: Apache-2.0
import Glibc
import Synchronization

/// Descriptors that are held so that our own files can be opened when all others are taken, by whomever.
public final class DescriptorReserve: Sendable {
    /// For all of this process.
    public static let shared = DescriptorReserve()

    private static let size = 4
    private let held: Mutex<[Int32]>

    private init() { held = Mutex((0..<Self.size).compactMap { _ in Self.hold() }) }

    private static func hold() -> Int32? {
        let descriptor = Glibc.open("/dev/null", O_RDONLY | O_CLOEXEC)
        return descriptor >= 0 ? descriptor : nil
    }

    /// Opens a descriptor; where there is none left, one of the reserve makes room.
    ///
    /// - Parameter attempt: answers a descriptor, or a negative number with errno set.
    public func open(_ attempt: () -> Int32) -> Int32 {
        let descriptor = attempt()
        guard descriptor < 0, errno == EMFILE || errno == ENFILE else { return descriptor }
        // One at a time, so that nobody else of ours takes what was made free.
        return held.withLock { held in
            guard let last = held.popLast() else {
                errno = EMFILE
                return -1
            }
            _ = Glibc.close(last)
            return attempt()
        }
    }

    /// Takes back what was given away, as far as there is room; after a descriptor of ``open(_:)`` was closed.
    public func refill() {
        held.withLock { held in
            while held.count < Self.size, let descriptor = Self.hold() { held.append(descriptor) }
        }
    }
}
