// SPDX-License-Identifier: Apache-2.0
import Glibc
import PolledThread
import Testing

@Suite struct KernelThreadTests {
    /// An actor that runs on one thread.
    actor Resident {
        nonisolated let thread: KernelThread
        private(set) var calls = 0

        init(on thread: KernelThread) { self.thread = thread }

        nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

        func call() -> (thread: pthread_t, name: String) {
            calls += 1
            return (pthread_self(), PolledThreadTests.threadName())
        }
    }

    @Test func anActorStaysOnItsThread() async throws {
        let prepared = PolledThreadTests.Notes<pthread_t>()
        let thread = try KernelThread(name: "resident") { prepared.note(pthread_self()) }
        let resident = Resident(on: thread)
        await withTaskGroup(of: (thread: pthread_t, name: String).self) { group in
            for _ in 0..<50 { group.addTask { await resident.call() } }
            for await call in group {
                #expect(call.name == "resident")
                #expect(prepared.all == [call.thread], "prepared once, on the same thread, before the first call")
            }
        }
        #expect(await resident.calls == 50)
        thread.stop()
    }
}
