// SPDX-License-Identifier: Apache-2.0
import ChainedCNI
import Glibc
import PolledThread
import Synchronization
import WatchedFiles

/// Keeps the plugin installed, on a dedicated thread: it checks whenever a file in the two directories changes, because
/// the CNI may rewrite its configuration at any time.
public final class InstallationKeeper: Sendable {
    /// The state of the installation.
    public struct State: Sendable, Hashable {
        /// The configuration that has the plugin; nil if there is none yet.
        public var configuration: String?
        /// How often the plugin was added.
        public var installs = 0
        /// Why it is not installed.
        public var problem: String?
    }

    /// A change, or a problem, in words. Called on the keeper's thread.
    public typealias Receiver = @Sendable (_ text: String, _ isProblem: Bool) -> Void

    private let current = Mutex(State())
    private let thread = Mutex<PolledThread?>(nil)

    /// Starts with a first check.
    ///
    /// - Throws: ``InstallationError`` if no thread is available.
    public init(
        _ installation: PluginInstallation, program: String, settings: PluginSettings,
        receiver: @escaping Receiver
    ) throws(InstallationError) {
        let loop = KeeperLoop(
            keeper: self, installation: installation, program: program, settings: settings, receiver: receiver)
        let started: PolledThread
        do throws(PolledThreadError) {
            started = try PolledThread { loop.run($0) }
        } catch {
            throw InstallationError(error.operation, code: error.code)
        }
        thread.withLock { $0 = started }
    }

    public var state: State { current.withLock { $0 } }

    /// Ends the thread and waits for it. What is installed stays. Further calls do nothing.
    public func stop() {
        let running = thread.withLock { thread in
            defer { thread = nil }
            return thread
        }
        running?.stop()
    }

    fileprivate func set(_ state: State) { current.withLock { $0 = state } }
}

/// The thread's own state: no other code uses it once the thread runs.
private final class KeeperLoop {
    // The keeper ends the thread before it is destroyed.
    private unowned let keeper: InstallationKeeper
    private let installation: PluginInstallation
    private let program: String
    private let settings: PluginSettings
    private let receiver: InstallationKeeper.Receiver
    private var state = InstallationKeeper.State()
    private var inotify: Inotify?
    private var isWatched: [String: Int32] = [:]
    /// Another program may restore its own file each time: the two must not keep each other busy.
    private var pause: Int32 = KeeperLoop.shortPause

    /// Files are often written in several steps.
    private static let shortPause: Int32 = 50
    private static let longPause: Int32 = 30_000
    /// For directories that do not exist yet. Milliseconds.
    private static let retry: Int32 = 2000
    private static let mask = [IN_CLOSE_WRITE, IN_MOVED_TO, IN_MOVED_FROM, IN_DELETE, IN_DELETE_SELF, IN_MOVE_SELF]

    init(
        keeper: InstallationKeeper, installation: PluginInstallation, program: String, settings: PluginSettings,
        receiver: @escaping InstallationKeeper.Receiver
    ) {
        self.keeper = keeper
        self.installation = installation
        self.program = program
        self.settings = settings
        self.receiver = receiver
    }

    func run(_ waiter: PolledThread.Waiter) {
        defer { inotify?.close() }
        while true {
            // Watched first, then checked: no change is missed in between.
            watch()
            look()
            let whole = isWatched.count == installation.folders.count
            guard waiter.wait(for: inotify?.descriptor, milliseconds: whole ? -1 : Self.retry),
                waiter.wait(milliseconds: pause)
            else { return }
            _ = inotify?.drain()
        }
    }

    private func watch() {
        if inotify == nil { inotify = try? Inotify(for: program) }
        isWatched = [:]
        for folder in installation.folders {
            isWatched[folder] = inotify?.watch(folder, Self.mask)
        }
    }

    private func look() {
        var next = state
        do throws(InstallationError) {
            let outcome = try installation.install(program: program, settings: settings)
            next.configuration = outcome.configuration
            next.problem =
                outcome.problem
                ?? (outcome.configuration == nil
                    ? "there is no CNI configuration yet" + outcome.skipped.map { "; skipped \($0)" }.joined()
                    : nil)
            if outcome.changes.isEmpty {
                pause = Self.shortPause
            } else {
                next.installs += 1
                pause = next.installs > 1 ? min(pause * 2, Self.longPause) : Self.shortPause
            }
            for change in outcome.changes { receiver(change, false) }
        } catch {
            next.configuration = nil
            next.problem = "\(error)"
        }
        if let problem = next.problem, problem != state.problem { receiver(problem, true) }
        state = next
        keeper.set(state)
    }
}
