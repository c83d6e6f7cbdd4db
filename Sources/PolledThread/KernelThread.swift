// SPDX-License-Identifier: Apache-2.0
import Dispatch
import Glibc
import Synchronization

/// A thread on which one actor runs. The agent has one: kernel calls block for milliseconds, which the cooperative pool
/// must not, and they act on the network namespace of the thread that makes them, so it must always be this one.
public final class KernelThread: SerialExecutor {
    private struct Queue {
        var jobs: [UnownedJob] = []
        var isStopped = false
    }

    private let queue = Mutex(Queue())
    private let wakeUp = DispatchSemaphore(value: 0)
    private let name: String
    private let prepare: @Sendable () -> Void

    /// Starts the thread.
    ///
    /// - Parameters:
    ///   - name: of the thread, 15 bytes at most.
    ///   - prepare: runs first on the thread, before any job: to enter another network namespace, say.
    /// - Throws: ``KernelThreadError`` when the system has no thread left.
    public init(
        name: String = "bulkhead-agent", prepare: @escaping @Sendable () -> Void = {}
    ) throws(KernelThreadError) {
        self.name = name
        self.prepare = prepare
        var thread = pthread_t()
        let code = pthread_create(
            &thread, nil,
            { argument in
                guard let argument else { return nil }
                Unmanaged<KernelThread>.fromOpaque(argument).takeRetainedValue().run()
                return nil
            }, Unmanaged.passRetained(self).toOpaque())
        guard code == 0 else {
            Unmanaged.passUnretained(self).release()
            throw KernelThreadError(code: code)
        }
        pthread_detach(thread)
    }

    public func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        queue.withLock { queue in
            precondition(!queue.isStopped, "work for a thread that was stopped")
            queue.jobs.append(job)
        }
        wakeUp.signal()
    }

    /// Ends the thread once all its work is done. Give it no work afterward.
    public func stop() {
        queue.withLock { $0.isStopped = true }
        wakeUp.signal()
    }

    private func run() {
        ThreadName.set(name)
        prepare()
        while true {
            wakeUp.wait()
            let (jobs, isStopped) = queue.withLock { queue in
                defer { queue.jobs.removeAll() }
                return (queue.jobs, queue.isStopped)
            }
            for job in jobs { job.runSynchronously(on: asUnownedSerialExecutor()) }
            if isStopped { return }
        }
    }
}

/// The system gave no thread; `code` is its errno.
public struct KernelThreadError: Error, CustomStringConvertible {
    public var code: Int32
    public var description: String { "cannot start a thread: errno \(code)" }
}
