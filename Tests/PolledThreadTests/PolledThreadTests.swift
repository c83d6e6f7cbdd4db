// SPDX-License-Identifier: Apache-2.0
import Glibc
import PolledThread
import Synchronization
import Testing

@Suite struct PolledThreadTests {
    @Test func endsWhileItWaits() throws {
        let rounds = Mutex(0)
        let thread = try PolledThread(name: "waits") { waiter in
            while waiter.wait() { rounds.withLock { $0 += 1 } }
        }
        thread.stop()
        #expect(rounds.withLock { $0 } == 0)
    }

    @Test func hearsOfItsDescriptorAndOfTheTime() throws {
        var ends: [Int32] = [-1, -1]
        try #require(pipe(&ends) == 0)
        let (readEnd, writeEnd) = (ends[0], ends[1])
        let seen = Mutex<[UInt8]>([])
        let thread = try PolledThread(stackSize: 1 << 20) { waiter in
            guard waiter.wait(milliseconds: 1) else { return }
            while waiter.wait(for: readEnd) {
                var byte: UInt8 = 0
                guard read(readEnd, &byte, 1) == 1 else { continue }
                seen.withLock { $0.append(byte) }
            }
        }
        var byte: UInt8 = 7
        #expect(write(writeEnd, &byte, 1) == 1)
        while seen.withLock({ $0.isEmpty }) { usleep(1000) }
        thread.stop()
        #expect(seen.withLock { $0 } == [7])
        for end in ends { close(end) }
    }
}
