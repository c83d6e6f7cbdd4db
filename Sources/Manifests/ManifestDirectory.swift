// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import PolledThread
import Synchronization
import WatchedFiles

/// A watched directory of manifests: first its content, then each change.
///
/// It reads `*.yaml`, `*.yml` and `*.json` directly in the directory, follows symbolic links, and ignores hidden files.
/// A change is seen when the writer closes the file or renames it into place; ConfigMap volumes (which swap the link
/// `..data`) and directories behind a replaced link are followed. If the directory disappears, everything stays in
/// force and a problem is reported until it comes back.
///
/// Waiting and reading happen on a dedicated thread.
public final class ManifestDirectory: Sendable {
    public struct Update: Sendable {
        /// The changes since the previous update; the first update has every object.
        public var events: [ObjectEvent]
        /// All present problems, not only new ones.
        public var problems: [ManifestProblem]
        /// All documents that have no effect now.
        public var notices: [ManifestNotice]
    }

    /// The directory as it was found.
    public let initial: Update
    /// Everything after that, in order and complete. Ends after ``stop()``.
    public let updates: AsyncStream<Update>
    private let thread: Mutex<PolledThread?>
    /// Nested YAML is composed by recursion.
    private static let stackSize = 8 << 20

    /// Reads the folder on the calling thread and begins to watch.
    ///
    /// - Parameters:
    ///   - kinds: what documents may be; others are problems. Nil: whatever we know.
    ///   - keepsLastOnEmpty: whether what a file or the whole folder held stays in force when it becomes empty.
    /// - Throws: ``FileAccessError`` where it is not there or can't be read or watched.
    public init(
        path: String, limits: ManifestLimits = ManifestLimits(), kinds: Set<ObjectKind>? = nil,
        keepsLastOnEmpty: Bool = false
    ) throws(FileAccessError) {
        let inotify = try Inotify(for: path)
        var watcher = DirectoryWatcher(
            path: path, limits: limits, kinds: kinds, keepsLastOnEmpty: keepsLastOnEmpty, inotify: inotify)
        do throws(FileAccessError) {
            initial = try watcher.begin()
        } catch {
            inotify.close()
            throw error
        }
        let (stream, continuation) = AsyncStream.makeStream(of: Update.self)
        updates = stream
        do throws(PolledThreadError) {
            let thread = try PolledThread(name: "manifests", stackSize: Self.stackSize) { [watcher] waiter in
                var watcher = watcher
                watcher.run(waiter) { continuation.yield($0) }
                inotify.close()
                continuation.finish()
            }
            self.thread = Mutex(thread)
        } catch {
            inotify.close()
            throw FileAccessError(path, error.operation, errorNumber: error.code)
        }
    }

    /// Ends the watch and waits for its thread; may be called more than once.
    public func stop() {
        let running = thread.withLock { thread in
            defer { thread = nil }
            return thread
        }
        running?.stop()
    }

    deinit { stop() }
}
