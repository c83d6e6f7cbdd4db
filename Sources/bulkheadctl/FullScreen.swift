// SPDX-License-Identifier: Apache-2.0
import ControlProtocol
import ControlViews
import Glibc
import PolledThread
import Synchronization

/// The terminal's other screen, with keys that arrive at once and signals that arrive as input, until ``restore()``.
final class FullScreen: Sendable {
    private static let ends = [SIGINT, SIGTERM, SIGHUP, SIGQUIT]
    /// Where the handler of signals writes their numbers; -1: nowhere.
    private static let signals = Atomic<Int32>(-1)

    private let before: termios
    private let pipe: [Int32]
    private let threads: [PolledThread]
    private let isRestored = Atomic(false)

    /// - Throws: ``CommandFailure`` if the terminal cannot be changed; it is then as before.
    init(
        pressed: @escaping @Sendable (UInt8) -> Void, signaled: @escaping @Sendable (Int32) -> Void
    ) throws {
        var ends: [Int32] = [-1, -1]
        var state = termios()
        guard Glibc.pipe(&ends) == 0, tcgetattr(STDOUT_FILENO, &state) == 0 else {
            throw CommandFailure("cannot use the terminal: \(String(cString: strerror(errno))); try 'top --once'")
        }
        // A full pipe must not stop the process in its handler.
        for end in ends { _ = fcntl(end, F_SETFL, O_NONBLOCK) }
        before = state
        pipe = ends
        do throws(PolledThreadError) {
            threads = [
                try Self.read(ends[0]) { signaled(Int32($0)) }, try Self.read(STDIN_FILENO, pressed),
            ]
        } catch {
            throw CommandFailure("cannot \(error.operation): \(String(cString: strerror(error.code)))")
        }
        Self.signals.store(ends[1], ordering: .sequentiallyConsistent)
        for number in Self.ends + [SIGWINCH] { Self.handle(number) }
        // The terminal is given back also from the background.
        signal(SIGTTOU, SIG_IGN)
        // Ctrl-Z would leave the shell with this screen.
        state.c_lflag &= ~tcflag_t(ICANON | ECHO)
        withUnsafeMutableBytes(of: &state.c_cc) { $0[Int(VSUSP)] = 0 }
        tcsetattr(STDOUT_FILENO, TCSANOW, &state)
        // The other screen; the cursor hidden.
        Terminal.write(Array("\u{1b}[?1049h\u{1b}[?25l".utf8))
    }

    /// Reads bytes on a thread of its own, until the end of the input.
    private static func read(
        _ descriptor: Int32, _ take: @escaping @Sendable (UInt8) -> Void
    ) throws(PolledThreadError) -> PolledThread {
        try PolledThread { waiter in
            while waiter.wait(for: descriptor) {
                var byte: UInt8 = 0
                let count = Glibc.read(descriptor, &byte, 1)
                if count == 1 { take(byte) }
                if count == 0 || count < 0 && errno != EAGAIN && errno != EINTR {
                    // The terminal is gone.
                    return take(UInt8(ascii: "q"))
                }
            }
        }
    }

    private static func handle(_ number: Int32) {
        var action = sigaction()
        action.__sigaction_handler.sa_handler = { number in
            // Only what a handler may do: one write(2), with errno kept.
            let saved = errno
            var byte = UInt8(truncatingIfNeeded: number)
            _ = Glibc.write(FullScreen.signals.load(ordering: .relaxed), &byte, 1)
            errno = saved
        }
        action.sa_flags = SA_RESTART
        sigaction(number, &action, nil)
    }

    /// Gives the terminal back as it was, once.
    func restore() {
        guard !isRestored.exchange(true, ordering: .sequentiallyConsistent) else { return }
        Terminal.write(Array("\u{1b}[?25h\u{1b}[?1049l".utf8))
        var state = before
        // What was typed and not read must not become a command of the shell.
        tcsetattr(STDOUT_FILENO, TCSAFLUSH, &state)
        for number in Self.ends + [SIGWINCH] { signal(number, SIG_DFL) }
        Self.signals.store(-1, ordering: .sequentiallyConsistent)
        for thread in threads { thread.stop() }
        for end in pipe { close(end) }
    }

    deinit { restore() }

    static func isResize(_ number: Int32) -> Bool { number == SIGWINCH }

    /// Ends the process as the signal would have.
    static func die(of number: Int32) -> Never {
        signal(number, SIG_DFL)
        raise(number)
        exit(128 + number)
    }

    /// Overwrites the screen line by line, without clearing it first, which would flicker.
    static func show(_ lines: [String]) {
        let text = lines.map { Terminal.visible($0) + "\u{1b}[K" }.joined(separator: "\r\n")
        Terminal.write(Array("\u{1b}[H\(text)\u{1b}[J".utf8))
    }

    static var timeOfDay: String { "\(TopScreen.timeOfDay(RFC3339.now()))Z" }
}
