// SPDX-License-Identifier: Apache-2.0
import Glibc
import Journal
import JournalFiles
import KubernetesObjects
import NetworkKit
import Testing
import WorldKit

/// The files and their thread.
@Suite struct JournalWriterTests {
    private func changes(_ snapshot: JournalSnapshot) -> [JournalChange] {
        snapshot.contents.records.records.compactMap { record -> JournalChange? in
            guard case .change(let change) = record.content else { return nil }
            return change
        }
    }

    @Test func changesSurviveARestart() async throws {
        let first = try JournalFixture()
        first.begin([numbered(1)], resolved: 2)
        first.add([.set(numbered(2))])
        first.writer.stop()
        first.clock.advance(5000)
        // Meanwhile, the first policy went and a third one came.
        let second = try JournalFixture(in: first.folder, clock: first.clock)
        second.begin([numbered(2), numbered(3)], resolved: 2)
        let (past, snapshot) = try await second.past()
        let found = changes(snapshot)
        #expect(found.map(\.key.name) == ["p-2", "p-1", "p-3"])
        #expect(found.map(\.kind) == [.added, .removed, .added])
        #expect(found.map(\.whileStopped) == [false, true, true])
        let present = try #require(snapshot.state)
        let whileStopped = try past.moment(at: second.clock.now.wall - 2500)
        let absence = try #require(whileStopped.absence)
        #expect(absence.isOrderly && absence.from == 1_000_000_001_000 && absence.started == absence.from + 5000)
        let then = try past.state(at: whileStopped, present: present)
        #expect(Set(then.objects.keys.map(\.name)) == ["p-1", "p-2"] && then.resolved == 2)
        second.writer.stop()
    }

    /// The ring drops the oldest, and stays within its limit.
    @Test func staysWithinItsLimit() async throws {
        let limit = 128 << 10
        let fixture = try JournalFixture(byteLimit: limit)
        fixture.begin([])
        for number in 1...3000 {
            fixture.add([.set(numbered(number)), .removed(numbered(number - 1).key)], after: 10)
            if number % 500 == 0 { _ = try await fixture.read() }
        }
        let (past, snapshot) = try await fixture.past()
        #expect(fixture.folder.size <= limit)
        #expect(fixture.writer.status.lost == 0 && fixture.writer.status.problem == nil)
        #expect(changes(snapshot).last?.key.name == "p-2999" && changes(snapshot).count < 3000)
        let tooEarly = JournalTime(wall: 1_000_000_000_000 + 100, uptime: 0)
        let first = try #require(snapshot.contents.records.records.first { $0.ring == .changes })
        #expect(throws: JournalPastError.beginsAt(first.time.wall)) {
            try past.moment(at: tooEarly.wall)
        }
        let state = try past.state(at: try past.moment(at: first.time.wall + 5), present: try #require(snapshot.state))
        #expect(state.objects.count == 1)
        fixture.writer.stop()
    }

    /// A file of a newer daemon is renamed and kept; the numbers go on after its.
    @Test func newerVersionsAreSetAside() async throws {
        let folder = try JournalFolder()
        let name = "changes-00000000000000000041"
        try folder.write(JournalSegment.head(of: 9) + [1, 2, 3], to: name)
        let fixture = try JournalFixture(in: folder)
        fixture.begin([])
        let (_, snapshot) = try await fixture.past()
        #expect(folder.names.contains("newer-" + name))
        #expect(try folder.bytes(of: "newer-" + name) == JournalSegment.head(of: 9) + [1, 2, 3])
        #expect(snapshot.contents.records.records.first?.sequence == 42)
        fixture.writer.stop()
    }

    /// Whatever the files hold, the journal starts, and what it says was written.
    @Test func damagedFilesStopNothing() async throws {
        let first = try JournalFixture()
        first.begin([])
        for number in 1...60 { first.add([.set(numbered(number))]) }
        first.writer.stop()
        let written = Set(1...60)
        let originals = try first.folder.names.map { ($0, try first.folder.bytes(of: $0)) }
        var random = WorldRandom(seed: 8)
        for _ in 0..<25 {
            let folder = try JournalFolder()
            for (name, bytes) in originals {
                var broken = bytes
                for _ in 0..<random.between(0, 4) {
                    broken[random.between(0, bytes.count - 1)] ^= UInt8(random.between(1, 255))
                }
                if random.chance(percent: 30) { broken.removeLast(random.between(0, bytes.count)) }
                try folder.write(broken, to: name)
            }
            let next = try JournalFixture(in: folder, clock: first.clock)
            next.begin((1...61).map(numbered))
            next.add([.set(numbered(62))])
            let (past, snapshot) = try await next.past()
            let numbers = changes(snapshot).filter { !$0.whileStopped }.compactMap { Int($0.key.name.dropFirst(2)) }
            #expect(numbers == numbers.sorted() && Set(numbers).isSubset(of: written.union([62])) && numbers.last == 62)
            let last = try past.state(
                at: try past.moment(at: next.clock.now.wall - 500), present: try #require(snapshot.state))
            #expect(last.objects.count == 61)
            next.writer.stop()
        }
    }

    /// What cannot be written is off and says so; nothing else ends.
    @Test func aFileInTheWay() async throws {
        let folder = try JournalFolder()
        let path = folder.path + "/journal"
        try folder.write([1], to: "journal")
        let clock = TestClock()
        let writer = try JournalWriter(
            node: "node-0", directory: JournalDirectory(path: path, byteLimit: 1 << 20), version: "test",
            clock: clock.clock())
        writer.begin(JournalBeginning(policies: [], text: "known"))
        _ = try await writer.read(within: .seconds(60))
        #expect(writer.status.problem == "\(path): it is not a directory" && writer.status.lost > 0)
        unlink(path)
        clock.advance(60_000)
        writer.add(JournalEvent(.repaired, "wakes it"))
        _ = try await writer.read(within: .seconds(60))
        writer.add(JournalEvent(.repaired, "is written"))
        _ = try await writer.read(within: .seconds(60))
        #expect(writer.status.problem == nil && writer.status.written > 0)
        writer.stop()
    }
}

/// A program that writes a journal and is killed, or has no room.
@Suite(.serialized) struct JournalProcessTests {
    private static let limit = 256 << 10

    /// Whatever the kernel was given before the kill is there, in order and without a gap.
    @Test func killedAtAnyInstant() async throws {
        let program = try NetDaemon.executable("journal-writer")
        let folder = try JournalFolder()
        var random = WorldRandom(seed: 4)
        var next = 1
        for _ in 0..<12 {
            let process = try NetProcess([program, folder.path, "\(Self.limit)", "\(next)", "run"])
            let wanted = "done \(next + random.between(1, 60))\n"
            try NetClock.wait("\(wanted)\(process.output)", seconds: 60) {
                process.output.contains(wanted) || process.status != nil
            }
            NetClock.sleep(milliseconds: Double(random.between(0, 60)) / 10)
            #expect(try process.stop(SIGKILL) == 128 + SIGKILL, "\(process.output)")
            let done = try #require(
                process.output.split(separator: "\n").last.flatMap { Int($0.dropFirst("done ".count)) })
            let fixture = try JournalFixture(in: folder, node: "node", byteLimit: Self.limit)
            let snapshot = try await fixture.read()
            let (records, damaged) = snapshot.contents.records
            let numbers = records.compactMap { record -> Int? in
                guard case .change(let change) = record.content, change.kind == .added else { return nil }
                return Int(change.key.name.dropFirst(2))
            }
            let last = try #require(numbers.last)
            #expect(numbers == Array((numbers.first ?? 0)...last) && last >= done && damaged <= 1)
            let state = try #require(snapshot.state, "the state of the killed run is known")
            #expect(state.objects.keys.contains(numbered(last).key))
            fixture.writer.stop()
            next = last + 1
        }
        #expect(next > 100)
    }

    /// A full disk turns the journal off, and room turns it on; what is missing is known to be missing.
    @Test func fullDisk() async throws {
        let program = try NetDaemon.executable("journal-writer")
        let folder = try JournalFolder()
        let kept = try JournalFolder()
        let script = """
            mount -t tmpfs -o size=160k journal \(folder.path) && chmod 700 \(folder.path) &&
            \(program) \(folder.path) \(1 << 20) 1 fill && cp \(folder.path)/* \(kept.path)/
            """
        let process = try NetProcess(["unshare", "-m", "sh", "-c", script])
        try NetClock.wait("the end: \(process.output)", seconds: 60) { process.status != nil }
        #expect(process.status == 0 && process.output.contains("off ") && process.output.hasSuffix("on\n"))
        let fixture = try JournalFixture(in: kept, node: "node", byteLimit: 1 << 20)
        let (past, snapshot) = try await fixture.past()
        let records = snapshot.contents.records.records
        let gaps = zip(records, records.dropFirst()).filter {
            $1.ring == .changes && $0.ring == .changes && $1.previous != $0.sequence
        }
        #expect(!gaps.isEmpty, "the records that had no room are missing")
        let first = try #require(records.first)
        #expect(throws: JournalPastError.self) { try past.moment(after: first.sequence) }
        fixture.writer.stop()
    }
}
