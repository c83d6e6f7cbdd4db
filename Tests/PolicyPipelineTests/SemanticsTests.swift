// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import KubernetesObjects
import NetworkTypes
import PolicyModel
import PolicyPipeline
import Testing
import WorldKit

/// The rows of the semantics of NetworkPolicy, each with its policy.
@Suite struct SemanticsTests {
    private static let web = pod("web", ["app": "web"], "10.0.0.1", "fd00::1")
    private static let api = pod("api", ["app": "api"], "10.0.0.2", "fd00::2")
    private static let far = pod("other/far", ["app": "web"], "10.0.1.1", node: "n2")
    private static let cluster = [web, api, far, node("n1", "192.168.0.1")]

    @Test func noPolicyAllows() {
        let pipeline = PolicyPipeline(Self.cluster)
        let decision = pipeline.decide("10.0.0.1", "10.0.0.2", 80)
        #expect(decision.verdict == .allow)
        #expect(decision.ingress?.reason == "allowed: no policy selects shop/api for ingress")
        #expect(decision.egress?.identity == .noPolicy(.egress))
    }

    @Test func defaultDenyIsolatesItsDirectionAlone() {
        let pipeline = PolicyPipeline(Self.cluster + [policy("deny", [.ingress])])
        let decision = pipeline.decide("10.0.1.1", "10.0.0.2", 80)
        #expect(decision.verdict == .deny)
        #expect(
            decision.ingress?.reason
                == "denied by default: shop/deny isolates this pod for ingress and no rule allows it")
        #expect(decision.egress == nil)
        #expect(pipeline.allows("10.0.0.1", "10.0.1.1", 80))
        #expect(!pipeline.allows("fd00::1", "fd00::2", 80))
        #expect(!pipeline.allows("10.0.0.1", "10.0.0.2", nil, .icmp))
    }

    @Test func reasonsNameTheNearestRule() {
        let pipeline = PolicyPipeline(
            Self.cluster + [
                policy("default-deny", [.ingress]),
                policy(
                    "allow-api", selects: ["app": "api"], [.ingress],
                    ingress: [rule([pods(["app": "web"])], [port(8080)])]),
            ])
        let allowed = pipeline.decide("10.0.0.1", "10.0.0.2", 8080)
        #expect(allowed.ingress?.reason == "allowed by shop/allow-api rule 1")
        let isolated =
            "denied by default: shop/allow-api and shop/default-deny isolate this pod for ingress and no rule allows it"
        let byPort = pipeline.decide("10.0.0.1", "10.0.0.2", 6379)
        #expect(
            byPort.ingress?.reason
                == "\(isolated); nearest rule: port 6379/TCP not in shop/allow-api rule 1 (8080/TCP)"
        )
        let byPeer = pipeline.decide("10.1.2.3", "10.0.0.2", 8080)
        #expect(
            byPeer.ingress?.reason
                == "\(isolated); nearest rule: peer 10.1.2.3 not in shop/allow-api rule 1 (pods app=web in namespace shop)"
        )
        #expect(!pipeline.allows("10.0.1.1", "10.0.0.2", 8080), "pods of another namespace are no peers")
        #expect(!pipeline.allows("10.0.0.1", "10.0.0.2", 8080, .udp))
        #expect(!pipeline.allows("10.0.0.1", "10.0.0.2", nil, .icmp), "a rule with ports never matches ICMP")
    }

    @Test func emptyPeersAndPortsMatchEverything() {
        let open = PolicyPipeline(Self.cluster + [policy("open", [.ingress], ingress: [rule()])])
        #expect(open.allows("8.8.8.8", "10.0.0.2", 1))
        #expect(open.allows("8.8.8.8", "10.0.0.2", nil, .icmp))
        let anyTCP = PolicyPipeline(
            Self.cluster + [policy("tcp", [.ingress], ingress: [rule([], [NetworkPolicyPort()])])])
        #expect(anyTCP.allows("8.8.8.8", "10.0.0.2", 0) && anyTCP.allows("8.8.8.8", "10.0.0.2", 65535))
        #expect(!anyTCP.allows("8.8.8.8", "10.0.0.2", 53, .udp))
    }

    @Test func portRangesIncludeBothEnds() {
        let range = NetworkPolicyPort(ipProtocol: .sctp, port: .range(PortRange(100, 200)))
        let pipeline = PolicyPipeline(Self.cluster + [policy("range", [.ingress], ingress: [rule([], [range])])])
        for (port, isAllowed) in [(99, false), (100, true), (150, true), (200, true), (201, false)] {
            #expect(pipeline.allows("8.8.8.8", "10.0.0.2", UInt16(port), .sctp) == isAllowed, "port \(port)")
        }
    }

    @Test func namedPortOnIngressIsTheSelectedPodsOwn() {
        let ports = [NamedPort(name: "http", number: 8080), NamedPort(name: "http", number: 9090)]
        let pipeline = PolicyPipeline([
            Self.web, pod("a", ["app": "a"], "10.0.0.3", ports: ports), pod("b", ["app": "b"], "10.0.0.4"),
            policy("named", [.ingress], ingress: [rule([], [port("http")])]),
        ])
        #expect(pipeline.allows("10.0.0.1", "10.0.0.3", 8080) && pipeline.allows("10.0.0.1", "10.0.0.3", 9090))
        #expect(!pipeline.allows("10.0.0.1", "10.0.0.3", 80))
        #expect(!pipeline.allows("10.0.0.1", "10.0.0.3", 8080, .udp))
        #expect(!pipeline.allows("10.0.0.1", "10.0.0.4", 8080), "no such name: the rule does not match")
    }

    @Test func namedPortOnEgressIsEachPeersOwn() {
        let events = [
            Self.web, pod("a", ["app": "a"], "10.0.0.3", node: "n2", ports: [NamedPort(name: "db", number: 5432)]),
            pod("b", ["app": "a"], "10.0.0.4", node: "n2", ports: [NamedPort(name: "db", number: 5433)]),
            pod("other/c", ["app": "a"], "10.0.0.5", node: "n2", ports: [NamedPort(name: "db", number: 5432)]),
        ]
        let block = NetworkPolicyPeer.ipBlock(cidr: cidr("10.0.0.0/8"), except: [])
        let chosen = PolicyPipeline(
            events + [policy("db", [.egress], egress: [rule([pods(["app": "a"]), block], [port("db")])])])
        let rows: [(String, UInt16, Bool)] = [
            ("10.0.0.3", 5432, true), ("10.0.0.3", 5433, false), ("10.0.0.4", 5433, true), ("10.0.0.4", 5432, false),
            ("10.0.0.5", 5432, true), ("10.0.0.5", 5433, false), ("10.9.9.9", 5432, false),
        ]
        for (peer, port, isAllowed) in rows {
            #expect(chosen.allows("10.0.0.1", peer, port) == isAllowed, "\(peer) \(port)")
        }
        let everyone = PolicyPipeline(events + [policy("db", [.egress], egress: [rule([], [port("db")])])])
        #expect(everyone.allows("10.0.0.1", "10.0.0.5", 5432))
        #expect(!everyone.allows("10.0.0.1", "10.9.9.9", 5432))
    }

    @Test func namespaceSelectorsAndImpliedNamespaces() {
        let named = NetworkPolicyPeer.pods(
            namespaces: LabelSelector(matchLabels: [Namespace.nameLabel: "other"]), pods: nil)
        let implied = PolicyPipeline(Self.cluster + [policy("p", [.ingress], ingress: [rule([named])])])
        #expect(implied.allows("10.0.1.1", "10.0.0.2", 80))
        #expect(!implied.allows("10.0.0.1", "10.0.0.2", 80))

        let both = NetworkPolicyPeer.pods(
            namespaces: LabelSelector(matchLabels: ["team": "x"]), pods: LabelSelector(matchLabels: ["app": "web"]))
        var pipeline = PolicyPipeline(Self.cluster + [policy("p", [.ingress], ingress: [rule([both])])])
        #expect(!pipeline.allows("10.0.1.1", "10.0.0.2", 80))
        _ = pipeline.apply([namespace("other", ["team": "x"])])
        #expect(pipeline.allows("10.0.1.1", "10.0.0.2", 80))
        _ = pipeline.apply([.removed(ObjectKey(kind: .namespace, namespace: "", name: "other"))])
        #expect(!pipeline.allows("10.0.1.1", "10.0.0.2", 80))
    }

    @Test func notInMatchesWhereTheKeyIsMissing() {
        let notIn = NetworkPolicyPeer.pods(
            namespaces: LabelSelector(),
            pods: LabelSelector(matchExpressions: [LabelRequirement(key: "app", operator: .notIn, values: ["web"])]))
        let pipeline = PolicyPipeline(
            Self.cluster + [
                pod("bare", [:], "10.0.0.9"), policy("p", [.ingress], ingress: [rule([notIn])]),
            ])
        #expect(pipeline.allows("10.0.0.9", "10.0.0.2", 80))
        #expect(!pipeline.allows("10.0.0.1", "10.0.0.2", 80))
    }

    @Test func blocksMatchPodsTooAndExceptIsNoDeny() {
        let block = NetworkPolicyPeer.ipBlock(cidr: cidr("10.0.0.0/8"), except: [cidr("10.0.1.0/24")])
        let pipeline = PolicyPipeline(Self.cluster + [policy("p", [.ingress], ingress: [rule([block])])])
        #expect(pipeline.allows("10.0.0.1", "10.0.0.2", 80))
        #expect(pipeline.allows("10.200.0.1", "10.0.0.2", 80))
        #expect(!pipeline.allows("10.0.1.1", "10.0.0.2", 80))
        #expect(!pipeline.allows("10.0.1.77", "10.0.0.2", 80))
        let other = NetworkPolicyPeer.pods(
            namespaces: LabelSelector(), pods: LabelSelector(matchLabels: ["app": "web"]))
        let second = PolicyPipeline(Self.cluster + [policy("p", [.ingress], ingress: [rule([block]), rule([other])])])
        #expect(second.allows("10.0.1.1", "10.0.0.2", 80))
        #expect(!second.allows("10.0.1.77", "10.0.0.2", 80))
    }

    @Test func selfAndOwnNodeAreAlwaysAllowed() {
        let pipeline = PolicyPipeline(Self.cluster + [policy("deny", [.ingress, .egress])])
        let own = pipeline.decide("10.0.0.2", "10.0.0.2", 80)
        #expect(own.isSelf && own.verdict == .allow)
        #expect(own.egress?.reason.hasPrefix("shop/api to its own address is always allowed") == true)
        let probe = pipeline.decide("192.168.0.1", "10.0.0.2", 80)
        #expect(probe.verdict == .allow)
        #expect(probe.ingress?.reason == "allowed: own node")
        #expect(pipeline.allows("10.0.0.2", "192.168.0.1", 53, .udp))
        #expect(!pipeline.allows("192.168.0.2", "10.0.0.2", 80))
    }

    @Test func finishedAndHostNetworkPodsAreNoPeers() {
        let pipeline = PolicyPipeline([
            Self.api, pod("done", ["app": "web"], "10.0.0.7", phase: .succeeded),
            pod("host", ["app": "web"], "192.168.0.9", hostNetwork: true),
            policy("p", [.ingress], ingress: [rule([pods(["app": "web"])])]),
        ])
        #expect(!pipeline.allows("10.0.0.7", "10.0.0.2", 80))
        #expect(!pipeline.allows("192.168.0.9", "10.0.0.2", 80))
        #expect(pipeline.localEndpoints.map(\.name.name) == ["api"])
    }

    @Test func theYoungerPodOwnsAnAddress() {
        let old = pod("old", ["app": "web"], "10.0.0.8", createdAt: 1)
        let new = pod("new", ["app": "other"], "10.0.0.8", createdAt: 2)
        let rules = policy("p", selects: ["app": "api"], [.ingress], ingress: [rule([pods(["app": "web"])])])
        for events in [[old, new], [new, old]] {
            var pipeline = PolicyPipeline([Self.api, rules] + events)
            #expect(!pipeline.allows("10.0.0.8", "10.0.0.2", 80))
            #expect(pipeline.pod(owning: address("10.0.0.8")) == EndpointName(namespace: "shop", name: "new"))
            _ = pipeline.apply([.removed(ObjectKey(kind: .pod, namespace: "shop", name: "new"))])
            #expect(pipeline.allows("10.0.0.8", "10.0.0.2", 80))
        }
    }

    @Test func aPodWithAnotherUIDIsAnotherEndpoint() {
        var pipeline = PolicyPipeline([pod("web", ["app": "web"], "10.0.0.1", uid: "one")])
        let first = pipeline.compiled.addresses.entry(of: address("10.0.0.1")).endpoint
        let delta = pipeline.apply([pod("web", ["app": "web"], "10.0.0.1", uid: "two")])
        #expect(delta.removedEndpoints == [first])
        #expect(pipeline.compiled.addresses.entry(of: address("10.0.0.1")).endpoint == delta.addedEndpoints.first)
        #expect(pipeline.apply([pod("web", ["app": "web"], "10.0.0.1", uid: "two")]).isEmpty)
    }
}
