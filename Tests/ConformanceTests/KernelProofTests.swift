// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import Datapath
import DatapathEBPF
import DatapathNFTables
import NetworkKit
import NetworkTypes
import PolicyModel
import PolicyPipeline
import SelfProof
import Testing
import WorldKit

/// The prover over real tables in the kernel: what is wrong there is found, and nothing else. Needs root.
@Suite(.serialized) struct KernelProofTests {
    /// A datapath that holds a random world, and the prover that knows what it should hold.
    private struct Scene<Plane: Datapath & ~Copyable>: ~Copyable {
        var datapath: Plane
        var generator: WorldGenerator
        var pipeline: PolicyPipeline
        var prover: Prover
        /// What shows whether a fault matters to any packet, apart from the prover.
        private let witnesses: [KernelQuestion]

        init(_ plane: consuming Plane, seed: UInt64) throws {
            var opened = plane
            _ = try opened.open()
            var generator = WorldGenerator(seed: seed, isAuthorized: seed % 2 == 1)
            let pipeline = PropertyComparison.pipeline(generator.world)
            _ = try opened.resync(pipeline.compiled)
            let policy = pipeline.compiled
            witnesses = generator.flows(400)
                .filter { !policy.isOwnNode($0.source) && !policy.isOwnNode($0.destination) }
                .map { KernelQuestion(flow: $0) }
            self.generator = generator
            self.pipeline = pipeline
            prover = Prover(seed: seed)
            datapath = opened
        }

        /// The first of so many questions that the kernel answers otherwise than policy.
        mutating func disagreement(within limit: Int, batch: Int = 128) throws -> String? {
            var count = 0
            while count < limit {
                let asked = prover.questions(batch, of: pipeline.compiled)
                guard !asked.isEmpty else { return nil }
                count += asked.count
                for (one, answer) in zip(asked, try datapath.ask(asked.map(\.question))) {
                    let expected = pipeline.compiled.expected(one.question)
                    if let mismatch = expected.mismatch(answer, to: one.question) {
                        return "\(one.aim.rawValue): \(one.question.flow): \(mismatch): \(answer), not \(expected)"
                    }
                }
            }
            return nil
        }

        mutating func step() throws {
            let delta = pipeline.apply(generator.change())
            _ = try datapath.program(delta, of: pipeline.compiled)
        }

        mutating func answers() throws -> [KernelAnswer] { try datapath.ask(witnesses) }
    }

    private static func run(_ body: (_ bpffs: String) throws -> Void) throws {
        try NetWorld.with(pods: []) { net in try net.node.run { try body(net.bpffs) } }
    }

    /// As many as the cells, addresses and ports of these worlds need many times over.
    private static let bound = 60_000

    @Test(arguments: [UInt64(2), 3, 5, 8])
    func tablesOfEBPFAreProven(seed: UInt64) throws {
        try Self.run { bpffs in
            var scene = try Scene(EBPFDatapath(bpffs: bpffs), seed: seed)
            for _ in 0..<20 {
                let problem = try scene.disagreement(within: 256)
                #expect(problem == nil, "seed \(seed)")
                try scene.step()
            }
        }
    }

    @Test(arguments: [UInt64(2), 3, 5])
    func tablesOfNFTablesAreProven(seed: UInt64) throws {
        try Self.run { _ in
            var scene = try Scene(NFTablesDatapath(), seed: seed)
            for _ in 0..<6 {
                let problem = try scene.disagreement(within: 256, batch: 256)
                #expect(problem == nil, "seed \(seed)")
                try scene.step()
            }
        }
    }

    /// Bits of the mapped tables, one at a time, written by another process that opens the pin.
    @Test func bitsThatMatterAreFound() throws {
        try Self.run { bpffs in
            var scene = try Scene(EBPFDatapath(bpffs: bpffs), seed: 3)
            let words = try MappedTables(below: bpffs)
            let right = try scene.answers()
            var random = WorldRandom(seed: 7)
            var mattering = 0
            for _ in 0..<400 where mattering < 25 {
                let place = random.pick(words.used)
                let bit = UInt32(1) << UInt32(random.below(32))
                words.base[place] ^= bit
                defer { words.base[place] ^= bit }
                guard try scene.answers() != right else { continue }
                mattering += 1
                let problem = try scene.disagreement(within: Self.bound)
                #expect(problem != nil, "bit \(bit) of word \(place) is not found")
            }
            #expect(mattering >= 10)
            let problem = try scene.disagreement(within: 1000)
            #expect(problem == nil)
        }
    }

    /// Sets and maps of the nftables table, emptied one at a time.
    @Test func setsThatMatterAreFound() throws {
        try Self.run { _ in
            var scene = try Scene(NFTablesDatapath(), seed: 3)
            let right = try scene.answers()
            let text = try NetProcess.run(["nft", "list", "table", "inet", "bulkhead"])
            let names = text.split(separator: "\n").compactMap { line -> (kind: Substring, name: Substring)? in
                let words = line.split { $0 == " " || $0 == "\t" }
                return words.count == 3 && ["set", "map"].contains(words[0]) ? (words[0], words[1]) : nil
            }
            var mattering = 0
            for (kind, name) in names where mattering < 6 {
                _ = try NetProcess.run(["nft", "flush \(kind) inet bulkhead \(name)"])
                let matters = try scene.answers() != right
                if matters {
                    mattering += 1
                    let problem = try scene.disagreement(within: 4096, batch: 512)
                    #expect(problem != nil, "\(kind) \(name) is not found")
                }
                _ = try scene.datapath.resync(scene.pipeline.compiled)
            }
            #expect(mattering >= 2)
            let problem = try scene.disagreement(within: 512, batch: 512)
            #expect(problem == nil)
        }
    }
}
