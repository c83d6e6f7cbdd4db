// SPDX-License-Identifier: Apache-2.0
import Glibc
import Synchronization
import Testing

/// A program of this build in a terminal of its own (a pty). Its calls block; for a thread of its own.
final class TerminalProgram: Sendable {
    private let master: Int32
    /// Kept open, so that the terminal stays when the program ends.
    private let slave: Int32
    private let pid: pid_t
    private let shown = Mutex<[UInt8]>([])
    private let isOver = Atomic(false)
    /// The terminal's modes before the program started.
    let modesBefore: [UInt8]

    // What <asm-generic/ioctls.h> and <spawn.h> call TIOCSPTLCK, TIOCGPTN and POSIX_SPAWN_SETSID.
    private static let setLock: UInt = 0x4004_5431
    private static let getNumber: UInt = 0x8004_5430
    private static let newSession: Int16 = 0x80

    init(_ program: String, _ arguments: [String], columns: UInt16 = 80, rows: UInt16 = 24) throws {
        master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC)
        var locked: Int32 = 0
        var number: Int32 = 0
        try #require(master >= 0)
        try #require(ioctl(master, Self.setLock, &locked) == 0 && ioctl(master, Self.getNumber, &number) == 0)
        let name = "/dev/pts/\(number)"
        slave = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC)
        try #require(slave >= 0)
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        // The first terminal that a new session opens becomes its own.
        for descriptor in Int32(0)...2 {
            posix_spawn_file_actions_addopen(&actions, descriptor, name, O_RDWR, 0)
        }
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        posix_spawnattr_setflags(&attributes, Self.newSession)
        let path = try CommandLine.place(of: program)
        var words = ([path] + arguments).map { strdup($0) } + [nil]
        defer { for word in words { free(word) } }
        var child = pid_t()
        Self.setSize(master, columns, rows)
        modesBefore = Self.modes(of: slave)
        try #require(posix_spawn(&child, path, &actions, &attributes, &words, environ) == 0)
        pid = child
    }

    deinit {
        if !isOver.load(ordering: .relaxed) {
            Glibc.kill(pid, SIGKILL)
            waitpid(pid, nil, 0)
        }
        close(slave)
        close(master)
    }

    /// Reads what the program shows until `text` is in it, for at most `seconds`; the next call looks at what follows.
    func shows(_ text: String, seconds: Int = 60) -> Bool {
        let end = ContinuousClock.now + .seconds(seconds)
        repeat {
            let isFound = shown.withLock { shown in
                guard let place = shown.firstRange(of: Array(text.utf8)) else { return false }
                shown.removeFirst(place.upperBound)
                return true
            }
            if isFound { return true }
            take(milliseconds: 50)
        } while ContinuousClock.now < end
        return false
    }

    /// Whether there was anything.
    @discardableResult
    private func take(milliseconds: Int32) -> Bool {
        var polled = pollfd(fd: master, events: Int16(POLLIN), revents: 0)
        guard poll(&polled, 1, milliseconds) > 0 else { return false }
        let part = [UInt8](unsafeUninitializedCapacity: 1 << 16) { buffer, count in
            count = max(0, Glibc.read(master, buffer.baseAddress, buffer.count))
        }
        shown.withLock { $0 += part }
        return !part.isEmpty
    }

    func type(_ text: String) { text.withCString { _ = Glibc.write(master, $0, strlen($0)) } }

    func send(_ signal: Int32) { Glibc.kill(pid, signal) }

    /// The kernel tells the program with SIGWINCH.
    func resize(columns: UInt16, rows: UInt16) { Self.setSize(master, columns, rows) }

    private static func setSize(_ descriptor: Int32, _ columns: UInt16, _ rows: UInt16) {
        var size = winsize(ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0)
        _ = ioctl(descriptor, UInt(TIOCSWINSZ), &size)
    }

    /// How the terminal treats what is typed.
    var modes: [UInt8] { Self.modes(of: slave) }

    private static func modes(of terminal: Int32) -> [UInt8] {
        var state = termios()
        tcgetattr(terminal, &state)
        return withUnsafeBytes(of: &state) { Array($0) }
    }

    /// Waits for its end: the exit code, or the signal's number below zero; and what it showed meanwhile.
    func end() -> (status: Int32, shown: String) {
        var status: Int32 = 0
        while waitpid(pid, &status, WNOHANG) == 0 { take(milliseconds: 20) }
        isOver.store(true, ordering: .relaxed)
        while take(milliseconds: 0) {}
        let code = status & 0x7f == 0 ? (status >> 8) & 0xff : -(status & 0x7f)
        return (code, shown.withLock { String(decoding: $0, as: UTF8.self) })
    }
}
