// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import Datapath
import DatapathEBPF
import NetworkTypes
import PolicyModel
import Testing

/// The comparison of a program of many address classes with policy takes several steps. Needs root.
@Suite struct KernelComparedCellsTests {
    /// One endpoint with one program, and 21 classes of ports.
    private static func policy(classes: Int) throws -> CompiledPolicy {
        var builder = PolicyBuilder()
        builder.addRules(2)
        builder.addClasses(classes)
        builder.setTCPPorts((1...20).map { UInt16($0 * 10) })
        builder.addProgram(1, .ingress) { row, column in
            (row + column) % 3 == 0 ? Cell(.allow, by: RuleID(rawValue: 1)) : Cell(.deny, by: RuleID(rawValue: 2))
        }
        builder.addEndpoint(1, [try IPAddress("10.0.0.1")], addressClass: 0, ingress: 1, egress: 0)
        return builder.policy
    }

    /// The differences of a whole comparison, and the steps it took.
    private static func compare(
        _ datapath: inout EBPFDatapath, with policy: CompiledPolicy
    ) throws -> (differences: [String], steps: Int) {
        var steps = 0
        while true {
            steps += 1
            if case .finished(let differences) = try datapath.compareNext(with: policy) { return (differences, steps) }
        }
    }

    @Test func eachCellIsComparedInSomeStep() throws {
        let few = try PrivateKernel.run { bpffs in
            let policy = try Self.policy(classes: 10)
            var datapath = EBPFDatapath(bpffs: bpffs)
            _ = try datapath.open()
            _ = try datapath.resync(policy)
            return try Self.compare(&datapath, with: policy)
        }
        #expect(few.differences.isEmpty)
        try PrivateKernel.run { bpffs in
            let policy = try Self.policy(classes: 4000)
            var datapath = EBPFDatapath(bpffs: bpffs)
            _ = try datapath.open()
            _ = try datapath.resync(policy)
            let many = try Self.compare(&datapath, with: policy)
            #expect(many.differences.isEmpty)
            // One more for the keys of the classes, two more for the cells.
            #expect(many.steps == few.steps + 3)
            let program = ProgramID(rawValue: 1)
            let count = try #require(policy.programs[program]?.cells.count)
            for cell in [0, count / 2, count - 1] {
                var wrong = policy
                wrong.programs[program]?.cells[cell] = Cell(.audit, by: RuleID(rawValue: 2))
                let found = try Self.compare(&datapath, with: wrong)
                #expect(found.differences == ["program 1"], "cell \(cell)")
            }
        }
    }
}
