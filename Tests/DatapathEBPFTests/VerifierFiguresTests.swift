// SPDX-License-Identifier: Apache-2.0
import DatapathEBPF
import NetworkTypes
import Testing

/// `scripts/kernels` prints these figures of each kernel.
@Suite struct VerifierFiguresTests {
    @Test func statisticsAreRead() {
        let log = """
            verification time 900 usec
            stack depth 336+0+40
            processed 3000 insns (limit 1000000) max_states_per_insn 4 total_states 200 peak_states 190 mark_read 30
            """
        let expected = VerifierFigures.Program(
            name: "p", instructions: 3000, states: 200, peakStates: 190, microseconds: 900)
        #expect(VerifierFigures.Program("p", log: log) == expected)
        #expect(VerifierFigures.Program("p", log: "processed 3000 insns") == nil)
        #expect(VerifierFigures.Program("p", log: "") == nil)
    }

    @Test func theyAreThoseOfTheProgramsInForce() throws {
        try PrivateKernel.run { bpffs in
            let figures = try VerifierFigures.measure()
            #expect(figures.programs.count == PacketHook.allCases.count * AddressFamily.allCases.count)
            var datapath = EBPFDatapath(bpffs: bpffs)
            _ = try datapath.open()
            for family in AddressFamily.allCases {
                for hook in PacketHook.allCases {
                    let verified = try datapath.programFacts(family, hook: hook).verified
                    #expect(figures.programs.contains { $0.instructions == verified }, "\(hook) \(family)")
                }
            }
            #expect(figures.programs.allSatisfy { $0.states >= $0.peakStates && $0.peakStates > 0 })
        }
    }
}
