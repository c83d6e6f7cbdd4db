// SPDX-License-Identifier: Apache-2.0
import Glibc

/// Runs programs of the node that know more than this one, if they are there: `nft`, `journalctl`.
enum OtherProgram {
    /// The standard output of a program, at most `limit` bytes; what comes after these is not read.
    ///
    /// - Throws: ``CommandFailure`` if it is missing, fails, or takes longer than `seconds`.
    static func output(of words: [String], limit: Int, seconds: Int = 20) throws(CommandFailure) -> [UInt8] {
        let name = words.first ?? ""
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { throw failure(name, errno) }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        defer { close(ends[0]) }
        let process: pid_t
        do {
            defer { close(ends[1]) }
            process = try start(words, output: ends[1])
        }
        let (bytes, isComplete) = read(ends[0], limit: limit, seconds: seconds)
        if !isComplete { kill(process, SIGKILL) }
        var status: Int32 = 0
        while waitpid(process, &status, 0) < 0, errno == EINTR {}
        guard isComplete || bytes.count >= limit else {
            throw CommandFailure("\(name) took longer than \(Words.count(seconds, "second"))")
        }
        guard !isComplete || status == 0 else {
            throw CommandFailure("\(words.joined(separator: " ")) failed with code \(status >> 8 & 0xff)")
        }
        return bytes
    }

    /// With an environment of its own: nothing of the caller's is passed on but the search path.
    private static func start(_ words: [String], output: Int32) throws(CommandFailure) -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO)
        posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0)
        let path = getenv("PATH").map { String(cString: $0) } ?? "/usr/sbin:/usr/bin:/sbin:/bin"
        let variables: [String] = ["PATH=\(path)", "LC_ALL=C"]
        let arguments = words.map { strdup($0) } + [nil]
        let environment = variables.map { strdup($0) } + [nil]
        defer { for text in arguments + environment { free(text) } }
        var process = pid_t()
        let code = posix_spawnp(&process, words[0], &actions, nil, arguments, environment)
        guard code == 0 else { throw failure(words[0], code) }
        return process
    }

    private static func read(_ descriptor: Int32, limit: Int, seconds: Int) -> ([UInt8], isComplete: Bool) {
        let deadline = ContinuousClock.now + .seconds(seconds)
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while bytes.count < limit {
            let left = (deadline - .now) / .milliseconds(1)
            var waited = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            let ready = left > 0 ? poll(&waited, 1, Int32(left) + 1) : 0
            if ready < 0, errno == EINTR { continue }
            guard ready > 0 else { return (bytes, false) }
            let count = Glibc.read(descriptor, &buffer, buffer.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return (bytes, count == 0) }
            bytes += buffer[..<count]
        }
        return (Array(bytes.prefix(limit)), false)
    }

    private static func failure(_ name: String, _ code: Int32) -> CommandFailure {
        CommandFailure("\(name): \(String(cString: strerror(code)))")
    }
}
