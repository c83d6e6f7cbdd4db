// SPDX-License-Identifier: Apache-2.0
import ChainedCNI
import Glibc
import PolledThread
import Synchronization
import WatchedFiles

/// Keeps the plugin installed, on a thread of its own: looks whenever a file of the two folders changes, since the CNI
/// writes its configuration anew as it likes.
public final class InstallationKeeper: Sendable {
    /// How it stands.
    public struct State: Sendable, Hashable {
        /// The configuration that has the plugin; nil: there is none yet.
        public var configuration: String?
        /// How often the plugin was put in.
        public var installs = 0
        /// Why it is not in.
        public var problem: String?
    }

    /// A change, or a problem, in words. Called on the keeper's thread.
    public typealias Receiver = @Sendable (_ text: String, _ isProblem: Bool) -> Void

    private let current = Mutex(State())
    private let thread = Mutex<PolledThread?>(nil)

    /// Starts with a first look.
    ///
    /// - Throws: ``InstallationError`` when no thread is to be had.
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

/// The thread's own: used by nobody else once the thread runs.
private final class KeeperLoop {
    // The keeper ends the thread before it goes.
    private unowned let keeper: InstallationKeeper
    private let installation: PluginInstallation
    private let program: String
    private let settings: PluginSettings
    private let receiver: InstallationKeeper.Receiver
    private var state = InstallationKeeper.State()
    private var inotify: Inotify?
    private var isWatched: [String: Int32] = [:]
    /// Another program may put its own back each time: they must not keep each other busy.
    private var pause: Int32 = KeeperLoop.shortPause

    /// Files are often written in several steps.
    private static let shortPause: Int32 = 50
    private static let longPause: Int32 = 30_000
    /// For folders that are not there yet. Milliseconds.
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
            // Watched first, looked at then: nothing falls between.
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
                    ? "no CNI configuration is there yet" + outcome.skipped.map { "; passed over \($0)" }.joined()
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
