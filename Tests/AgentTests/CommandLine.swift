// SPDX-License-Identifier: Apache-2.0
import Glibc
import Testing

/// Runs a program of this build to its end.
struct CommandLine {
    var status: Int32
    var output: String
    var complaints: String

    /// What a line of the shell prints, where `$0` is a program of this build.
    static func runShell(_ line: String, program: String) throws -> String {
        try run(at: "/bin/sh", ["-c", line, try place(of: program)], input: "").output
    }

    /// Blocks; standard output and error go through files, so that neither can fill up.
    static func run(_ program: String, _ arguments: [String], input: String = "") throws -> CommandLine {
        try run(at: try place(of: program), arguments, input: input)
    }

    private static func run(at path: String, _ arguments: [String], input: String) throws -> CommandLine {
        let directory = try TemporaryDirectory()
        try write(input, to: directory.path + "/in")
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, directory.path + "/in", O_RDONLY, 0)
        for (descriptor, name) in [(Int32(1), "out"), (Int32(2), "err")] {
            posix_spawn_file_actions_addopen(
                &actions, descriptor, "\(directory.path)/\(name)", O_WRONLY | O_CREAT, 0o600)
        }
        var words = ([path] + arguments).map { strdup($0) } + [nil]
        defer { for word in words { free(word) } }
        var pid = pid_t()
        try #require(posix_spawn(&pid, path, &actions, nil, &words, environ) == 0)
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0, errno == EINTR {}
        return CommandLine(
            status: status & 0x7f == 0 ? (status >> 8) & 0xff : -(status & 0x7f),
            output: try read(directory.path + "/out"), complaints: try read(directory.path + "/err"))
    }

    /// The programs lie beside the one that runs the tests.
    static func place(of program: String) throws -> String {
        var path = [CChar](repeating: 0, count: 4096)
        let length = readlink("/proc/self/exe", &path, path.count - 1)
        try #require(length > 0)
        let own = String(decoding: path[..<length].map { UInt8(bitPattern: $0) }, as: UTF8.self)
        return own[...(try #require(own.lastIndex(of: "/")))] + program
    }

    private static func read(_ path: String) throws -> String { String(decoding: try bytes(of: path), as: UTF8.self) }

    /// A file's content.
    static func bytes(of path: String) throws -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        try #require(descriptor >= 0)
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        while true {
            let part = [UInt8](unsafeUninitializedCapacity: 1 << 16) { buffer, count in
                count = max(0, Glibc.read(descriptor, buffer.baseAddress, buffer.count))
            }
            if part.isEmpty { return bytes }
            bytes += part
        }
    }
}
