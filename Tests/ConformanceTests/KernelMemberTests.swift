// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import Datapath
import DatapathEBPF
import DatapathNFTables
import Glibc
import KubernetesObjects
import NetworkKit
import NetworkTypes
import PolicyModel
import PolicyPipeline
import Testing
import WorldKit

/// Addresses join and leave the sets of nodes, under real packets: one step takes effect, and nothing else changes.
///
/// Pod `a` may not reach TCP port 80 of GPU nodes, whichever they are. For this node, pod `b` is only an address.
@Suite(.serialized) struct KernelMemberTests {
    private static let gpu = LabelSelector(matchLabels: ["gpu": "yes"])
    private static let guardrail = tier(
        "guard", egress: [rule(.deny, .nodes(gpu), ports: [.range(.tcp, PortRange(80))])])

    private static func node(_ name: String, _ addresses: [IPAddress], isGPU: Bool) -> ObjectEvent {
        .set(
            .node(
                Node(
                    metadata: ObjectMeta(name: name, labels: isGPU ? ["gpu": "yes"] : [:]), addresses: addresses)))
    }

    private static var gateways: [IPAddress] { [NetAddressing.gateways[0], NetAddressing.gateways6[0]] }

    /// The node with its policy in force, and what a test does with it.
    private struct Scene<Plane: Datapath & ~Copyable>: ~Copyable {
        let world: NetWorld
        var datapath: Plane
        var pipeline: PolicyPipeline
        private let numbers: [RuleID: StableKey]

        init(_ world: NetWorld, _ plane: consuming Plane) throws {
            var opened = plane
            _ = try opened.open()
            let a = world.pod("a")
            var pipeline = PolicyPipeline(nodeName: "n1")
            _ = pipeline.apply([
                KernelMemberTests.node("n1", KernelMemberTests.gateways, isGPU: false), KernelMemberTests.guardrail,
                pod("a", [:], "\(a.v4)", "\(a.v6)"),
            ])
            _ = try opened.resync(pipeline.compiled)
            self.world = world
            numbers = pipeline.compiled.rules.mapValues(\.key)
            self.pipeline = pipeline
            datapath = opened
        }

        /// Carries out a step, which must leave every program, rule and endpoint alone and every counter counting.
        mutating func step(_ event: ObjectEvent) throws { try step(pipeline.apply([event])) }

        mutating func step(_ delta: CompiledDelta) throws {
            let before = try datapath.ruleCounters()
            #expect(delta.addedPrograms.isEmpty && delta.addedRules.isEmpty && delta.addedEndpoints.isEmpty)
            #expect(delta.removedPrograms.isEmpty && delta.changedEndpoints.isEmpty && !delta.addresses.isEmpty)
            _ = try datapath.program(delta, of: pipeline.compiled)
            #expect(pipeline.compiled.rules.mapValues(\.key) == numbers)
            let after = try datapath.ruleCounters()
            for (rule, counter) in before { #expect((after[rule]?.packets ?? 0) >= counter.packets) }
            let report = try datapath.resync(pipeline.compiled)
            #expect(report.repaired == 0 && !report.rebuilt)
        }

        /// Packets that the guardrail stopped.
        func denied() throws -> UInt64 {
            guard let rule = pipeline.compiled.rules.first(where: { $0.value.identity.name == "guard rule 1" })
            else { return 0 }
            return try datapath.ruleCounters()[rule.key]?.packets ?? 0
        }

        /// Whether `a` reaches these addresses on a port.
        func reaches(_ addresses: [IPAddress], _ port: UInt16) throws -> [Bool] {
            let probes = addresses.map { NetProbe(.tcp, to: $0, port: port) }
            let outcomes = try world.pod("a").namespace.run { try NetProbe.runTogether(probes) }
            return outcomes.map { $0 == .answered }
        }
    }

    private static func withNode<Plane: Datapath & ~Copyable>(
        _ plane: (NetWorld) -> Plane, _ body: (inout Scene<Plane>) throws -> Void
    ) throws {
        try NetWorld.with(pods: ["a", "b"]) { world in
            let ports = [NetServer.Port(.tcp, 80), NetServer.Port(.tcp, 81)]
            try world.node.ip(["route add local 10.254.0.0/24 dev lo", "addr add fd00:254::9/64 dev lo nodad"])
            let local = [address("10.254.0.9"), address("fd00:254::9")]
            let b = world.pod("b")
            let servers = [
                try world.node.run { try NetServer(at: gateways + local, ports) },
                try b.namespace.run { try NetServer(at: [b.v4, b.v6], ports) },
            ]
            defer { for server in servers { server.stop() } }
            try world.node.run {
                var scene = try Scene(world, plane(world))
                try body(&scene)
            }
        }
    }

    /// Another node's new address is judged after one step; a connection that stays allowed goes on.
    private static func anotherNode<Plane: Datapath & ~Copyable>(_ scene: inout Scene<Plane>) throws {
        let b = scene.world.pod("b")
        let others = [b.v4, b.v6]
        #expect(try scene.reaches(others, 80) == [true, true])
        let connections = try others.map { target in
            try scene.world.pod("a").namespace.run {
                try NetHammer(.tcp, to: target, port: 81, everyMicroseconds: 4000)
            }
        }
        for _ in 0..<2 {
            try scene.step(node("n2", others, isGPU: true))
            let before = try scene.denied()
            #expect(try scene.reaches(others, 80) == [false, false])
            #expect(try scene.reaches(others, 81) == [true, true])
            #expect(try scene.denied() >= before + 2)
            try scene.step(node("n2", [], isGPU: true))
            #expect(try scene.reaches(others, 80) == [true, true])
        }
        for connection in connections {
            let packets = connection.stop()
            #expect(packets.count > 80 && packets.allSatisfy { $0.answered != nil })
        }
    }

    /// The node itself joins by its labels, with every address that it takes in, and leaves.
    private static func thisNode<Plane: Datapath & ~Copyable>(_ scene: inout Scene<Plane>) throws {
        let own = gateways + [address("10.254.0.9"), address("fd00:254::9")]
        #expect(try scene.reaches(own, 80) == [true, true, true, true])
        for _ in 0..<2 {
            try scene.step(node("n1", gateways, isGPU: true))
            #expect(try scene.reaches(own, 80) == [false, false, false, false])
            #expect(try scene.reaches(own, 81) == [true, true, true, true])
            try scene.step(scene.pipeline.apply(localAddresses: [cidr("10.254.0.0/24"), cidr("fd00:254::/64")]))
            #expect(try scene.reaches(own, 80) == [false, false, false, false])
            try scene.step(scene.pipeline.apply(localAddresses: []))
            try scene.step(node("n1", gateways, isGPU: false))
            #expect(try scene.reaches(own, 80) == [true, true, true, true])
        }
    }

    @Test func anotherNodeWithEBPF() throws {
        try Self.withNode({ EBPFDatapath(bpffs: $0.bpffs) }, Self.anotherNode)
    }

    @Test func anotherNodeWithNFTables() throws {
        try Self.withNode({ _ in NFTablesDatapath() }, Self.anotherNode)
    }

    @Test func thisNodeWithEBPF() throws {
        try Self.withNode({ EBPFDatapath(bpffs: $0.bpffs) }, Self.thisNode)
    }

    @Test func thisNodeWithNFTables() throws {
        try Self.withNode({ _ in NFTablesDatapath() }, Self.thisNode)
    }
}
