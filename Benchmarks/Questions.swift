// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import Datapath
import Glibc
import NetworkKit
import NetworkTypes
import PolicyModel

/// What it takes to ask the kernel about packets that nothing sends: the first question, another one alone, and each of
/// many asked together.
func benchQuestions<Plane: Datapath & ~Copyable>(_ datapath: inout Plane, _ questions: [KernelQuestion]) throws {
    func milliseconds(_ questions: [KernelQuestion]) throws -> Double {
        let start = NetClock.now
        let answers = try datapath.ask(questions)
        precondition(answers.count == questions.count)
        return Double(NetClock.now - start) / 1e6
    }
    let resident = residentBytes()
    let first = try milliseconds(Array(questions.prefix(1)))
    let loaded = residentBytes() - resident
    let alone = try questions.prefix(50).map { try milliseconds([$0]) }.median
    let together = try (0..<5).map { _ in try milliseconds(questions) }.median
    func text(_ number: Double) -> String { "\((number * 1000).rounded() / 1000)" }
    print(
        "questions to the kernel: first \(text(first)) ms (\(loaded / 1024) KiB more of this process), another alone "
            + "\(text(alone)) ms, \(questions.count) together \(text(together)) ms")
}

/// Resident memory of this process.
private func residentBytes() -> Int {
    guard let file = fopen("/proc/self/statm", "r") else { return 0 }
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 128)
    guard fgets(&line, Int32(line.count), file) != nil else { return 0 }
    let words = line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }.split(separator: UInt8(ascii: " "))
    guard words.count > 1, let pages = Int(String(decoding: words[1], as: UTF8.self)) else { return 0 }
    return pages * Int(sysconf(Int32(_SC_PAGESIZE)))
}
