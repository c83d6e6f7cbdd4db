// SPDX-License-Identifier: Apache-2.0
import Foundation
import Glibc
import KubernetesObjects

/// A folder of manifests, watched: what it holds at first, then each change as it comes.
///
/// Read are `*.yaml`, `*.yml` and `*.json` directly in the folder, symbolic links followed, hidden files not. A change
/// is seen when the writer closes the file, or renames it into place; ConfigMap volumes (which swap the link `..data`)
/// and folders reached through a link that is replaced are followed. A folder that vanishes leaves everything in force,
/// is a problem, and is taken up again when it comes back.
///
/// Waiting and reading happen on a thread of its own.
public final class ManifestDirectory: Sendable {
    public struct Update: Sendable {
        /// What changed since the update before; the first one has every object.
        public var events: [ObjectEvent]
        /// All that is wrong now, not only what is new.
        public var problems: [ManifestProblem]
        /// All documents without effect now.
        public var notices: [ManifestNotice]
    }

    /// The folder as it was found.
    public let initial: Update
    /// Everything after that, in order, nothing left out. Ends after ``stop()``.
    public let updates: AsyncStream<Update>
    private let stopPipe: Int32

    /// Reads the folder on the calling thread and begins to watch.
    ///
    /// - Parameters:
    ///   - kinds: what documents may be; others are problems. Nil: whatever we know.
    ///   - keepsLastOnEmpty: whether what a file or the whole folder held stays in force when it becomes empty.
    /// - Throws: ``ManifestAccessError`` where it is not there or can't be read or watched.
    public init(
        path: String, limits: ManifestLimits = ManifestLimits(), kinds: Set<ObjectKind>? = nil,
        keepsLastOnEmpty: Bool = false
    ) throws(ManifestAccessError) {
        var pipeEnds: [Int32] = [0, 0]
        guard pipe(&pipeEnds) == 0 else { throw ManifestAccessError(path, "pipe") }
        for end in pipeEnds {
            _ = fcntl(end, F_SETFD, FD_CLOEXEC)
            _ = fcntl(end, F_SETFL, O_NONBLOCK)
        }
        stopPipe = pipeEnds[1]
        let inotify: Inotify
        var watcher: DirectoryWatcher
        do throws(ManifestAccessError) {
            inotify = try Inotify(for: path)
        } catch {
            for end in pipeEnds { _ = close(end) }
            throw error
        }
        watcher = DirectoryWatcher(
            path: path, limits: limits, kinds: kinds, keepsLastOnEmpty: keepsLastOnEmpty, inotify: inotify,
            stop: pipeEnds[0])
        do throws(ManifestAccessError) {
            initial = try watcher.begin()
        } catch {
            watcher.closeAll()
            _ = close(pipeEnds[1])
            throw error
        }
        let (stream, continuation) = AsyncStream.makeStream(of: Update.self)
        updates = stream
        let thread = Thread { [watcher] in
            var watcher = watcher
            watcher.run { continuation.yield($0) }
            watcher.closeAll()
            continuation.finish()
        }
        thread.name = "manifests"
        thread.stackSize = 8 << 20
        thread.start()
    }

    /// Ends the watch; may be called more than once.
    public func stop() {
        var byte: UInt8 = 0
        _ = write(stopPipe, &byte, 1)
    }

    deinit {
        // The reading end sees the end of the file and stops.
        _ = close(stopPipe)
    }
}
