// SPDX-License-Identifier: Apache-2.0
import CLinuxShim
import ChainedCNI
import Glibc
import PolicySources
import Synchronization

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
    private let wake: Int32
    private let thread = Mutex<pthread_t?>(nil)

    private struct Work {
        let keeper: InstallationKeeper
        let installation: PluginInstallation
        let program: String
        let settings: PluginSettings
        let receiver: Receiver
    }

    /// Starts with a first look.
    ///
    /// - Throws: ``InstallationError`` when no thread is to be had.
    public init(
        _ installation: PluginInstallation, program: String, settings: PluginSettings,
        receiver: @escaping Receiver
    ) throws(InstallationError) {
        wake = eventfd(0, Int32(EFD_CLOEXEC))
        guard wake >= 0 else { throw InstallationError("eventfd", code: errno) }
        let loop = KeeperLoop(
            keeper: self, installation: installation, program: program, settings: settings, receiver: receiver)
        var thread = pthread_t()
        let failure = pthread_create(
            &thread, nil,
            { argument in
                Unmanaged<KeeperLoop>.fromOpaque(argument!).takeRetainedValue().run()
                return nil
            }, Unmanaged.passRetained(loop).toOpaque())
        guard failure == 0 else {
            Unmanaged.passUnretained(loop).release()
            close(wake)
            throw InstallationError("thread", code: failure)
        }
        self.thread.withLock { $0 = thread }
    }

    public var state: State { current.withLock { $0 } }

    /// Ends the thread and waits for it. What is installed stays. Further calls do nothing.
    public func stop() {
        guard
            let thread = thread.withLock({ thread in
                defer { thread = nil }
                return thread
            })
        else { return }
        var one: UInt64 = 1
        _ = write(wake, &one, MemoryLayout<UInt64>.size)
        pthread_join(thread, nil)
        close(wake)
    }

    fileprivate var wakeDescriptor: Int32 { wake }
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

    func run() {
        defer { inotify?.close() }
        while true {
            // Watched first, looked at then: nothing falls between.
            watch()
            look()
            guard wait(whole: isWatched.count == installation.folders.count ? -1 : Self.retry) else { return }
            guard rest(pause) else { return }
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

    /// Waits for a change. False when it is time to stop.
    private func wait(whole milliseconds: Int32) -> Bool {
        var polled = [
            pollfd(fd: keeper.wakeDescriptor, events: Int16(POLLIN), revents: 0),
            pollfd(fd: inotify?.descriptor ?? -1, events: Int16(POLLIN), revents: 0),
        ]
        _ = poll(&polled, 2, milliseconds)
        return polled[0].revents == 0
    }

    /// Lets time pass. False when it is time to stop.
    private func rest(_ milliseconds: Int32) -> Bool {
        var polled = [pollfd(fd: keeper.wakeDescriptor, events: Int16(POLLIN), revents: 0)]
        _ = poll(&polled, 1, milliseconds)
        return polled[0].revents == 0
    }
}
