// SPDX-License-Identifier: Apache-2.0
import Glibc
import Journal
import JournalFiles
import KubernetesObjects
import Synchronization
import Testing
import WorldKit

/// A clock that a test sets.
final class TestClock: Sendable {
    private let time = Mutex(JournalTime(wall: 1_000_000_000_000, uptime: 5000))

    func advance(_ milliseconds: Int64) {
        time.withLock {
            $0.wall += milliseconds
            $0.uptime += milliseconds
        }
    }

    /// As an administrator or NTP does.
    func set(by milliseconds: Int64) { time.withLock { $0.wall += milliseconds } }

    /// A new boot, after some time.
    func boot(after milliseconds: Int64) {
        time.withLock {
            $0.wall += milliseconds
            $0.uptime = 1000
        }
    }

    var now: JournalTime { time.withLock { $0 } }

    func clock(boot: String = "boot-1") -> JournalClock { JournalClock(boot: boot) { self.now } }
}

/// A directory that is removed with the last reference to it.
final class JournalFolder: Sendable {
    let path: String

    init() throws {
        var template = Array("/tmp/bulkhead-journal-XXXXXX".utf8CString)
        let made = mkdtemp(&template)
        path = made.map { String(cString: $0) } ?? ""
        try #require(!path.isEmpty)
    }

    deinit { Self.remove(path) }

    private static func remove(_ directory: String) {
        for name in names(in: directory) where unlink("\(directory)/\(name)") != 0 { remove("\(directory)/\(name)") }
        rmdir(directory)
    }

    var names: [String] { Self.names(in: path) }

    private static func names(in directory: String) -> [String] {
        guard let entries = opendir(directory) else { return [] }
        defer { closedir(entries) }
        var names: [String] = []
        while let entry = readdir(entries) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    func bytes(of name: String) throws -> [UInt8] {
        let file = try #require(fopen("\(path)/\(name)", "r"))
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 16 << 20)
        let count = fread(&bytes, 1, bytes.count, file)
        return Array(bytes[..<count])
    }

    func write(_ bytes: [UInt8], to name: String) throws {
        let file = try #require(fopen("\(path)/\(name)", "w"))
        defer { fclose(file) }
        try #require(fwrite(bytes, 1, bytes.count, file) == bytes.count)
    }

    /// Bytes of all files.
    var size: Int {
        names.reduce(0) { total, name in
            var facts = stat()
            return lstat("\(path)/\(name)", &facts) == 0 ? total + Int(facts.st_size) : total
        }
    }
}

/// A journal of one node under test.
struct JournalFixture {
    let folder: JournalFolder
    let clock: TestClock
    let writer: JournalWriter

    init(
        in folder: JournalFolder? = nil, clock: TestClock = TestClock(), boot: String = "boot-1",
        node: String = "node-0", byteLimit: Int = JournalDirectory.defaultByteLimit,
        limits: JournalLimits = JournalLimits(), gate: DiskGate? = nil
    ) throws {
        let folder = try folder ?? JournalFolder()
        self.folder = folder
        self.clock = clock
        var directory = JournalDirectory(path: folder.path, byteLimit: byteLimit)
        if let gate { directory.disk = gate.disk }
        writer = try JournalWriter(
            node: node, directory: directory, version: "test", clock: clock.clock(boot: boot), limits: limits)
    }

    func begin(_ objects: [KubernetesObject], resolved: Int = 0) {
        writer.begin(
            JournalBeginning(
                policies: objects.filter { $0.key.kind.isPolicy }, others: objects.filter { !$0.key.kind.isPolicy },
                resolved: resolved, text: "known"))
    }

    /// One step, a second later.
    func add(_ events: [ObjectEvent], before: [ObjectKey: KubernetesObject] = [:], after milliseconds: Int64 = 1000) {
        clock.advance(milliseconds)
        var step = JournalStep(time: clock.now)
        step.inputs = events.map { JournalInput($0, before: before[$0.key], source: "test") }
        writer.add(step)
    }

    func read() async throws -> JournalSnapshot {
        try await writer.read(within: .seconds(60))
    }

    func past() async throws -> (past: JournalPast, snapshot: JournalSnapshot) {
        let snapshot = try await read()
        return (JournalPast(snapshot.contents.records.records, position: snapshot.position), snapshot)
    }
}

/// A disk that hangs while its gate is closed.
final class DiskGate: Sendable {
    private let state = Mutex((isClosed: false, waiting: 0, fails: false))

    func fail(_ fails: Bool) { state.withLock { $0.fails = fails } }
    func close() { state.withLock { $0.isClosed = true } }
    func open() { state.withLock { $0.isClosed = false } }

    /// Whether a write waits.
    var isHit: Bool { state.withLock { $0.waiting > 0 } }

    var disk: JournalDisk {
        JournalDisk { descriptor, bytes, count in
            self.pass()
            if self.state.withLock({ $0.fails }) {
                errno = EIO
                return -1
            }
            return write(descriptor, bytes, count)
        }
    }

    private func pass() {
        state.withLock { $0.waiting += 1 }
        defer { state.withLock { $0.waiting -= 1 } }
        while state.withLock({ $0.isClosed }) { usleep(1000) }
    }
}

/// `shop/p-N`.
func numbered(_ number: Int) -> KubernetesObject { .networkPolicy(NetworkPolicy("shop/p-\(number)", [.ingress])) }
