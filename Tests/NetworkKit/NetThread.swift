// SPDX-License-Identifier: Apache-2.0
import CLinuxShim
import Glibc
import Synchronization

/// A thread of its own for code that must not run on the cooperative pool: `setns` would leave a pool thread in the
/// wrong network namespace, and blocking would starve the pool.
public enum NetThread {
    /// Runs `body` on a new thread and waits for it. The caller's task-local values apply there too: a failed
    /// expectation is reported for the caller's test.
    public static func run<Value>(_ body: () throws -> Value) throws -> Value {
        try withoutActuallyEscaping(body) { body in
            let job = Job(body)
            let executor = NewThread()
            Task(executorPreference: executor) { job.run() }
            pthread_join(try executor.start(), nil)
            return try job.result!.get()
        }
    }

    /// Starts `body` on a new thread, to be joined with `pthread_join` or detached.
    public static func start(_ body: @escaping () -> Void) throws -> pthread_t {
        var thread = pthread_t()
        let box = Unmanaged.passRetained(Body(body))
        let failure = pthread_create(
            &thread, nil,
            { argument in
                Unmanaged<Body>.fromOpaque(argument!).takeRetainedValue().call()
                return nil
            }, box.toOpaque())
        guard failure == 0 else {
            box.release()
            throw NetError.system("pthread_create", failure)
        }
        return thread
    }

    /// Runs all at once, each on a new thread, and waits for all; values in their order.
    public static func runTogether<Value: Sendable>(_ bodies: [() throws -> Value]) throws -> [Value] {
        let collected = Collected<Value>()
        let threads = try bodies.enumerated().map { index, body in
            try start {
                let result = Result { try body() }
                collected.results.withLock { $0[index] = result }
            }
        }
        for thread in threads { pthread_join(thread, nil) }
        return try collected.results.withLock { results in try bodies.indices.map { try results[$0]!.get() } }
    }

    private final class Collected<Value: Sendable>: Sendable {
        let results = Mutex<[Int: Result<Value, any Error>]>([:])
    }

    private final class Body {
        let call: () -> Void
        init(_ call: @escaping () -> Void) { self.call = call }
    }

    /// Runs a task's one job on a new thread.
    private final class NewThread: TaskExecutor {
        private let waiting = Mutex<UnownedJob?>(nil)

        func enqueue(_ job: consuming ExecutorJob) {
            let job = UnownedJob(job)
            waiting.withLock { $0 = job }
        }

        /// Call once the task has been made.
        func start() throws -> pthread_t {
            guard let job = waiting.withLock({ $0 }) else { throw NetError.missing("the task's job") }
            return try NetThread.start { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
        }
    }

    // Only the new thread uses it until the maker has seen that thread end.
    private final class Job<Value>: @unchecked Sendable {
        let body: () throws -> Value
        var result: Result<Value, any Error>?
        init(_ body: @escaping () throws -> Value) { self.body = body }
        func run() { result = Result { try body() } }
    }
}

/// What went wrong in the set-up of a test network.
public enum NetError: Error, CustomStringConvertible {
    case system(String, Int32)
    case command(String, status: Int32, output: String)
    case timeout(String)
    case missing(String)

    public var description: String {
        switch self {
        case .system(let operation, let code): "\(operation): \(String(cString: strerror(code)))"
        case .command(let line, let status, let output): "\(line): exit status \(status): \(output)"
        case .timeout(let what): "\(what): timed out"
        case .missing(let what): "\(what) is missing"
        }
    }
}
