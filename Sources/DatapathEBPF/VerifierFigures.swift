// SPDX-License-Identifier: Apache-2.0
import CLibBPF
import Datapath

/// What the kernel's verifier needed to check each of the programs that judge packets. The numbers of instructions and
/// states depend on the kernel alone; the times also on the machine.
public struct VerifierFigures: Sendable, Hashable {
    /// One program.
    public struct Program: Sendable, Hashable {
        public var name: String
        /// Instructions that the verifier processed; it gives up at a million.
        public var instructions: Int
        /// States that it kept, and the most at a time.
        public var states: Int
        public var peakStates: Int
        public var microseconds: Int

        package init(name: String, instructions: Int, states: Int, peakStates: Int, microseconds: Int) {
            self.name = name
            self.instructions = instructions
            self.states = states
            self.peakStates = peakStates
            self.microseconds = microseconds
        }
    }

    public var programs: [Program]

    /// Loads all programs; attaches nothing.
    public static func measure() throws(DatapathError) -> VerifierFigures {
        let logs = LogBuffers()
        let options = EBPFDatapath.Options()
        _ = try LoadedObject.load(
            EmbeddedObjects.bulkhead,
            prepare: { name, map in Generation.size(name, map, options.capacities) },
            prepareProgram: { logs.add(to: $0) })
        var programs: [Program] = []
        for (name, text) in logs.texts {
            guard let program = Program(name, log: text) else {
                throw .corrupt("the verifier's statistics of \(name) cannot be read: \(text)")
            }
            programs.append(program)
        }
        return VerifierFigures(programs: programs.sorted { $0.name < $1.name })
    }
}

extension VerifierFigures.Program {
    /// Reads `processed 3000 insns (limit 1000000) max_states_per_insn 4 total_states 200 peak_states 190 mark_read 30`
    /// and `verification time 900 usec`.
    package init?(_ name: String, log: String) {
        let words = log.split { $0 == " " || $0 == "\n" }
        func number(after word: Substring) -> Int? {
            words.firstIndex(of: word).flatMap { $0 + 1 < words.count ? Int(words[$0 + 1]) : nil }
        }
        guard let instructions = number(after: "processed"), let states = number(after: "total_states"),
            let peak = number(after: "peak_states"), let time = number(after: "time")
        else { return nil }
        self.init(
            name: name, instructions: instructions, states: states, peakStates: peak, microseconds: time)
    }
}

/// A log for each program. They must stay where they are until the programs are loaded.
private final class LogBuffers {
    private var buffers: [(name: String, bytes: UnsafeMutableBufferPointer<CChar>)] = []

    /// BPF_LOG_STATS: bpf_verifier.h.
    private static let statistics: UInt32 = 4
    private static let size = 64 * 1024

    func add(to program: OpaquePointer) {
        let bytes = UnsafeMutableBufferPointer<CChar>.allocate(capacity: Self.size)
        bytes.initialize(repeating: 0)
        buffers.append((String(cString: bpf_program__name(program)), bytes))
        bpf_program__set_log_level(program, Self.statistics)
        bpf_program__set_log_buf(program, bytes.baseAddress, Self.size)
    }

    var texts: [(String, String)] {
        buffers.map { name, bytes in
            (name, String(decoding: bytes.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self))
        }
    }

    deinit { for buffer in buffers { buffer.bytes.deallocate() } }
}
