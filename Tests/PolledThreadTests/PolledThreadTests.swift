// SPDX-License-Identifier: Apache-2.0
import Glibc
import PolledThread
import Synchronization
import Testing

@Suite struct PolledThreadTests {
    /// What a thread's body notes for the test.
    final class Notes<Value: Sendable>: Sendable {
        private let noted = Mutex<[Value]>([])
        func note(_ value: Value) { noted.withLock { $0.append(value) } }
        var all: [Value] { noted.withLock { $0 } }
    }

    /// The name that the kernel shows for the calling thread.
    static func threadName() -> String {
        guard let file = fopen("/proc/thread-self/comm", "r") else { return "" }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 32)
        let count = fread(&bytes, 1, bytes.count, file)
        return String(decoding: bytes[..<max(count - 1, 0)], as: UTF8.self)
    }

    @Test func stopEndsTheWaitAndWaitsForTheBody() throws {
        let notes = Notes<Bool>()
        let thread = try PolledThread { waiter in
            notes.note(waiter.wait())
            notes.note(waiter.wait(milliseconds: 0))
        }
        thread.stop()
        #expect(notes.all == [false, false])
    }

    @Test func timeEndsTheWait() throws {
        let notes = Notes<Bool>()
        let thread = try PolledThread { waiter in
            notes.note(waiter.wait(milliseconds: 1))
            while waiter.wait() {}
        }
        thread.stop()
        #expect(notes.all.count == 1)
    }

    @Test func whatCanBeReadEndsTheWait() throws {
        var (questions, answers): ([Int32], [Int32]) = ([0, 0], [0, 0])
        #expect(pipe(&questions) == 0 && pipe(&answers) == 0)
        defer { for end in questions + answers { close(end) } }
        let (question, answer) = (questions[0], answers[1])
        let thread = try PolledThread { waiter in
            while waiter.wait(for: question) {
                var byte: UInt8 = 0
                guard read(question, &byte, 1) == 1 else { return }
                byte += 1
                write(answer, &byte, 1)
            }
        }
        for number: UInt8 in [1, 5] {
            var byte = number
            #expect(write(questions[1], &byte, 1) == 1)
            #expect(read(answers[0], &byte, 1) == 1)
            #expect(byte == number + 1)
        }
        thread.stop()
    }

    @Test func theThreadHasItsName() throws {
        let notes = Notes<String>()
        let thread = try PolledThread(name: "fifteen-letters", stackSize: 1 << 18) { waiter in
            notes.note(Self.threadName())
            while waiter.wait() {}
        }
        thread.stop()
        #expect(notes.all == ["fifteen-letters"])
    }
}

@Suite struct DetachedWorkTests {
    @Test func itRunsOnAThreadOfItsOwnAndIsWaitedFor() async {
        let notes = PolledThreadTests.Notes<String>()
        await DetachedWork.run(named: "some-work") { notes.note(PolledThreadTests.threadName()) }
        #expect(notes.all == ["some-work"])
    }
}
