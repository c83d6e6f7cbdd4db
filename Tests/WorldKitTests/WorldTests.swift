// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import NetworkTypes
import PolicyModel
import PolicyOracle
import Testing
import WorldKit

struct WorldTests {
    @Test func oneSeedMakesOneWorld() {
        var first = WorldGenerator(seed: 7)
        var second = WorldGenerator(seed: 7)
        #expect(first.world == second.world)
        #expect(first.flows(100) == second.flows(100))
        #expect(first.change() == second.change())
        #expect(first.world != WorldGenerator(seed: 8).world)
    }

    @Test func numbersStayTheSameForEver() {
        // Of the published SplitMix64 with seed 1234567.
        var random = WorldRandom(seed: 1_234_567)
        #expect(random.next() == 6_457_827_717_110_365_317)
        #expect(random.next() == 3_203_168_211_198_807_973)
    }

    /// Neither all allow nor all deny, and every kind of rule decides often enough to be tried.
    @Test func worldsTryEverything() {
        var statistics = WorldStatistics()
        for seed in 1...200 {
            var generator = WorldGenerator(seed: UInt64(seed))
            let flows = generator.flows(200)
            let oracle = generator.world.oracle
            for flow in flows { statistics.count(oracle.verdict(flow)) }
        }
        print(statistics.description)
        let flows = statistics.allowed + statistics.denied
        #expect(statistics.allowed * 4 > flows && statistics.denied * 4 > flows)
        for peer in OraclePeerKind.allCases { #expect(statistics.decisions(through: peer) > flows / 200, "\(peer)") }
        for port in OraclePortKind.allCases { #expect(statistics.decisions(through: port) > flows / 200, "\(port)") }
        for cause in [OracleCause.failsafe, .unknownPart(.admin), .unknownPart(.baseline)] {
            #expect(statistics.causes[cause, default: 0] > 5, "\(cause)")
        }
        for cause in [OracleCause.itself, .ownNode, .noPolicy, .isolated] {
            #expect(statistics.causes[cause, default: 0] > flows / 200, "\(cause)")
        }
    }

    /// Tiers, Pass and audit decide in all the ways in which they can.
    @Test func worldsTryEveryTier() {
        var statistics = WorldStatistics()
        for seed in 1...600 {
            var generator = WorldGenerator(seed: UInt64(seed))
            let flows = generator.flows(200)
            let oracle = generator.world.oracle
            for flow in flows { statistics.count(oracle.verdict(flow)) }
        }
        print(statistics.description)
        func reached(_ what: String, _ isSo: (OracleAnswer) -> Bool) {
            #expect(statistics.directions(where: isSo) > 20, "\(what)")
        }
        for tier in [TierPolicy.Tier.admin, .baseline] {
            for allows in [true, false] {
                for kind in OracleTierPeerKind.allCases {
                    reached("\(tier) \(allows) \(kind)") {
                        if case .tierRule(tier, allows, kind, _) = $0.cause { true } else { false }
                    }
                }
                for kind in [OraclePortKind.everyPort, .number, .range, .named] {
                    reached("\(tier) \(allows) \(kind)") {
                        if case .tierRule(tier, allows, _, kind) = $0.cause { true } else { false }
                    }
                }
            }
        }
        reached("Pass, then a NetworkPolicy allows") {
            guard $0.passed == [.admin], case .rule = $0.cause else { return false }
            return true
        }
        reached("Pass, then isolated") { $0.passed == [.admin] && $0.cause == .isolated }
        reached("Pass, then Baseline") {
            guard $0.passed == [.admin], case .tierRule(.baseline, _, _, _) = $0.cause else { return false }
            return true
        }
        reached("Pass, Pass, allowed") { $0.passed == [.admin, .baseline] && $0.cause == .noPolicy }
        reached("Pass out of Baseline alone") { $0.passed == [.baseline] && $0.cause == .noPolicy }
        reached("would be isolated") { $0.wouldDeny == .isolated }
        for tier in [TierPolicy.Tier.admin, .baseline] {
            reached("\(tier) would deny") {
                if case .tierRule(tier, false, _, _) = $0.wouldDeny { true } else { false }
            }
        }
    }

    /// Each kind of change of a tier turns verdicts.
    @Test func changesOfTiersMatter() {
        var turned: [String: Int] = [:]
        for seed in 1...600 as ClosedRange<UInt64> {
            var generator = WorldGenerator(seed: seed)
            for _ in 0..<20 {
                let before = generator.world
                let events = generator.change()
                guard events.count == 1, let what = Self.kind(of: events[0], before) else { continue }
                let (old, new) = (before.oracle, generator.world.oracle)
                for flow in generator.flows(60) where old.verdict(flow).verdict != new.verdict(flow).verdict {
                    turned[what, default: 0] += 1
                }
            }
        }
        for what in ["priority", "audit", "NetworkPolicy audit", "added", "removed", "node labels"] {
            #expect(turned[what, default: 0] > 3, "\(what): \(turned)")
        }
    }

    private static func kind(of event: ObjectEvent, _ before: World) -> String? {
        switch event {
        case .removed(let key):
            return before.tierPolicies.contains { KubernetesObject.tierPolicy($0).key == key } ? "removed" : nil
        case .set(.tierPolicy(let new)):
            guard let old = before.tierPolicies.first(where: { $0.kind == new.kind && $0.metadata == new.metadata })
            else { return "added" }
            if old.priority != new.priority { return "priority" }
            return old.enforcement == new.enforcement ? nil : "audit"
        case .set(.networkPolicy(let new)):
            let old = before.policies.first { $0.metadata == new.metadata }
            return old.map { $0.enforcement != new.enforcement } == true ? "NetworkPolicy audit" : nil
        case .set(.node(let new)):
            let old = before.nodes.first { $0.metadata.name == new.metadata.name }
            guard let old, old.addresses == new.addresses else { return nil }
            return old.metadata.labels == new.metadata.labels ? nil : "node labels"
        default: return nil
        }
    }

    @Test func eventsLeadToTheWorld() {
        for seed in 1...50 as ClosedRange<UInt64> {
            var generator = WorldGenerator(seed: seed)
            var replayed = generator.world
            for _ in 0..<30 {
                for event in generator.change() { replayed.apply(event) }
            }
            #expect(replayed == generator.world)
            #expect(Set(replayed.objects.map(\.key)).count == replayed.objects.count)
        }
    }

    @Test func generatedBlocksAreValid() {
        for seed in 1...300 as ClosedRange<UInt64> {
            for policy in WorldGenerator(seed: seed).world.policies {
                for peer in (policy.ingress + policy.egress).flatMap(\.peers) {
                    guard case .ipBlock(let cidr, let except) = peer else { continue }
                    #expect(except.allSatisfy { cidr.contains($0) && $0.prefixLength > cidr.prefixLength })
                }
            }
        }
    }

    /// A made-up failure: egress denied by isolation, ingress allowed through an ipBlock. What is left must fail, and
    /// nothing that is left can go.
    @Test func shrinksUntilNothingCanGo() throws {
        func fails(_ world: World, _ flow: Flow) -> Bool {
            let verdict = world.oracle.verdict(flow)
            guard case .rule(peer: .ipBlock, port: _) = verdict.ingressCause else { return false }
            return verdict.egress == false
        }
        var shrunk = 0
        for seed in 1...60 as ClosedRange<UInt64> {
            var generator = WorldGenerator(seed: seed)
            let flows = generator.flows(300)
            guard let flow = flows.first(where: { fails(generator.world, $0) }) else { continue }
            let small = generator.world.shrunk(flow, fails: fails)
            #expect(fails(small, flow))
            #expect(!small.simplifications.contains { fails($0, flow) })
            // Two pods, one policy for either direction or one for both, no labels: none is needed.
            #expect(small.pods.count == 2 && small.nodes.isEmpty && small.namespaces.isEmpty)
            #expect((1...2).contains(small.policies.count))
            #expect(small.pods.allSatisfy { $0.metadata.labels.isEmpty && $0.podIPs.count == 1 })
            shrunk += 1
        }
        #expect(shrunk > 5)
    }

    @Test func settingsComeFromTheEnvironment() {
        let usual = WorldSettings(environment: [:])
        #expect(usual.worlds == 200 && usual.flows == 500 && usual.seeds.first == 1 && usual.coversAll)
        let few = WorldSettings(environment: ["BULKHEAD_WORLDS": "2", "BULKHEAD_FLOWS": "3", "BULKHEAD_SEED": "9"])
        #expect(few.flows == 3 && few.seeds == [9, 10] && !few.coversAll)
    }

    private static let written = World(
        seed: 1, nodeName: "n", nodes: [Node(metadata: ObjectMeta(name: "n"))],
        pods: [
            Pod(
                metadata: ObjectMeta(name: "p", namespace: "x", labels: ["a": ""], createdAt: 951_782_400),
                nodeName: "n", namedPorts: [NamedPort(name: "http", number: 80)],
                podIPs: [IPAddress(v4: 0x0A00_0001)])
        ],
        policies: [
            NetworkPolicy(
                metadata: ObjectMeta(name: "q", namespace: "x"), policyTypes: [.ingress],
                ingress: [
                    NetworkPolicyRule(
                        peers: [.pods(namespaces: LabelSelector(), pods: LabelSelector(matchLabels: ["k": "v"]))],
                        ports: [NetworkPolicyPort(port: .range(PortRange(1, 2)))])
                ])
        ])

    private static let manifests = """
        ---
        apiVersion: v1
        kind: Node
        metadata:
          name: "n"
        status:
          addresses: []
        ---
        apiVersion: v1
        kind: Pod
        metadata:
          name: "p"
          namespace: "x"
          creationTimestamp: "2000-02-29T00:00:00Z"
          labels:
            "a": ""
        spec:
          nodeName: "n"
          containers:
          - name: c0
            ports:
            - name: "http"
              protocol: TCP
              containerPort: 80
        status:
          phase: Running
          podIP: "10.0.0.1"
          podIPs:
          - ip: "10.0.0.1"
        ---
        apiVersion: networking.k8s.io/v1
        kind: NetworkPolicy
        metadata:
          name: "q"
          namespace: "x"
        spec:
          podSelector:
            {}
          policyTypes: ["Ingress"]
          ingress:
          - from:
            - namespaceSelector:
                {}
              podSelector:
                matchLabels:
                  "k": "v"
            ports:
            - protocol: TCP
              port: 1
              endPort: 2

        """

    @Test func printsManifests() {
        #expect(Self.written.yaml == Self.manifests)
    }
}
