// SPDX-License-Identifier: Apache-2.0
import CLinuxShim
import Glibc

/// Runs a program and reads its output.
enum ChildProcess {
    enum Failure: Error, Hashable {
        /// An errno.
        case notStarted(Int32)
        case late(seconds: Int)
        case tooMuch(limit: Int)
        /// Its exit status, as in a shell.
        case failed(Int32)
    }

    static let outputLimit = 1 << 20

    /// The standard output of `arguments[0]`, which is looked up in PATH, once it has ended with 0. Its standard error
    /// is that of this process. Blocks; a program that takes too long is killed.
    static func output(
        of arguments: [String], environment: [String: String], seconds: Int = 60
    ) throws(Failure) -> [UInt8] {
        var ends: [Int32] = [0, 0]
        guard pipe(&ends) == 0 else { throw .notStarted(errno) }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        let child: pid_t
        do {
            defer { close(ends[1]) }
            child = try start(arguments, environment, output: ends[1])
        } catch {
            close(ends[0])
            throw error
        }
        defer { close(ends[0]) }
        let output: [UInt8]
        do {
            output = try read(ends[0], seconds: seconds)
        } catch {
            kill(child, SIGKILL)
            _ = end(of: child)
            throw error
        }
        let status = end(of: child)
        guard status == 0 else { throw .failed(status) }
        return output
    }

    private static func start(
        _ arguments: [String], _ environment: [String: String], output: Int32
    ) throws(Failure) -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_adddup2(&actions, output, 1)
        var child = pid_t()
        let vector = arguments.map { strdup($0) } + [nil]
        let variables = environment.map { strdup("\($0.key)=\($0.value)") } + [nil]
        let code = bh_spawn(&child, &actions, vector, variables)
        for text in vector + variables { free(text) }
        guard code == 0 else { throw .notStarted(code) }
        return child
    }

    private static func read(_ descriptor: Int32, seconds: Int) throws(Failure) -> [UInt8] {
        let deadline = ContinuousClock.now + .seconds(seconds)
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 4096)
        while true {
            let left = Int32((deadline - .now) / .milliseconds(1))
            guard left > 0 else { throw .late(seconds: seconds) }
            var event = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            guard poll(&event, 1, left) > 0 else { continue }
            let count = Glibc.read(descriptor, &chunk, chunk.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return bytes }
            bytes += chunk[..<count]
            guard bytes.count <= outputLimit else { throw .tooMuch(limit: outputLimit) }
        }
    }

    private static func end(of child: pid_t) -> Int32 {
        var raw: Int32 = 0
        while waitpid(child, &raw, 0) < 0, errno == EINTR {}
        return raw & 0x7f == 0 ? raw >> 8 & 0xff : 128 + raw & 0x7f
    }
}
