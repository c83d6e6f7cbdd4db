// SPDX-License-Identifier: Apache-2.0
import CLinuxShim
import Glibc
import Synchronization

/// A child process. It starts in the network namespace of the thread that starts it; its output goes to a file
/// without a name, so neither side ever waits for the other to read.
public final class NetProcess: Sendable {
    public let pid: pid_t
    private let outputFile: Int32
    private let exitStatus = Mutex<Int32?>(nil)

    /// Starts `arguments[0]`, looked up in PATH; standard output and standard error go into ``output``.
    ///
    /// - Parameters:
    ///   - inputDescriptor: is its standard input in place of `input`; it stays the caller's to close.
    ///   - environment: variables in addition to PATH.
    ///   - keepsErrors: false: standard error goes nowhere.
    public init(
        _ arguments: [String], input: String = "", inputDescriptor: Int32? = nil, environment: [String: String] = [:],
        keepsErrors: Bool = true
    ) throws {
        let inputFile = try Self.unnamedFile(holding: input)
        defer { close(inputFile) }
        outputFile = try Self.unnamedFile(holding: "")
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, inputDescriptor ?? inputFile, 0)
        posix_spawn_file_actions_adddup2(&actions, outputFile, 1)
        if keepsErrors {
            posix_spawn_file_actions_adddup2(&actions, outputFile, 2)
        } else {
            posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0)
        }
        var started = pid_t()
        let vector = arguments.map { strdup($0) } + [nil]
        let path = getenv("PATH").map { String(cString: $0) } ?? "/usr/sbin:/usr/bin:/sbin:/bin"
        let variables = ["PATH=\(path)"] + Self.sanitizerOptions + environment.map { "\($0.key)=\($0.value)" }
        let texts = variables.map { strdup($0) } + [nil]
        let failure = bh_spawn(&started, &actions, vector, texts)
        for text in vector + texts { free(text) }
        guard failure == 0 else {
            close(outputFile)
            throw NetError.system("start \(arguments[0])", failure)
        }
        pid = started
    }

    /// What a program of a build with a sanitizer must know (scripts/sanitize).
    private static let sanitizerOptions = ["ASAN_OPTIONS", "TSAN_OPTIONS"].compactMap { (name: String) -> String? in
        getenv(name).map { "\(name)=\(String(cString: $0))" }
    }

    deinit {
        // A child that is still running must not outlive its test.
        if status == nil {
            kill(pid, SIGKILL)
            waitpid(pid, nil, 0)
        }
        close(outputFile)
    }

    /// All that it has printed so far.
    public var output: String {
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65536)
        while true {
            let count = pread(outputFile, &chunk, chunk.count, off_t(bytes.count))
            guard count > 0 else { return String(decoding: bytes, as: UTF8.self) }
            bytes += chunk[..<count]
        }
    }

    /// Exit status as a shell gives it (128 + signal for a killed one); nil while it runs.
    public var status: Int32? {
        exitStatus.withLock { known in
            if known == nil {
                var raw: Int32 = 0
                if waitpid(pid, &raw, WNOHANG) == pid {
                    known = raw & 0x7f == 0 ? raw >> 8 & 0xff : 128 + raw & 0x7f
                }
            }
            return known
        }
    }

    public func signal(_ number: Int32) {
        if status == nil { kill(pid, number) }
    }

    /// Waits for its end without looking now and then: as soon as it is over.
    public func finish() -> Int32 {
        exitStatus.withLock { known in
            if known == nil {
                var raw: Int32 = 0
                while waitpid(pid, &raw, 0) < 0, errno == EINTR {}
                known = raw & 0x7f == 0 ? raw >> 8 & 0xff : 128 + raw & 0x7f
            }
            return known!
        }
    }

    /// Waits for its end.
    public func wait(seconds: Double = 30) throws -> Int32 {
        // Most last a few milliseconds, and a test starts hundreds.
        for microseconds in [100, 100, 200, 400, 800] as [useconds_t] {
            if let status { return status }
            usleep(microseconds)
        }
        try NetClock.wait("end of process \(pid)", seconds: seconds) { status != nil }
        return status!
    }

    /// Sends `number` and waits for the end.
    @discardableResult public func stop(_ number: Int32 = SIGTERM, seconds: Double = 10) throws -> Int32 {
        signal(number)
        return try wait(seconds: seconds)
    }

    /// Runs a command to its end.
    ///
    /// - Throws: ``NetError`` when it does not exit with 0.
    @discardableResult public static func run(_ arguments: [String], input: String = "", seconds: Double = 30) throws
        -> String
    {
        let process = try NetProcess(arguments, input: input)
        let status = try process.wait(seconds: seconds)
        guard status == 0 else {
            throw NetError.command(
                arguments.joined(separator: " "), status: status, output: process.output + "\n" + input)
        }
        return process.output
    }

    private static func unnamedFile(holding text: String) throws -> Int32 {
        var path = Array("/tmp/bulkhead-test-XXXXXX".utf8CString)
        let file = mkstemp(&path)
        guard file >= 0 else { throw NetError.system("mkstemp", errno) }
        unlink(path)
        _ = fcntl(file, F_SETFD, FD_CLOEXEC)
        let bytes = Array(text.utf8)
        guard write(file, bytes, bytes.count) == bytes.count, lseek(file, 0, SEEK_SET) == 0 else {
            throw NetError.system("write to a temporary file", errno)
        }
        return file
    }
}

/// The monotonic clock, and waiting for something to come true.
public enum NetClock {
    /// Nanoseconds of CLOCK_MONOTONIC.
    public static var now: UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }

    /// Nanoseconds of processor time that this thread has used.
    public static var ofThisThread: UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }

    public static func sleep(milliseconds: Double) { usleep(UInt32(milliseconds * 1000)) }

    /// Looks again and again.
    ///
    /// - Parameter interval: milliseconds between two looks.
    public static func wait(
        _ what: String, seconds: Double, every interval: Double = 2, until condition: () throws -> Bool
    ) throws {
        let end = now + UInt64(seconds * 1e9)
        while try !condition() {
            guard now < end else { throw NetError.timeout(what) }
            sleep(milliseconds: interval)
        }
    }
}
