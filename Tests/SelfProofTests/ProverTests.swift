// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import Datapath
import Foundation
import NetworkTypes
import PolicyModel
import PolicyPipeline
import SelfProof
import Testing
import WorldKit

/// The prover over random worlds: it reaches everything, finds each single fault, and never takes a change for one.
///
/// BULKHEAD_SEED runs one world; BULKHEAD_WORLDS and BULKHEAD_CHECKS set how much is run otherwise.
@Suite struct ProverTests {
    private static func number(_ name: String, _ otherwise: Int) -> Int {
        ProcessInfo.processInfo.environment[name].flatMap(Int.init) ?? otherwise
    }

    private static var seeds: [UInt64] {
        if let seed = ProcessInfo.processInfo.environment["BULKHEAD_SEED"].flatMap(UInt64.init) { return [seed] }
        return (0..<number("BULKHEAD_WORLDS", 16)).map { UInt64($0) }
    }

    private static func pipeline(_ generator: WorldGenerator) -> PolicyPipeline {
        var pipeline = PolicyPipeline(nodeName: generator.world.nodeName)
        pipeline.ingest(localAddresses: generator.world.settings.localAddresses)
        _ = pipeline.apply(generator.world.events)
        return pipeline
    }

    /// How many questions are enough: some for each thing that can be wrong.
    private static func bound(_ policy: CompiledPolicy) -> Int {
        let cells = policy.programs.values.reduce(0) { $0 + $1.cells.count }
        let things =
            cells + policy.addresses.hosts.count + 5 * policy.addresses.prefixes.count + policy.portSegments.count
            + policy.endpoints.count
        return 60 * things + 10_000
    }

    @Test func everyCellThatAPacketCanReadIsAskedAbout() {
        var reached = 0
        for seed in Self.seeds {
            let policy = Self.pipeline(WorldGenerator(seed: seed, isAuthorized: seed % 2 == 1)).compiled
            var left = Set(policy.forwardedQuestions().flatMap { policy.cells(of: $0) })
            reached += left.count
            var prover = Prover(seed: seed)
            var count = 0
            while !left.isEmpty, count < Self.bound(policy) {
                let asked = prover.questions(64, of: policy)
                count += max(asked.count, 1)
                for one in asked { left.subtract(policy.cells(of: one.question)) }
            }
            let example = left.first.flatMap { place in
                policy.forwardedQuestions().first { policy.cells(of: $0).contains(place) }
            }
            #expect(
                left.isEmpty,
                "BULKHEAD_SEED=\(seed): \(left.count) cells left after \(count) questions: \(String(describing: example))"
            )
        }
        #expect(reached > 500, "the worlds must have something to reach")
    }

    @Test func eachSingleFaultIsFound() {
        var found: [Fault: Int] = [:]
        for seed in Self.seeds {
            let policy = Self.pipeline(WorldGenerator(seed: seed, isAuthorized: seed % 2 == 1)).compiled
            var random = WorldRandom(seed: seed)
            for fault in Fault.allCases {
                guard let wrong = fault.made(in: policy, &random) else { continue }
                let kernel = AnsweringTables(wrong)
                var prover = Prover(seed: seed)
                var count = 0
                var isFound = false
                while !isFound, count < Self.bound(policy) {
                    let asked = prover.questions(64, of: policy)
                    count += max(asked.count, 1)
                    isFound = kernel.disagreement(asked, with: policy) != nil
                }
                #expect(isFound, "BULKHEAD_SEED=\(seed): \(fault) not found by \(count) questions")
                found[fault, default: 0] += 1
            }
        }
        for fault in Fault.allCases {
            #expect(found[fault, default: 0] >= Self.seeds.count / 3, "\(fault) was made too seldom")
        }
    }

    /// Each check also compares what the prover expects with what `evaluate` says.
    @Test func equalTablesNeverDisagreeWhileTheyChange() {
        let wanted = Self.number("BULKHEAD_CHECKS", 100_000)
        var checks = 0
        var aims: [Prover.Aim: Int] = [:]
        for seed in Self.seeds {
            var generator = WorldGenerator(seed: seed, isAuthorized: seed % 2 == 1)
            var pipeline = Self.pipeline(generator)
            var prover = Prover(seed: seed)
            let share = wanted / Self.seeds.count
            let end = checks + share
            var turns = 0
            while checks < end, turns < share {
                turns += 1
                if turns % 4 == 0 { _ = pipeline.apply(localAddresses: generator.changeLocalAddresses()) }
                _ = pipeline.apply(generator.change())
                for flow in generator.flows(2) { prover.note(recent: flow) }
                let kernel = AnsweringTables(pipeline.compiled)
                let asked = prover.questions(64, of: pipeline.compiled)
                checks += asked.count
                for one in asked { aims[one.aim, default: 0] += 1 }
                if let (one, mismatch) = kernel.disagreement(asked, with: pipeline.compiled) {
                    Issue.record("BULKHEAD_SEED=\(seed): \(one) is taken for wrong: \(mismatch)")
                    return
                }
            }
        }
        #expect(checks > wanted * 9 / 10)
        for aim in Prover.Aim.allCases { #expect(aims[aim, default: 0] > checks / 100, "\(aim) is asked too seldom") }
    }

    @Test func theSameSeedAsksTheSame() {
        let policy = Self.pipeline(WorldGenerator(seed: 3)).compiled
        var (first, second, third) = (Prover(seed: 1), Prover(seed: 1), Prover(seed: 2))
        let asked = first.questions(500, of: policy)
        #expect(asked.count > 100)
        #expect(second.questions(500, of: policy) == asked)
        #expect(third.questions(500, of: policy) != asked)
    }

    @Test func emptyTablesAreNotAskedAbout() {
        var prover = Prover(seed: 1)
        #expect(prover.questions(64, of: CompiledPolicy()).isEmpty)
    }

    /// A rule that has counted packets is asked about before its turn comes.
    @Test func realPacketsAreAskedAboutFirst() throws {
        let policies = (0..<20).lazy.map { Self.pipeline(WorldGenerator(seed: $0)).compiled }
        let policy = try #require(policies.first { !$0.forwardedQuestions().isEmpty })
        var prover = Prover(seed: 1)
        let questions = policy.forwardedQuestions()
        let flow = try #require(questions.last?.flow)
        prover.note(recent: flow)
        let asked = prover.questions(16, of: policy)
        #expect(asked.contains { $0.aim == .recent && $0.question.flow == flow })
    }

    /// What a pod may send, but no packet can be: an extension header of IPv6 as the last one.
    @Test(arguments: [0, 43, 44, 60] as [UInt8]) func whatNoPacketCanBeIsNotAsked(number: UInt8) throws {
        let policies = (0..<20).lazy.map { Self.pipeline(WorldGenerator(seed: $0)).compiled }
        let policy = try #require(policies.first { !$0.forwardedQuestions().isEmpty })
        var prover = Prover(seed: 1)
        var flow = Flow(
            source: IPAddress(v6High: 0xfd00_0010_0244_0000, low: 1),
            destination: IPAddress(v6High: 0xfd00_0010_0244_0000, low: 2),
            ipProtocol: IPProtocol(rawValue: number), destinationPort: nil)
        prover.note(recent: flow)
        #expect(!KernelQuestion(flow: flow).isPossible)
        #expect(!prover.questions(512, of: policy).contains { $0.question.flow == flow })
        flow.ipProtocol = .icmpv6
        #expect(KernelQuestion(flow: flow).isPossible)
    }
}

/// One thing that is wrong in a kernel's copy of the tables.
enum Fault: CaseIterable {
    case cell, address, port, endpoint

    /// The tables with a fault that some packet shows; nil if none is found.
    func made(in policy: CompiledPolicy, _ random: inout WorldRandom) -> CompiledPolicy? {
        let questions = policy.forwardedQuestions()
        guard !questions.isEmpty else { return nil }
        for _ in 0..<20 {
            var wrong = policy
            damage(&wrong, random.pick(questions), &random)
            guard wrong != policy else { continue }
            let kernel = AnsweringTables(wrong)
            // A question that shows it, whatever the prover asks.
            var seen = 0
            for _ in 0..<2000 where seen < 1 {
                let question = random.pick(questions)
                if policy.expected(question).mismatch(kernel.answer(question), to: question) != nil { seen += 1 }
            }
            if seen > 0 { return wrong }
        }
        return nil
    }

    private func damage(_ policy: inout CompiledPolicy, _ question: KernelQuestion, _ random: inout WorldRandom) {
        switch self {
        case .cell:
            guard let place = policy.cells(of: question).last, var program = policy.programs[place.program] else {
                return
            }
            let number = Int(place.row) * program.columnCount + Int(place.column)
            let cell = program.cells[number]
            program.cells[number].action = cell.verdict == .deny ? .allow : .deny
            policy.programs[place.program] = program
        case .address:
            let address = random.pick([question.flow.source, question.flow.destination])
            guard var entry = policy.addresses[CIDR(host: address)] else { return }
            let others = policy.addressClasses.keys.filter { $0 != entry.addressClass }.sorted()
            guard !others.isEmpty else { return }
            entry.addressClass = random.pick(others)
            policy.addresses[CIDR(host: address)] = entry
        case .port:
            let place = random.below(policy.portSegments.count)
            let segment = policy.portSegments[place]
            let classes = policy.portSegments.map(\.portClass).filter { $0 != segment.portClass }
            guard !classes.isEmpty else { return }
            policy.portSegments[place].portClass = random.pick(classes)
        case .endpoint:
            let entries = [question.flow.source, question.flow.destination].map {
                policy.addresses.entry(of: $0).endpoint
            }
            guard let id = entries.first(where: { $0 != .none }) else { return }
            let programs = [ProgramID.none] + policy.programs.keys.sorted()
            if random.chance(percent: 50) {
                policy.endpoints[id]?.ingress = random.pick(programs)
            } else {
                policy.endpoints[id]?.egress = random.pick(programs)
            }
        }
    }
}
