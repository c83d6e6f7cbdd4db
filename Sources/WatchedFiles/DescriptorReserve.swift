// SPDX-License-Identifier: Apache-2.0
import Glibc
import Synchronization

/// Reserved descriptors, so that this process can open its own files when clients have used up all others.
public final class DescriptorReserve: Sendable {
    /// The reserve of this process.
    public static let shared = DescriptorReserve()

    private static let size = 4
    private let held: Mutex<[Int32]>

    private init() { held = Mutex((0..<Self.size).compactMap { _ in Self.hold() }) }

    private static func hold() -> Int32? {
        let descriptor = Glibc.open("/dev/null", O_RDONLY | O_CLOEXEC)
        return descriptor >= 0 ? descriptor : nil
    }

    /// Opens a descriptor; if none is left, the reserve gives one up.
    ///
    /// - Parameter attempt: returns a descriptor, or a negative number with errno set.
    public func open(_ attempt: () -> Int32) -> Int32 {
        let descriptor = attempt()
        guard descriptor < 0, errno == EMFILE || errno == ENFILE else { return descriptor }
        // One at a time, so that no other caller takes the descriptor that was given up.
        return held.withLock { held in
            guard let last = held.popLast() else {
                errno = EMFILE
                return -1
            }
            _ = Glibc.close(last)
            return attempt()
        }
    }

    /// Refills the reserve as far as possible; call this after a descriptor of ``open(_:)`` was closed.
    public func refill() {
        held.withLock { held in
            while held.count < Self.size, let descriptor = Self.hold() { held.append(descriptor) }
        }
    }
}
