// SPDX-License-Identifier: Apache-2.0
import ClusterVerdicts
import Foundation
import KubernetesObjects
import NetworkTypes
import PolicyModel
import PolicyOracle
import PolicyPipeline
import Testing
import WorldKit

/// The question asked over a whole cluster against an oracle for each node.
@Suite struct PropertyClusterVerdictTests {
    private let settings = WorldSettings(environment: ProcessInfo.processInfo.environment)

    @Test func addressesAgreeWithTheOraclesOfAllNodes() throws {
        for seed in settings.seeds.prefix(100) {
            var generator = WorldGenerator(seed: seed)
            let world = generator.world
            var cluster = ClusterVerdict(objects: world.objects)
            let oracles = Self.oracles(world)
            for flow in generator.flows(200) {
                let answer = try cluster.answer(
                    FlowQuestion(
                        from: .address(flow.source), to: .address(flow.destination), ipProtocol: flow.ipProtocol,
                        port: flow.destinationPort))
                let verdicts = oracles.map { $0.verdict(flow) }
                let egress = verdicts.compactMap(\.egress).first
                let ingress = verdicts.compactMap(\.ingress).first
                let allowed = egress != false && ingress != false
                #expect(answer.verdict == (allowed ? .allow : .deny), "\(world.report(of: flow))")
                #expect(answer.egress.verdict == (egress == false ? .deny : .allow), "\(world.report(of: flow))")
                #expect(answer.ingress.verdict == (ingress == false ? .deny : .allow), "\(world.report(of: flow))")
                if !answer.isSelf {
                    #expect(answer.egress.decided == (egress != nil), "\(world.report(of: flow))")
                    #expect(answer.ingress.decided == (ingress != nil), "\(world.report(of: flow))")
                }
                #expect(answer.flow == flow && answer.note == nil)
            }
        }
    }

    @Test func podsAreTheirAddresses() throws {
        var answers = 0
        for seed in settings.seeds.prefix(60) {
            let world = WorldGenerator(seed: seed).world
            var cluster = ClusterVerdict(objects: world.objects)
            let oracles = Self.oracles(world)
            for (from, to) in zip(world.pods, world.pods.dropFirst()) {
                guard
                    let answer = try? cluster.answer(
                        FlowQuestion(from: from.end, to: to.end, ipProtocol: .tcp, port: 80))
                else { continue }
                answers += 1
                let denied = oracles.contains { $0.verdict(answer.flow).verdict == .deny }
                #expect(answer.verdict == (denied ? .deny : .allow), "\(world.report(of: answer.flow))")
                #expect(from.hostNetwork || from.podIPs.contains(answer.flow.source))
                #expect(to.hostNetwork || to.podIPs.contains(answer.flow.destination))
            }
        }
        #expect(answers > 200)
    }

    private static func oracles(_ world: World) -> [Oracle] {
        Set(world.pods.map(\.nodeName)).map { Oracle(objects: world.objects, nodeName: $0) }
    }
}

extension Pod {
    fileprivate var end: FlowEnd { .pod(namespace: metadata.namespace, name: metadata.name) }
}

/// Literal questions.
@Suite struct PropertyClusterVerdictRowTests {
    private static func pod(
        _ name: String, _ node: String, _ podIPs: [String], phase: PodPhase = .running, createdAt: Int64 = 0
    ) throws -> Pod {
        Pod(
            metadata: ObjectMeta(name: name, namespace: "shop", labels: ["app": name], createdAt: createdAt),
            nodeName: node, phase: phase, podIPs: try podIPs.map { try IPAddress($0) })
    }

    /// web on n1 (both families), db on n2 (both), old on n2 (IPv4), host on n1; db takes IPv4 from web alone.
    private static func cluster() throws -> ClusterVerdict {
        var host = try pod("host", "n1", [])
        host.hostNetwork = true
        let web = NetworkPolicyPeer.ipBlock(cidr: try CIDR("10.0.1.1/32"), except: [])
        let policy = NetworkPolicy(
            metadata: ObjectMeta(name: "db", namespace: "shop"), podSelector: LabelSelector(matchLabels: ["app": "db"]),
            policyTypes: [.ingress], ingress: [NetworkPolicyRule(peers: [web])])
        return ClusterVerdict(objects: [
            .node(Node(metadata: ObjectMeta(name: "n1"), addresses: [try IPAddress("192.168.0.1")])),
            .pod(try pod("web", "n1", ["10.0.1.1", "fd00::11"])), .pod(try pod("db", "n2", ["fd00::21", "10.0.2.1"])),
            .pod(try pod("old", "n2", ["10.0.2.2"])), .pod(try pod("waiting", "", [], phase: .pending)),
            .pod(try pod("done", "n2", ["10.0.2.3"], phase: .succeeded)), .pod(host),
            .pod(try pod("robbed", "n2", ["10.0.2.9"])), .pod(try pod("robber", "n1", ["10.0.2.9"], createdAt: 9)),
            .networkPolicy(policy),
        ])
    }

    private func ask(
        _ from: String, _ to: String, _ ipProtocol: IPProtocol = .tcp, _ port: UInt16? = 80
    ) throws -> ClusterDecision {
        func end(_ text: String) -> FlowEnd {
            if let address = try? IPAddress(text) { return .address(address) }
            return .pod(namespace: "shop", name: text)
        }
        var cluster = try Self.cluster()
        return try cluster.answer(
            FlowQuestion(from: end(from), to: end(to), ipProtocol: ipProtocol, port: port))
    }

    @Test func eachEndIsDecidedOnItsNode() throws {
        let answer = try ask("web", "db")
        #expect(answer.verdict == .allow && "\(answer.flow.source)" == "10.0.1.1")
        #expect(answer.egress.decided && answer.egress.kind == .noPolicy)
        #expect(answer.ingress.kind == .rule && answer.ingress.ruleIndex == 0)
        #expect(answer.ingress.policy?.description == "shop/db")
        #expect(answer.note?.contains("fd00::11") == true)
    }

    @Test func deniesNameThePolicy() throws {
        let answer = try ask("old", "db")
        #expect(answer.verdict == .deny && answer.ingress.kind == .isolation)
        #expect(answer.ingress.policy?.description == "shop/db" && answer.note == nil)
        #expect(try ask("8.8.8.8", "10.0.2.1").verdict == .deny)
        #expect(try ask("8.8.8.8", "10.0.2.1").egress.kind == .noPod)
    }

    @Test func hostNetworkPodsAreTheirNode() throws {
        let answer = try ask("host", "db")
        #expect("\(answer.flow.source)" == "192.168.0.1" && answer.verdict == .deny)
        #expect(answer.egress.kind == .hostNetwork && !answer.egress.decided)
        #expect(try ask("host", "web").verdict == .allow)
    }

    /// Each object may name only one family.
    @Test func hostNetworkPodsHaveEveryAddressOfTheirNode() throws {
        var host = try Self.pod("host", "n1", [])
        (host.hostNetwork, host.hostIPs) = (true, [try IPAddress("192.168.0.1")])
        let addresses = try ["192.168.0.1", "fd00:1::1"].map { try IPAddress($0) }
        var cluster = ClusterVerdict(objects: [
            .node(Node(metadata: ObjectMeta(name: "n1"), addresses: addresses)), .pod(host),
            .pod(try Self.pod("six", "n2", ["fd00::6"])),
        ])
        let answer = try cluster.answer(
            FlowQuestion(
                from: .pod(namespace: "shop", name: "host"), to: .pod(namespace: "shop", name: "six"), ipProtocol: .tcp,
                port: 80))
        #expect(answer.verdict == .allow && answer.flow.source == addresses[1])
    }

    @Test func aPodToItself() throws {
        let answer = try ask("db", "10.0.2.1")
        #expect(answer.isSelf && answer.verdict == .allow && answer.ingress.kind == .samePod)
    }

    @Test func protocolsWithoutPorts() throws {
        #expect(try ask("web", "db", .icmp, nil).verdict == .allow)
        #expect(throws: VerdictQuestionError.portMissing(.sctp)) { try ask("web", "db", .sctp, nil) }
        #expect(throws: VerdictQuestionError.portNotAllowed(.icmp)) { try ask("web", "db", .icmp, 8) }
    }

    @Test func questionsWithoutAnswer() throws {
        func name(_ pod: String) -> EndpointName { EndpointName(namespace: "shop", name: pod) }
        #expect(throws: VerdictQuestionError.podNotFound(name("nobody"))) { try ask("web", "nobody") }
        #expect(throws: VerdictQuestionError.podWithoutAddress(name("waiting"), phase: .pending)) {
            try ask("waiting", "db")
        }
        #expect(throws: VerdictQuestionError.podWithoutAddress(name("done"), phase: .succeeded)) {
            try ask("web", "done")
        }
        #expect(
            throws: VerdictQuestionError.addressTaken(name("robbed"), try IPAddress("10.0.2.9"), by: name("robber"))
        ) { try ask("web", "robbed") }
        #expect(
            throws: VerdictQuestionError.noCommonFamily(
                from: .pod(namespace: "shop", name: "old"), to: .address(try IPAddress("fd00::21")))
        ) { try ask("old", "fd00::21") }
    }
}
