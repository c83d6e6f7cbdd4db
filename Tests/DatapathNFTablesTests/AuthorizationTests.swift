// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import Datapath
import DatapathNFTables
import NetworkKit
import NetworkTypes
import PolicyModel
import Testing
import WorldKit

/// Authorization as a second part after the tiers, and flows that are left to the proxy.
/// One test at a time: what real packets prove depends on when they arrive, which a busy machine delays.
@Suite(.serialized) struct AuthorizationTests {
    private static let marks = SteeringMarks(toProxy: 0x10, fromProxy: 0x20)

    /// Pure: the plan of the table decides random rules as their matrices do, by the rule that these name.
    @Test(arguments: 1..<120) func plansDecideAsTheirTables(seed: UInt64) {
        var random = WorldRandom(seed: seed)
        var compiler = PlanCompiler()
        let policy = compiler.compile(.authorized(&random))
        let tables = PolicyTables(policy, marks: Self.marks)
        let hosts = (0..<12).map { IPAddress(v4: address("10.0.0.0").v4 + UInt32($0)) }
        let peers = hosts + ["192.0.2.1", "10.1.2.3", "2001:db8::1", "2001:db9::1", "fd00::7"].map(address)
        for own in policy.endpoints.values.flatMap(\.addresses) {
            for peer in peers where peer.family == own.family && peer != own {
                for (number, port) in [(.tcp, 80), (.tcp, 81), (.udp, 80), (.icmp, nil)] as [(IPProtocol, UInt16?)] {
                    let flow = Flow(source: peer, destination: own, ipProtocol: number, destinationPort: port)
                    for mark in [0, Self.marks.toProxy, Self.marks.fromProxy, 0x40] {
                        Self.compare(flow, mark, policy, tables, seed)
                    }
                }
            }
        }
    }

    private static func compare(
        _ flow: Flow, _ mark: UInt32, _ policy: CompiledPolicy, _ tables: PolicyTables, _ seed: UInt64
    ) {
        let decision = policy.evaluate(flow)
        var walk = TableWalk(tables.contents, flow, mark: mark)
        let isAccepted = walk.isAccepted()
        let isExpected = policy.allows(flow, isSteered: mark & marks.mask != 0)
        guard isAccepted == isExpected else {
            Issue.record("seed \(seed) mark \(mark) \(flow): \(isAccepted), \(decision)")
            return
        }
        guard let ingress = decision.ingress, decision.egress == nil, ingress.wouldDeny == nil else { return }
        let counted = walk.counted.filter { $0.hasPrefix("rule/") }
            .compactMap { UInt32($0.split(separator: "/")[1]) }.filter { $0 != 0 }
        let expected = [ingress.rule.rawValue].filter { $0 != 0 }
        if counted != expected { Issue.record("seed \(seed) mark \(mark) \(flow): \(walk.counted), \(decision)") }
        let needsProxy = ingress.verdict == .dependsOnRequest && !isAccepted
        #expect(walk.counted.contains("packets-hand-over") == needsProxy)
    }

    /// Pure: without authorization and without marks no packet meets anything new.
    @Test func chainsWithoutAuthorizationStay() {
        var compiler = PlanCompiler()
        let policy = compiler.compile(.mixed)
        let plain = PolicyTables(policy).contents
        let marked = PolicyTables(policy, marks: Self.marks).contents
        #expect(plain.chains["forwarded"] == marked.chains["forwarded"])
        let differing = marked.chains.filter { plain.chains[$0.key] != $0.value }.keys.sorted()
        #expect(differing == ["foreign-sources", "from-pods", "source-addresses"])
    }
}

extension PolicyPlan {
    /// Random rules of the tiers and of authorization for one pod, peers by several terms among them.
    static func authorized(_ random: inout WorldRandom) -> PolicyPlan {
        var plan = PolicyPlan.mixed
        let peers = plan.peers.keys.sorted()
        func some() -> [String] { (0..<random.between(1, 2)).map { _ in random.pick(peers) } }
        func rule(_ tier: Tier, _ actions: [RuleAction]) -> Rule {
            var rule = Rule(tier: tier, action: random.pick(actions), policy: "\(tier)")
            switch random.below(4) {
            case 0: rule.peers = nil
            case 1: rule.peers = Array(Set(some()))
            default:
                rule.terms = (0..<random.between(1, 3)).map { _ in
                    Term(peers: Array(Set(some())), isExcluded: random.chance(percent: 40))
                }
            }
            rule.ports = random.chance(percent: 50) ? nil : [tcp(random.pick([80, 81]))]
            return rule
        }
        func rules() -> [Rule] {
            let tiers =
                (0..<random.below(2)).map { _ in rule(.admin, [.allow, .deny, .pass]) }
                + (0..<random.below(3)).map { _ in rule(.networkPolicy, [.allow]) }
            return tiers
                + (0..<random.between(1, 4)).map { _ in
                    var rule = rule(.authorization, [.allow, .deny])
                    rule.readsRequest = random.chance(percent: 40)
                    return rule
                }
        }
        var program = Rules(direction: .ingress, rules: rules(), isIsolated: random.chance(percent: 40))
        if random.chance(percent: 30) { program.audit = [rule(.authorization, [.deny])] }
        plan.programs["in"] = program
        plan.endpoints["web"] = Endpoint(addresses: [address("10.0.0.1"), address("fd00::1")], ingress: "in")
        return plan
    }
}
