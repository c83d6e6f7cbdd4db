// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import KubernetesObjects
import NetworkTypes
import PolicyModel
import PolicyPipeline
import PolicyResolver
import Testing
import WorldKit

/// The lines of the semantics on the Admin and Baseline tiers.
@Suite struct TierSemanticsTests {
    private static let cluster = [
        namespace("shop", ["team": "shop"]), namespace("other", ["team": "other"]),
        pod("web", ["app": "web"], "10.0.0.1", "fd00::1"), pod("api", ["app": "api"], "10.0.0.2", "fd00::2"),
        pod("other/far", ["app": "web"], "10.0.1.1", node: "n2"),
        node("n1", "192.168.0.1", labels: ["zone": "a"]),
        node("n2", "192.168.0.2", labels: ["zone": "b"]),
    ]
    private static let metadata = rule(.deny, network("169.254.169.254/32"), name: "no-metadata")
    private static let openEgress = policy("open", [.egress], egress: [rule()])

    @Test func adminDeniesWhatNetworkPolicyAllows() {
        let pipeline = PolicyPipeline(Self.cluster + [Self.openEgress, tier("guardrails", egress: [Self.metadata])])
        let decision = pipeline.decide("10.0.0.1", "169.254.169.254", 80)
        #expect(decision.verdict == .deny)
        #expect(decision.egress?.reason == "denied by guardrails rule 1 (no-metadata)")
        #expect(pipeline.allows("10.0.0.1", "169.254.169.253", 80))
        #expect(!pipeline.allows("10.0.0.1", "169.254.169.254", nil, .icmp), "no protocols: ICMP as well")
    }

    @Test func adminAllowsWhatNetworkPolicyDenies() {
        let monitoring = rule(.accept, .pods(everyPod(in: ["team": "other"])), name: "monitoring")
        let pipeline = PolicyPipeline(
            Self.cluster + [policy("deny", [.ingress]), tier("monitoring", ingress: [monitoring])])
        #expect(
            pipeline.decide("10.0.1.1", "10.0.0.2", 80).ingress?.reason == "allowed by monitoring rule 1 (monitoring)")
        #expect(!pipeline.allows("10.0.0.1", "10.0.0.2", 80))
    }

    @Test func passLeavesItsTierAlone() {
        let events =
            Self.cluster + [
                tier("a-pass", .admin, 1, egress: [rule(.pass, network("8.8.8.0/24"))]),
                tier("b-deny", .admin, 2, egress: [rule(.deny, network("8.0.0.0/8"))]),
                tier("base", .baseline, 1, egress: [rule(.deny, network("8.8.8.8/32"))]),
            ]
        let open = PolicyPipeline(events)
        #expect(open.decide("10.0.0.1", "8.8.8.8", 53).egress?.identity.name == "base rule 1")
        #expect(open.allows("10.0.0.1", "8.8.8.9", 53), "passed by Admin, not met by Baseline")
        #expect(open.decide("10.0.0.1", "8.1.1.1", 53).egress?.identity.name == "b-deny rule 1")
        let isolated = PolicyPipeline(events + [Self.openEgress])
        #expect(isolated.allows("10.0.0.1", "8.8.8.8", 53), "NetworkPolicy's word is final")
    }

    @Test func baselineHoldsWhereNoNetworkPolicyIsolates() {
        let base = tier("base", .baseline, ingress: [rule(.deny, .pods(everyPod()))])
        let pipeline = PolicyPipeline(
            Self.cluster + [
                base, policy("api", selects: ["app": "api"], [.ingress], ingress: [rule([pods(["app": "web"])])]),
            ])
        #expect(pipeline.allows("10.0.0.1", "10.0.0.2", 80))
        #expect(!pipeline.allows("10.0.1.1", "10.0.0.2", 80))
        #expect(pipeline.decide("10.0.0.2", "10.0.0.1", 80).ingress?.identity.name == "base rule 1")
    }

    @Test func lowerPriorityFirstThenName() {
        func pipeline(_ a: Int32, _ b: Int32) -> PolicyPipeline {
            PolicyPipeline(
                Self.cluster + [
                    tier("b", .admin, b, egress: [rule(.deny, network("8.0.0.0/8"))]),
                    tier("a", .admin, a, egress: [rule(.accept, network("8.0.0.0/8"))]),
                ])
        }
        #expect(pipeline(1, 2).allows("10.0.0.1", "8.8.8.8", 53))
        #expect(!pipeline(2, 1).allows("10.0.0.1", "8.8.8.8", 53))
        #expect(pipeline(5, 5).allows("10.0.0.1", "8.8.8.8", 53), "equal priority: by name")
        var changing = pipeline(1, 2)
        _ = changing.apply([tier("b", .admin, 0, egress: [rule(.deny, network("8.0.0.0/8"))])])
        #expect(!changing.allows("10.0.0.1", "8.8.8.8", 53), "priority changed live")
    }

    @Test func subjectsFollowLabels() {
        var pipeline = PolicyPipeline(
            Self.cluster + [
                tier(
                    "g", subject: everyPod(["app": "web"], in: ["team": "shop"]),
                    egress: [rule(.deny, network("0.0.0.0/0"))])
            ])
        #expect(!pipeline.allows("10.0.0.1", "8.8.8.8", 53))
        #expect(pipeline.allows("10.0.0.2", "8.8.8.8", 53))
        _ = pipeline.apply([namespace("shop", ["team": "none"])])
        #expect(pipeline.allows("10.0.0.1", "8.8.8.8", 53))
        _ = pipeline.apply([namespace("shop", ["team": "shop"])])
        #expect(!pipeline.allows("10.0.0.1", "8.8.8.8", 53))
        #expect(pipeline.compiled.endpoints.values.contains { $0.egress == .none }, "others have no program")
    }

    @Test func nodePeersFollowLabelsAndAddresses() {
        let zone = TierPeer.nodes(LabelSelector(matchLabels: ["zone": "b"]))
        var pipeline = PolicyPipeline(Self.cluster + [tier("g", egress: [rule(.deny, zone)])])
        #expect(!pipeline.allows("10.0.0.1", "192.168.0.2", 22))
        #expect(pipeline.allows("10.0.0.1", "192.168.0.1", 22))
        let moved = Node(metadata: ObjectMeta(name: "n2", labels: ["zone": "b"]), addresses: [address("192.168.0.3")])
        _ = pipeline.apply([.set(.node(moved))])
        #expect(pipeline.allows("10.0.0.1", "192.168.0.2", 22))
        #expect(!pipeline.allows("10.0.0.1", "192.168.0.3", 22))
        _ = pipeline.apply([.set(.node(Node(metadata: ObjectMeta(name: "n2"), addresses: moved.addresses)))])
        #expect(pipeline.allows("10.0.0.1", "192.168.0.3", 22))
    }

    @Test func namedPortsAreEachPodsOwnOfAnyProtocol() {
        let ports = [NamedPort(name: "dns", ipProtocol: .udp, number: 5353), NamedPort(name: "dns", number: 53)]
        let pipeline = PolicyPipeline(
            Self.cluster + [
                pod("dns1", ["app": "dns"], "10.0.0.3", ports: ports),
                pod(
                    "other/dns2", ["app": "dns"], "10.0.1.3", node: "n2",
                    ports: [NamedPort(name: "dns", number: 54)]),
                tier("g", egress: [rule(.deny, .pods(everyPod(["app": "dns"])), ports: [.named("dns")])]),
            ])
        #expect(!pipeline.allows("10.0.0.1", "10.0.0.3", 53))
        #expect(!pipeline.allows("10.0.0.1", "10.0.0.3", 5353, .udp))
        #expect(pipeline.allows("10.0.0.1", "10.0.0.3", 5353))
        #expect(!pipeline.allows("10.0.0.1", "10.0.1.3", 54))
        #expect(pipeline.allows("10.0.0.1", "10.0.1.3", 53))
    }

    @Test func ownNodeIsDecidedByTiersAlone() {
        let own = "192.168.0.1"
        let nodes = TierPeer.nodes(LabelSelector())
        var pipeline = PolicyPipeline(Self.cluster + [policy("deny", [.ingress, .egress])])
        #expect(pipeline.allows("10.0.0.1", own, 22), "NetworkPolicy does not decide about the own node")
        #expect(!pipeline.compiled.judgesOwnNode)
        _ = pipeline.apply([tier("base", .baseline, egress: [rule(.deny, nodes)])])
        #expect(!pipeline.allows("10.0.0.1", own, 22))
        #expect(pipeline.compiled.judgesOwnNode)
        #expect(pipeline.allows("10.0.0.1", own, 67, .udp), "DHCP is always let through")
        #expect(pipeline.allows(own, "10.0.0.1", 8080), "from the own node: always")
        _ = pipeline.apply(localAddresses: [cidr("10.0.0.254/32")])
        #expect(!pipeline.allows("10.0.0.1", "10.0.0.254", 22), "the node's interfaces are the node's addresses")
        #expect(pipeline.allows("10.0.0.1", "10.0.0.254", 67, .udp))
        #expect(pipeline.allows("10.0.0.254", "10.0.0.1", 22))
        _ = pipeline.apply([
            tier("base", .baseline, egress: [rule(.deny, .nodes(LabelSelector(matchLabels: ["a": "b"])))])
        ])
        #expect(pipeline.decide("10.0.0.1", "10.0.0.254", 22).egress?.reason == "allowed: own node")
        let delta = pipeline.apply([
            .removed(ObjectKey(kind: .clusterNetworkPolicy, namespace: "", name: "base"))
        ])
        #expect(delta.changesOwnNode && !pipeline.compiled.judgesOwnNode)
    }

    @Test func settingsDecideAboutTheOwnNode() {
        let settings = PolicySettings(enforcesNetworkPolicyOnOwnNode: true, nodeDNS: [address("169.254.20.10")])
        var pipeline = PolicyPipeline(nodeName: "n1", settings: settings)
        _ = pipeline.apply(Self.cluster + [policy("deny", [.egress])])
        #expect(!pipeline.allows("10.0.0.1", "192.168.0.1", 22))
        #expect(pipeline.compiled.judgesOwnNode)
        let dns = pipeline.decide("10.0.0.1", "169.254.20.10", 53, .udp)
        #expect(dns.egress?.reason == "allowed whatever the policies: node DNS")
        _ = pipeline.apply([tier("g", egress: [rule(.deny, network("169.254.0.0/16"))])])
        #expect(pipeline.allows("10.0.0.1", "169.254.20.10", 53, .udp))
        #expect(!pipeline.allows("10.0.0.1", "169.254.20.10", 80))
    }

    @Test func whatIsNotUnderstoodNeverOpens() {
        func events(_ action: TierRule.Action) -> [ObjectEvent] {
            var unknown = rule(action, network("8.8.8.8/32"))
            unknown.unknown = ["spec.egress[0].to[1]: unknown peer 'domainNames'"]
            return Self.cluster + [
                tier("g", egress: [unknown, rule(.accept, network("0.0.0.0/0"))]), policy("d", [.egress]),
            ]
        }
        #expect(PolicyPipeline(events(.accept)).allows("10.0.0.1", "9.9.9.9", 53), "the next rule")
        #expect(!PolicyPipeline(events(.deny)).allows("10.0.0.1", "9.9.9.9", 53))
        #expect(!PolicyPipeline(events(.pass)).allows("10.0.0.1", "8.8.8.8", 53))
    }

    @Test func auditTellsAndDoesNotDeny() {
        var pipeline = PolicyPipeline(
            Self.cluster + [
                policy(
                    "allow", selects: ["app": "web"], [.egress],
                    egress: [rule([.ipBlock(cidr: cidr("8.0.0.0/8"), except: [])])]),
                tier("g", egress: [rule(.deny, network("8.8.8.8/32"), name: "dns")], enforcement: .audit),
            ])
        let decision = pipeline.decide("10.0.0.1", "8.8.8.8", 53)
        #expect(decision.verdict == .allow)
        #expect(decision.egress?.identity.name == "shop/allow rule 1")
        #expect(decision.egress?.wouldDeny?.name == "g rule 1 (dns)")
        #expect(decision.egress?.reason == "allowed by shop/allow rule 1; in audit: would be denied by g rule 1 (dns)")
        #expect(pipeline.decide("10.0.0.1", "8.8.4.4", 53).egress?.wouldDeny == nil)
        let denied = pipeline.decide("10.0.0.1", "9.9.9.9", 53).egress
        #expect(denied?.verdict == .deny && denied?.wouldDeny == nil, "a denial is no would-be denial")
        let unselected = pipeline.decide("10.0.0.2", "8.8.8.8", 53).egress
        #expect(unselected?.verdict == .allow && unselected?.wouldDeny?.name == "g rule 1 (dns)")
        _ = pipeline.apply([tier("g", egress: [rule(.deny, network("8.8.8.8/32"), name: "dns")])])
        #expect(!pipeline.allows("10.0.0.1", "8.8.8.8", 53), "enforced now")
    }

    @Test func networkPolicyInAuditIsolatesNobody() {
        guard case .set(.networkPolicy(var deny)) = policy("deny", [.ingress]) else { return }
        deny.enforcement = .audit
        let pipeline = PolicyPipeline(Self.cluster + [.set(.networkPolicy(deny))])
        let decision = pipeline.decide("10.0.0.1", "10.0.0.2", 80).ingress
        #expect(decision?.verdict == .allow)
        #expect(
            decision?.wouldDeny
                == .isolation(.ingress, by: [PolicyReference(kind: "NetworkPolicy", namespace: "shop", name: "deny")]))
        let fromNode = pipeline.decide("192.168.0.1", "10.0.0.2", 80).ingress
        #expect(fromNode?.wouldDeny == nil)
    }
}
