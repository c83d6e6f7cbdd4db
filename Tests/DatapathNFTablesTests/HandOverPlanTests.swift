// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import Datapath
import DatapathNFTables
import Netfilter
import NetworkTypes
import PolicyModel
import Testing
import WorldKit

/// The plan of the table while authorization, flows left to the proxy, and the proxy's marks come and go.
/// One test at a time: what the kernel holds is compared while nothing else changes its ruleset.
@Suite(.serialized) struct HandOverPlanTests {
    /// One step: of the policy, or of the marks.
    private struct Course {
        var random: WorldRandom
        var compiler = PlanCompiler()
        var plan = PolicyPlan.mixed
        var policy: CompiledPolicy
        var marks = SteeringMarks.none
        private var serial = 0

        init(seed: UInt64) {
            random = WorldRandom(seed: seed)
            policy = compiler.compile(plan)
        }

        /// Nil: the policy stays, and the marks are others now.
        mutating func next() -> CompiledDelta? {
            if random.chance(percent: 25) {
                let bits: [(UInt32, UInt32)] = [(0, 0), (0x10, 0x20), (0x200, 0x100), (0, 0x20), (0x10, 0)]
                let (toProxy, fromProxy) = random.pick(bits)
                marks = SteeringMarks(toProxy: toProxy, fromProxy: fromProxy)
                return nil
            }
            plan.change(&random)
            for _ in 0..<random.below(3) { plan.changeAuthorization(&random, &serial) }
            let before = policy
            policy = compiler.compile(plan)
            return CompiledDelta(from: before, to: policy)
        }

        var isHandingOver: Bool { policy.programs.values.contains(where: \.handsOver) }
    }

    /// Pure: after each step the plan equals a new one, and its transaction makes the table what the plan says.
    @Test func stepsGiveWhatABuildFromScratchGives() {
        var (handingOver, others) = (0, 0)
        for seed: UInt64 in 0..<40 {
            var course = Course(seed: seed)
            var tables = PolicyTables(course.policy)
            for number in 0..<20 {
                let before = tables.contents
                let delta = course.next()
                let step = delta.map { tables.plan($0, of: course.policy) } ?? tables.set(marks: course.marks)
                guard let step else {
                    Issue.record("seed \(seed) step \(number): built anew")
                    return
                }
                let scratch = PolicyTables(course.policy, marks: course.marks)
                guard tables.contents == scratch.contents else {
                    let differences = tables.contents.differences(from: scratch.contents)
                    Issue.record("seed \(seed) step \(number): \(differences)")
                    return
                }
                guard before.applying(step) == tables.contents else {
                    Issue.record("seed \(seed) step \(number): the transaction makes something else")
                    return
                }
                if course.isHandingOver && course.marks != .none { handingOver += 1 } else { others += 1 }
            }
        }
        #expect(handingOver > 100 && others > 100, "\(handingOver) \(others)")
    }

    /// The kernel accepts each step, and holds what a new plan says.
    @Test(arguments: 0..<4) func theKernelHoldsWhatABuildFromScratchGives(seed: UInt64) throws {
        try withNamespace("hand-over-plan") {
            var course = Course(seed: seed)
            var datapath = NFTablesDatapath()
            _ = try datapath.open()
            _ = try datapath.resync(course.policy)
            let socket = try NetfilterSocket()
            let contents = PolicyTables(course.policy).contents
            for number in 0..<12 {
                if let delta = course.next() {
                    let report = try datapath.program(delta, of: course.policy)
                    #expect(report.repaired == 0 && !report.rebuilt, "seed \(seed) step \(number): \(report)")
                } else {
                    try datapath.setSteeringMarks(course.marks)
                }
                let kernel = try TableReader(contents.table, socket).read()
                let scratch = PolicyTables(course.policy, marks: course.marks).contents
                let left = try Transaction.difference(from: kernel, to: scratch, socket)
                #expect(left.isEmpty, "seed \(seed) step \(number): \(left.count) differences")
            }
        }
    }
}

extension PolicyPlan {
    /// Programs with authorization come, are given to endpoints, and go. Each has an identity of its own: the compiler
    /// never changes what a number means.
    mutating func changeAuthorization(_ random: inout WorldRandom, _ serial: inout Int) {
        let own = programs.keys.filter { $0.hasPrefix("authorized ") }.sorted()
        let isUsed = Set(endpoints.values.compactMap(\.ingress))
        switch random.below(5) {
        case 0, 1:
            serial += 1
            var rules = PolicyPlan.authorized(&random).programs["in"]!
            for _ in 0..<random.below(3) { rules.rules.append(Self.shared(random.below(4))) }
            programs["authorized \(serial)"] = rules
            endpoints[random.pick(endpoints.keys.sorted())]!.ingress = "authorized \(serial)"
        case 2:
            guard !own.isEmpty else { return }
            endpoints[random.pick(endpoints.keys.sorted())]!.ingress = random.pick(own)
        case 3:
            for name in endpoints.keys where own.contains(endpoints[name]!.ingress ?? "") {
                endpoints[name]!.ingress = nil
            }
        default:
            for name in own where !isUsed.contains(name) { programs[name] = nil }
        }
    }

    /// The rules of policies that select several pods: one number in several programs.
    private static func shared(_ number: Int) -> Rule {
        Rule(
            tier: .authorization, action: number == 3 ? .deny : .allow,
            peers: number == 1 ? ["pods tier=backend in namespace shop"] : nil,
            ports: [tcp([80, 81, 443, 82][number])], policy: "shared", readsRequest: number < 2, shared: "\(number)")
    }
}

extension TableContents {
    /// Names of what differs, for a failed test.
    fileprivate func differences(from other: TableContents) -> [String] {
        func names<Value: Equatable>(_ kind: String, _ own: [String: Value], _ others: [String: Value]) -> [String] {
            Set(own.keys).union(others.keys).filter { own[$0] != others[$0] }.sorted().map { "\(kind) \($0)" }
        }
        return names("chain", chains, other.chains) + names("set", sets, other.sets)
            + names("object", objects, other.objects)
    }
}
