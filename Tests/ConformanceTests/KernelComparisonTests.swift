// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import Datapath
import DatapathEBPF
import DatapathNFTables
import Glibc
import KubernetesObjects
import Manifests
import NetworkKit
import NetworkTypes
import PolicyModel
import PolicyPipeline
import Testing
import WorldKit

/// The comparison of all tables with policy, in steps, over real tables in the kernel. Needs root.
@Suite(.serialized) struct KernelComparisonTests {
    /// A datapath that holds a random world.
    private struct Scene<Plane: Datapath & ~Copyable>: ~Copyable {
        var datapath: Plane
        var generator: WorldGenerator
        var pipeline: PolicyPipeline
        /// The longest step on the owner's thread.
        var longest = Duration.zero

        init(_ plane: consuming Plane, seed: UInt64) throws {
            var opened = plane
            _ = try opened.open()
            let generator = WorldGenerator(seed: seed, isAuthorized: seed % 2 == 1)
            let pipeline = PropertyComparison.pipeline(generator.world)
            _ = try opened.resync(pipeline.compiled)
            self.generator = generator
            self.pipeline = pipeline
            datapath = opened
        }

        /// One that never changes.
        init(_ plane: consuming Plane, _ fixed: PolicyPipeline) throws {
            var opened = plane
            _ = try opened.open()
            _ = try opened.resync(fixed.compiled)
            generator = WorldGenerator(seed: 1)
            pipeline = fixed
            datapath = opened
        }

        mutating func change() throws {
            let delta = pipeline.apply(generator.change())
            _ = try datapath.program(delta, of: pipeline.compiled)
        }

        /// One comparison to its end.
        ///
        /// - Parameters:
        ///   - wrong: with this instead of the policy in force.
        ///   - changes: how many changes come between its steps.
        mutating func differences(from wrong: CompiledPolicy? = nil, changes: Int = 0) throws -> [String] {
            var left = changes
            while true {
                let start = ContinuousClock.now
                let part = try datapath.compareNext(with: wrong ?? pipeline.compiled)
                longest = max(longest, start.duration(to: .now))
                var work: (@Sendable () -> Void)?
                switch part {
                case .finished(let differences): return differences
                case .elsewhere(let slow): work = slow
                case .equal, .changed: break
                }
                let thread = try work.map { work in try NetThread.start { work() } }
                if left > 0 {
                    left -= 1
                    try change()
                }
                if let thread { pthread_join(thread, nil) }
            }
        }
    }

    private static func check<Plane: Datapath & ~Copyable>(
        seed: UInt64, _ damages: [Damage] = Damage.allCases, _ plane: (String) -> Plane
    ) throws {
        try NetWorld.with(pods: []) { net in
            try net.node.run {
                var scene = try Scene(plane(net.bpffs), seed: seed)
                for round in 0..<8 {
                    let found = try scene.differences(changes: round % 2 == 0 ? 0 : 6)
                    #expect(found.isEmpty, "seed \(seed), round \(round)")
                    try scene.change()
                }
                var random = WorldRandom(seed: seed)
                var made = 0
                for damage in damages {
                    guard let wrong = damage.made(in: scene.pipeline.compiled, &random) else { continue }
                    made += 1
                    let found = try scene.differences(from: wrong)
                    #expect(!found.isEmpty && found.count <= ComparedPart.namedLimit, "seed \(seed): \(damage)")
                }
                #expect(made * 3 >= damages.count)
                let found = try scene.differences()
                #expect(found.isEmpty, "seed \(seed), at the end")
            }
        }
    }

    @Test(arguments: [UInt64(2), 3, 5, 8]) func tablesOfEBPF(seed: UInt64) throws {
        try Self.check(seed: seed) { EBPFDatapath(bpffs: $0) }
    }

    @Test(arguments: [UInt64(2), 5]) func tablesOfNFTables(seed: UInt64) throws {
        // Its table has no cells, and sets of peers instead of address classes.
        try Self.check(seed: seed, [.endpoint, .addedHost]) { _ in NFTablesDatapath() }
    }

    private static let policy = """
        apiVersion: networking.k8s.io/v1
        kind: NetworkPolicy
        metadata: {name: policy, namespace: shop}
        spec:
          podSelector: {matchLabels: {app: here}}
          ingress:
          - from: [{podSelector: {matchLabels: {app: far}}}]
        """

    /// One pod here takes what many elsewhere send.
    private static func largeCluster(_ count: UInt32) throws -> PolicyPipeline {
        func pod(_ name: String, _ node: String, _ address: IPAddress) -> ObjectEvent {
            .set(
                .pod(
                    Pod(
                        metadata: ObjectMeta(name: name, namespace: "shop", labels: ["app": node]), nodeName: node,
                        podIPs: [address])))
        }
        var pipeline = PolicyPipeline(nodeName: "here")
        var events: [ObjectEvent] = [
            .set(.namespace(Namespace(metadata: ObjectMeta(name: "shop")))),
            pod("here", "here", IPAddress(v4: 0x0a00_0001)),
        ]
        events += try ObjectBatch.decode(Array(Self.policy.utf8)).objects.map { .set($0) }
        events += (0..<count).map { pod("far\($0)", "far", IPAddress(v4: 0x0b00_0000 + $0)) }
        _ = pipeline.apply(events)
        return pipeline
    }

    /// What the longest step costs at the size of a large cluster, in the log; no limit is judged on a busy machine.
    @Test(arguments: NetDatapath.allCases) func aLargeClusterInSteps(_ kind: NetDatapath) throws {
        func measure<Plane: Datapath & ~Copyable>(_ plane: consuming Plane) throws {
            let large = try Self.largeCluster(40_000)
            var scene = try Scene(plane, large)
            let start = ContinuousClock.now
            _ = try scene.datapath.resync(large.compiled)
            let whole = start.duration(to: .now)
            let found = try scene.differences()
            #expect(found.isEmpty)
            print("\(kind): the longest step takes \(scene.longest), all at once \(whole)")
        }
        try NetWorld.with(pods: []) { net in
            try net.node.run {
                switch kind {
                case .ebpf: try measure(EBPFDatapath(bpffs: net.bpffs))
                case .nftables: try measure(NFTablesDatapath())
                }
            }
        }
    }
}

/// One thing of policy that the tables do not hold.
private enum Damage: CaseIterable {
    case cell, host, missingHost, addedHost, port, endpoint, program

    func made(in policy: CompiledPolicy, _ random: inout WorldRandom) -> CompiledPolicy? {
        var wrong = policy
        let hosts = policy.addresses.hosts.keys.sorted()
        guard !hosts.isEmpty, let host = hosts.first else { return nil }
        let used = Set(policy.endpoints.values.flatMap { [$0.ingress, $0.egress] })
        let programs = policy.programs.keys.filter { used.contains($0) }.sorted()
        switch self {
        case .cell:
            guard let id = programs.first(where: { policy.programs[$0]?.cells.isEmpty == false }) else { return nil }
            let cell = wrong.programs[id]!.cells[0]
            wrong.programs[id]!.cells[0].action = cell.verdict == .deny ? .allow : .deny
        case .host, .missingHost:
            let local = hosts.first { policy.addresses.entry(of: $0).endpoint != .none } ?? host
            wrong.addresses[CIDR(host: local)] =
                self == .missingHost
                ? nil : AddressEntry(addressClass: policy.addresses.entry(of: local).addressClass, endpoint: .none)
        case .addedHost:
            guard let local = policy.endpoints.keys.min(), let endpoint = policy.endpoints[local] else { return nil }
            let address = IPAddress(v4: 0x0b0b_0b0b)
            wrong.addresses[CIDR(host: address)] = AddressEntry(addressClass: .none, endpoint: local)
            wrong.endpoints[local]?.addresses = endpoint.addresses + [address]
        case .port:
            let classes = Set(policy.portSegments.map(\.portClass))
            guard classes.count > 1, let other = classes.first(where: { $0 != policy.portSegments[0].portClass })
            else { return nil }
            wrong.portSegments[0].portClass = other
        case .endpoint:
            let protected = policy.endpoints.filter { $0.value.ingress != .none }.keys.sorted()
            guard let id = protected.first else { return nil }
            wrong.endpoints[id]?.ingress = .none
        case .program:
            guard let id = programs.first, let program = policy.programs[id] else { return nil }
            wrong.programs[id]!.cells = program.cells.map { Cell(.deny, by: $0.rule) }
        }
        return wrong == policy ? nil : wrong
    }
}
