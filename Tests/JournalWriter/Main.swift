// SPDX-License-Identifier: Apache-2.0
import Glibc
import Journal
import JournalFiles
import KubernetesObjects
import Synchronization
import WorldKit

/// Writes a journal, for the tests that kill it or fill its disk.
///
/// Arguments: a directory, a limit of bytes, the number of the first change, and `run` (until it is killed; prints
/// `done N` once change N was handed to the kernel) or `fill` (until the disk is full, and then once more after the
/// oldest file was removed; prints `off N`, `on`).
@main enum JournalWriterProgram {
    static func main() async throws {
        let arguments = CommandLine.arguments
        guard arguments.count == 5, let limit = Int(arguments[2]), var number = Int(arguments[3]) else { exit(2) }
        let ahead = Mutex<Int64>(0)
        let system = JournalClock.system
        let clock = JournalClock(boot: system.boot) {
            var time = system.now()
            time.uptime += ahead.withLock { $0 }
            return time
        }
        let directory = JournalDirectory(path: arguments[1], byteLimit: limit)
        let writer = try JournalWriter(node: "node", directory: directory, version: "test", clock: clock)
        if number == 1 { writer.begin(JournalBeginning(policies: [], text: "nothing")) }
        if number > 1 {
            let known = (1..<number).suffix(Self.kept).map { Self.policy($0) }
            writer.begin(JournalBeginning(policies: known, text: "as before"))
        }
        let fills = arguments[4] == "fill"
        while true {
            add(number, to: writer)
            await read(writer)
            if fills, writer.status.problem != nil { break }
            say("done \(number)")
            number += 1
        }
        say("off \(number)")
        guard let oldest = oldestFile(in: arguments[1]) else { exit(3) }
        unlink("\(arguments[1])/\(oldest)")
        ahead.withLock { $0 = 60_000 }
        add(number + 1, to: writer)
        await read(writer)
        add(number + 2, to: writer)
        await read(writer)
        say(writer.status.problem == nil ? "on" : "still off: \(writer.status.problem ?? "")")
        writer.stop()
    }

    /// Policies in force at once: with each new one, the oldest goes.
    private static let kept = 20

    private static func policy(_ number: Int) -> KubernetesObject {
        .networkPolicy(NetworkPolicy("shop/p-\(number)", [.ingress]))
    }

    private static func add(_ number: Int, to writer: JournalWriter) {
        var step = JournalStep(time: writer.clock.now())
        step.inputs = [JournalInput(.set(policy(number)), source: "test")]
        if number > kept { step.inputs.append(JournalInput(.removed(policy(number - kept).key), source: "test")) }
        writer.add(step)
    }

    /// Waits until everything before was written.
    private static func read(_ writer: JournalWriter) async {
        _ = try? await writer.read(within: .seconds(60))
    }

    private static func oldestFile(in directory: String) -> String? {
        guard let entries = opendir(directory) else { return nil }
        defer { closedir(entries) }
        var names: [String] = []
        while let entry = readdir(entries) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name.hasPrefix("changes-") { names.append(name) }
        }
        return names.min()
    }

    /// Straight to the file: what is in a buffer dies with the process.
    private static func say(_ line: String) {
        let bytes = Array("\(line)\n".utf8)
        guard write(1, bytes, bytes.count) == bytes.count else { fatalError("standard output is gone") }
    }
}
