// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import Datapath
import DatapathNFTables
import NetworkKit
import NetworkTypes
import PolicyModel
import Testing
import WorldKit

/// Real packets through the table; needs root.
/// One test at a time: what real packets prove depends on when they arrive, which a busy machine delays.
@Suite(.serialized) struct PacketTests {
    /// Ports on which each pod and the outside answer.
    static let ports = [
        NetServer.Port(.tcp, 80), NetServer.Port(.tcp, 443), NetServer.Port(.udp, 53), NetServer.Port(.sctp, 80),
    ]

    @Test func packetsAreJudgedAsTheTablesSay() throws {
        try NetWorld.with(pods: ["a", "b", "c"], remotePods: ["far"]) { world in
            let servers = try world.pods.map { pod in
                try pod.namespace.run { try NetServer(at: [pod.v4, pod.v6], Self.ports) }
            }
            defer { for server in servers { server.stop() } }
            try world.node.run {
                var compiler = PlanCompiler()
                var random = WorldRandom(seed: 20_26)
                var datapath = NFTablesDatapath()
                _ = try datapath.open()
                var policy = CompiledPolicy()
                for round in 0..<12 {
                    let plan = PolicyPlan.random(world.pods, &random)
                    let next = compiler.compile(plan)
                    if round == 0 {
                        _ = try datapath.resync(next)
                    } else {
                        _ = try datapath.program(CompiledDelta(from: policy, to: next), of: next)
                    }
                    policy = next
                    #expect(try datapath.resync(policy) == ProgramReport(), "round \(round)")
                    try Self.compare(policy, world, round)
                }
            }
        }
    }

    private static func compare(_ policy: CompiledPolicy, _ world: NetWorld, _ round: Int) throws {
        for source in world.pods {
            var probes: [NetProbe] = []
            for target in world.pods where target != source {
                for family in AddressFamily.allCases {
                    for port in Self.ports {
                        probes.append(NetProbe(port.ipProtocol, to: target.address(family), port: port.number))
                    }
                    probes.append(NetProbe(family == .ipv4 ? .icmp : .icmpv6, to: target.address(family)))
                }
            }
            let outcomes = try source.namespace.run { try NetProbe.runTogether(probes) }
            for (probe, outcome) in zip(probes, outcomes) {
                let flow = Flow(
                    source: source.address(probe.destination.family), destination: probe.destination,
                    ipProtocol: probe.ipProtocol, destinationPort: probe.port)
                #expect((outcome == .answered) == policy.allows(flow), "round \(round): \(flow): \(outcome)")
            }
        }
    }
}

extension PolicyPlan {
    /// Any policy for the first node's pods.
    static func random(_ pods: [NetPod], _ random: inout WorldRandom) -> PolicyPlan {
        var plan = PolicyPlan()
        for number in 0..<4 {
            var hosts: Set<IPAddress> = []
            for pod in pods where random.chance(percent: 40) { hosts.formUnion([pod.v4, pod.v6]) }
            plan.peers["pods \(number)"] = Peers(hosts: hosts)
        }
        plan.peers["block"] = Peers(blocks: [
            AddressBlock(cidr: cidr("10.244.0.0/24"), except: [CIDR(host: pods[1].v4)]),
            AddressBlock(cidr: cidr("fd00:10:244:1::/64")),
        ])
        let names = plan.peers.keys.sorted()
        let choices: [[ProtocolPorts]] = [
            [tcp(80)], [tcp(80), tcp(443)], [ProtocolPorts(.tcp, PortRange(1, 100)), udp(53)],
            [ProtocolPorts(.sctp, .all)], [udp(53)],
        ]
        func rules(_ direction: Direction, _ random: inout WorldRandom) -> Rules {
            var rules = Rules(direction: direction, isIsolated: random.chance(percent: 70))
            for tier in Tier.allCases where tier == .networkPolicy || random.chance(percent: 40) {
                if tier == .networkPolicy, !rules.isIsolated { continue }
                for _ in 0..<random.below(4) {
                    let actions: [RuleAction] = tier == .networkPolicy ? [.allow] : [.allow, .deny, .pass]
                    rules.rules.append(
                        Rule(
                            tier: tier, action: actions[random.below(actions.count)],
                            peers: random.chance(percent: 20)
                                ? nil
                                : (0..<random.below(3)).map { _ in
                                    names[random.below(names.count)]
                                },
                            ports: random.chance(percent: 30) ? nil : choices[random.below(choices.count)],
                            policy: "policy-\(random.below(3))"))
                }
            }
            return rules
        }
        for direction in Direction.allCases {
            for number in 0..<2 {
                plan.programs["\(direction) \(number) \(random.below(1 << 30))"] = rules(direction, &random)
            }
        }
        for pod in pods where pod.node == 0 {
            func program(_ direction: Direction, _ random: inout WorldRandom) -> String? {
                let names = plan.programs.filter { $0.value.direction == direction }.keys.sorted()
                return random.chance(percent: 20) ? nil : names[random.below(names.count)]
            }
            plan.endpoints[pod.name] = Endpoint(
                addresses: [pod.v4, pod.v6], ingress: program(.ingress, &random), egress: program(.egress, &random))
        }
        return plan
    }
}
