// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import KubernetesObjects
import NetworkTypes
import PolicyModel
import PolicyPipeline
import PolicyResolver
import Testing
import WorldKit

/// A pod to itself: by its own address always, through a Service as the Admin and Baseline tiers decide; and packets
/// to a group, which are judged for each endpoint that gets them.
@Suite struct HairpinTests {
    struct Row: Sendable, CustomTestStringConvertible {
        var says: String
        var policies: [ObjectEvent]
        var throughService: Bool
        var reason = ""
        var testDescription: String { says }
    }

    private static func tier(
        _ tier: TierPolicy.Tier, _ action: TierRule.Action, isInAudit: Bool = false
    ) -> ObjectEvent {
        WorldKit.tier(
            "\(tier)", tier, egress: [rule(action, .pods(everyPod()))], enforcement: isInAudit ? .audit : .enforce)
    }

    private static let isolate = policy("deny", [.ingress, .egress])
    private static let open = policy("open", [.egress], egress: [rule()])
    private static let rows: [Row] = [
        .init(says: "no policy", policies: [], throughService: true, reason: "no policy selects"),
        .init(
            says: "NetworkPolicy keeps no pod from itself", policies: [isolate], throughService: true,
            reason: "allowed: NetworkPolicy keeps no pod from itself"),
        .init(
            says: "Admin denies", policies: [tier(.admin, .deny)], throughService: false,
            reason: "denied by admin rule 1"),
        .init(
            says: "Admin denies what NetworkPolicy allows", policies: [tier(.admin, .deny), open],
            throughService: false),
        .init(says: "Admin accepts", policies: [tier(.admin, .accept), isolate], throughService: true),
        .init(says: "Admin passes to NetworkPolicy", policies: [tier(.admin, .pass), isolate], throughService: true),
        .init(says: "Baseline denies", policies: [tier(.baseline, .deny)], throughService: false),
        .init(
            says: "isolation is final before Baseline", policies: [tier(.baseline, .deny), isolate],
            throughService: true),
        .init(
            says: "Admin in audit", policies: [tier(.admin, .deny, isInAudit: true)], throughService: true,
            reason: "in audit: would be denied by admin rule 1"),
    ]

    @Test(arguments: rows) func throughAService(_ row: Row) {
        let pipeline = PolicyPipeline([pod("web", ["app": "web"], "10.0.0.1")] + row.policies)
        let flow = Flow(
            source: address("10.0.0.1"), destination: address("10.0.0.1"), ipProtocol: .tcp, destinationPort: 80)
        let own = pipeline.compiled.evaluate(flow)
        #expect(own.verdict == .allow && own.isSelf && pipeline.compiled.allows(flow))
        let service = pipeline.compiled.evaluate(flow, throughService: true)
        #expect((service.verdict == .allow) == row.throughService && !service.isSelf)
        #expect(pipeline.compiled.allows(flow, throughService: true) == row.throughService)
        guard !row.reason.isEmpty else { return }
        #expect(service.egress?.reason.contains(row.reason) == true, "\(service.egress?.reason ?? "")")
        #expect(own.egress?.reason.contains(row.reason) == true, "its own address tells what a Service would get")
    }

    @Test func betweenTwoPodsAServiceChangesNothing() {
        let pipeline = PolicyPipeline([
            pod("web", ["app": "web"], "10.0.0.1"), pod("api", ["app": "api"], "10.0.0.2"), Self.isolate,
        ])
        let flow = Flow(
            source: address("10.0.0.1"), destination: address("10.0.0.2"), ipProtocol: .tcp, destinationPort: 80)
        #expect(pipeline.compiled.evaluate(flow, throughService: true) == pipeline.compiled.evaluate(flow))
        #expect(!pipeline.compiled.allows(flow, throughService: true))
    }

    /// Rules that a controller pushes decide; its default does not.
    @Test func pushedRulesDecideAndTheirDefaultDoesNot() throws {
        let name = EndpointName(namespace: "", name: "vm")
        let flow = Flow(
            source: address("10.0.0.1"), destination: address("10.0.0.1"), ipProtocol: .tcp, destinationPort: 80)
        for (rules, isAllowed) in [([], true), ([PushedRule(action: .deny, ports: .any)], false)] {
            var pipeline = PolicyPipeline([])
            let ingress = PushedDirection(rules: rules, defaultVerdict: .deny)
            _ = try pipeline.apply(
                pushed: PushedPolicy(endpoints: [
                    PushedEndpoint(name: name, addresses: [address("10.0.0.1")], ingress: ingress)
                ]))
            #expect(pipeline.compiled.allows(flow, throughService: true) == isAllowed)
            #expect(pipeline.compiled.allows(flow))
        }
    }

    @Test(arguments: ["255.255.255.255", "10.0.0.255", "224.0.0.251", "10.0.0.77"])
    func aGroupIsJudgedForEachEndpoint(_ group: String) throws {
        let pipeline = PolicyPipeline([
            pod("web", ["app": "web"], "10.0.0.1"), pod("api", ["app": "api"], "10.0.0.2"),
            policy(
                "in", selects: ["app": "api"], [.ingress], ingress: [rule([pods(["app": "web"])], [port(5353, .udp)])]),
        ])
        let compiled = pipeline.compiled
        func ingress(of name: String, from source: String, _ port: UInt16) -> DirectionDecision? {
            let endpoint = compiled.endpoints.first { $0.value.name.name == name }?.key ?? .none
            let flow = Flow(
                source: address(source), destination: address(group), ipProtocol: .udp, destinationPort: port)
            return compiled.evaluate(flow, deliveredTo: endpoint)
        }
        #expect(ingress(of: "api", from: "10.0.0.1", 5353)?.verdict == .allow)
        #expect(ingress(of: "api", from: "10.0.0.1", 5354)?.verdict == .deny)
        #expect(ingress(of: "api", from: "10.0.0.3", 5353)?.verdict == .deny)
        #expect(ingress(of: "web", from: "10.0.0.3", 5353)?.verdict == .allow)
        #expect(ingress(of: "nobody", from: "10.0.0.3", 5353) == nil)
    }

    /// Egress is asked once, with the group as peer: addresses match it, pods do not.
    @Test func egressHasTheGroupAsPeer() {
        func allows(_ peer: NetworkPolicyPeer) -> Bool {
            PolicyPipeline([
                pod("web", ["app": "web"], "10.0.0.1"), policy("out", [.egress], egress: [rule([peer])]),
            ]).allows("10.0.0.1", "224.0.0.251", 5353, .udp)
        }
        #expect(allows(.ipBlock(cidr: cidr("224.0.0.0/4"), except: [])))
        #expect(!allows(.pods(namespaces: LabelSelector(), pods: nil)))
    }
}
