// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import NetworkTypes
import PolicyModel
import Reachability
import Testing
import WorldKit

/// Literal questions and answers.
@Suite struct ReachabilityRowTests {
    /// Three pods of `web`, of which one is labeled apart; `redis` takes port 6379 from the labeled ones and 443 from
    /// 203.0.113.0/24; a host-network pod; two nodes.
    private static func map(_ more: [KubernetesObject] = []) throws -> ReachabilityMap {
        let objects: [KubernetesObject] = [
            .node(Node("n1", ["192.168.0.1"])), .node(Node("n2", ["192.168.0.2"])),
            .pod(Pod("web-1", ["app": "web"], ["10.0.0.1", "fd00::1"])),
            .pod(Pod("web-2", ["app": "web"], ["10.0.0.2", "fd00::2"], node: "n2")),
            .pod(Pod("web-3", [:], ["10.0.0.3"], node: "n2")),
            .pod(Pod("redis", ["app": "redis"], ["10.0.0.9", "fd00::9"], node: "n2")),
            .pod(Pod("agent", ["app": "agent"], ["192.168.0.1"], hostNetwork: true)),
            .networkPolicy(
                NetworkPolicy(
                    "redis", selects: ["app": "redis"], [.ingress],
                    ingress: [
                        rule([pods(["app": "web"])], [port(6379)]),
                        rule([block("203.0.113.0/24")], [port(443)]),
                    ])),
        ]
        var workloads: [EndpointName: WorkloadKey] = [:]
        for number in 1...3 {
            workloads[EndpointName(namespace: "shop", name: "web-\(number)")] = WorkloadKey(
                namespace: "shop", kind: "Deployment", name: "web")
        }
        return try ReachabilityMap(objects: objects + more, workloads: workloads)
    }

    private func texts(_ rows: [ReachRow]) -> [String] {
        rows.map { row in
            let count = row.fromPods.map { " \($0.pods)/\($0.total)" } ?? ""
            let ports = row.open.map { "\($0.ports)" }.joined(separator: ",")
            return "\(row.from.text)\(count)\(row.isOwnNode ? " own" : "") \(row.families.count) \(ports)"
        }
    }

    @Test func podsOfAWorkloadAreOneRowUnlessTheyDiffer() throws {
        var map = try Self.map()
        let rows = try map.reach(to: .named(namespace: "shop", name: "redis"))
        #expect(
            texts(rows) == [
                "shop/web 2/3 2 6379/TCP",
                "node own 1 every TCP port,every UDP port,every SCTP port,other protocols",
                "outside 1 443/TCP",
            ])
        #expect(rows.last?.prefixes == [cidr("203.0.113.0/24")])
        let denied = try map.reach(to: .named(namespace: "shop", name: "redis"), withDenied: true)
        #expect(texts(denied).contains("shop/web 1/3 1 ") && texts(denied).contains("node 1 "))
    }

    @Test func theDecidingRulesAreNamed() throws {
        var map = try Self.map()
        let row = try #require(
            try map.reach(
                from: .named(namespace: "shop", name: "web"), to: .named(namespace: "shop", name: "redis"),
                ports: PortSpan.read("6379")
            ).first)
        #expect(row.access.count == 1 && row.access[0].egress?.isUnselected == true)
        #expect(
            row.access[0].ingress?.rule
                == .rule(
                    PolicyReference(kind: "NetworkPolicy", namespace: "shop", name: "redis"), .ingress, index: 0,
                    name: nil))
    }

    @Test func aWrongClaimHasACounterexample() throws {
        var map = try Self.map()
        let redis = ReachEnd.named(namespace: "shop", name: "redis")
        #expect(try map.prove(ReachClaim(.deny, from: .outside, to: redis, ports: PortSpan.read("80,6379"))) == .proven)
        let proof = try map.prove(ReachClaim(.deny, from: .outside, to: redis))
        guard case .counterexample(let flow) = proof else {
            Issue.record("\(proof)")
            return
        }
        #expect(
            flow.flow
                == NetworkTypes.Flow(
                    source: address("203.0.113.1"), destination: address("10.0.0.9"), ipProtocol: .tcp,
                    destinationPort: 443))
        #expect(flow.to == EndpointName(namespace: "shop", name: "redis") && flow.from == nil)
        // Both ends are the same pod, and nothing else.
        #expect(try map.prove(ReachClaim(.deny, from: redis, to: redis)) == .empty)
        // The own node reaches it, which no policy denies; the other node does not.
        #expect(try map.prove(ReachClaim(.deny, from: .nodes, to: redis)) == .proven)
        // A host-network pod has its node's address.
        let agent = ReachEnd.named(namespace: "shop", name: "agent")
        #expect(try map.prove(ReachClaim(.deny, from: agent, to: redis)) == .proven)
        let web = ReachEnd.named(namespace: "shop", name: "web-3")
        #expect(try map.prove(ReachClaim(.deny, from: agent, to: web)) != .proven)
    }

    @Test func anEndThatIsNobodyIsAnError() throws {
        var map = try Self.map()
        let nobody = ReachEnd.named(namespace: "shop", name: "nobody")
        #expect(throws: ReachabilityError.noSuchEnd(nobody)) { try map.reach(to: nobody) }
        var waiting = try Self.map([.pod(Pod("waiting", [:], [], phase: .pending))])
        #expect(throws: ReachabilityError.withoutAddress(EndpointName(namespace: "shop", name: "waiting"))) {
            try waiting.reach(from: .named(namespace: "shop", name: "waiting"))
        }
    }

    @Test func requestsThatDiffer() throws {
        func map(_ path: String, _ method: String) throws -> ReachabilityMap {
            let rules = [
                allOf(to: [operation(paths: [path])]), allOf(to: [operation(methods: [method])]),
            ]
            return try Self.map([
                .authorizationPolicy(AuthorizationPolicy("api", .allow, selects: ["app": "web"], rules))
            ])
        }
        var (old, same, other) = (try map("/a*", "GET"), try map("/a*", "GET"), try map("/a*", "PUT"))
        #expect(try ReachabilityDifference(&old, &same).isEqual)
        let changes = try ReachabilityDifference(&old, &other).changes
        #expect(!changes.isEmpty)
        #expect(changes.allSatisfy { $0.old == .dependsOnRequest && $0.new == .dependsOnRequest && !$0.mayBeEqual })
    }

    @Test func podsOfOneClusterAlone() throws {
        var (old, new) = (try Self.map(), try Self.map([.pod(Pod("more", [:], ["10.0.0.20"]))]))
        let difference = try ReachabilityDifference(&old, &new)
        #expect(difference.changes.isEmpty && difference.onlyOld.isEmpty && !difference.isEqual)
        #expect(difference.onlyNew == [UnmatchedPod(EndpointName(namespace: "shop", name: "more"))])
    }

    /// A pod that has a family in only one of two clusters is not the same in both.
    @Test func aFamilyOfOneClusterAlone() throws {
        func map(_ addresses: [String]) throws -> ReachabilityMap {
            try Self.map([.pod(Pod("more", [:], addresses))])
        }
        let more = EndpointName(namespace: "shop", name: "more")
        var (old, new) = (try map(["10.0.0.20"]), try map(["10.0.0.20", "fd00::20"]))
        let gained = try ReachabilityDifference(&old, &new)
        #expect(gained.changes.isEmpty && gained.onlyOld.isEmpty && gained.onlyNew == [UnmatchedPod(more, .ipv6)])
        #expect(!gained.isEqual && gained.onlyNew.map(\.description) == ["shop/more (IPv6)"])
        let lost = try ReachabilityDifference(&new, &old)
        #expect(lost.onlyOld == [UnmatchedPod(more, .ipv6)] && lost.onlyNew.isEmpty)
    }

    /// Each object may name only one family of a host-network pod's addresses.
    @Test func aHostNetworkPodHasEveryAddressOfItsNode() throws {
        var pod = Pod("proxy", [:], ["192.168.0.3"], node: "n3", hostNetwork: true)
        pod.hostIPs = [address("192.168.0.3")]
        var map = try Self.map([.node(Node("n3", ["192.168.0.3", "fd00:1::3"])), .pod(pod)])
        let rows = try map.reach(
            from: .named(namespace: "shop", name: "proxy"), to: .named(namespace: "shop", name: "web-1"))
        #expect(rows.first?.families == [.ipv4, .ipv6])
    }
}

extension ReachParty {
    var text: String {
        switch self {
        case .workload(let key): "\(key)"
        case .nodes: "node"
        case .outside: "outside"
        }
    }
}

/// Ends and ports as people write them.
@Suite struct ReachTextTests {
    @Test(arguments: [
        ("shop/redis", ReachEnd.named(namespace: "shop", name: "redis")),
        ("redis", .named(namespace: "default", name: "redis")), ("outside", .outside), ("node", .nodes),
        ("anywhere", .anywhere), ("10.0.0.1", .network(cidr("10.0.0.1/32"))), ("fd00::/8", .network(cidr("fd00::/8"))),
        ("shop/*", .pods(namespace: "shop", LabelSelector())), ("*/*", .pods(namespace: nil, LabelSelector())),
        ("*/app=web", .pods(namespace: nil, LabelSelector("app", .in, "web"))),
        ("shop/app in (a,b)", .pods(namespace: "shop", LabelSelector("app", .in, "a", "b"))),
        ("shop/!app", .pods(namespace: "shop", LabelSelector("app", .doesNotExist))),
        ("shop/app!=a", .pods(namespace: "shop", LabelSelector("app", .notIn, "a"))),
        ("shop/app.kubernetes.io/name=a", .pods(namespace: "shop", LabelSelector("app.kubernetes.io/name", .in, "a"))),
    ])
    func ends(_ text: String, _ end: ReachEnd) throws {
        #expect(try ReachEnd(text) == end)
    }

    @Test(arguments: ["", "/redis", "shop/", "shop/a/b", "shop/a=(", "shop/a in b", "*/redis"])
    func wrongEnds(_ text: String) {
        #expect(throws: ReachTextError.self) { try ReachEnd(text) }
    }

    @Test func portsAfterAnEnd() throws {
        let redis = try ReachEnd.withPorts("shop/redis:6379,53/udp")
        #expect(redis.end == .named(namespace: "shop", name: "redis"))
        #expect(redis.ports.map(\.description) == ["6379/TCP", "53/UDP"])
        let metadata = try ReachEnd.withPorts("[fd00:ec2::254]:80")
        #expect(metadata.end == .network(cidr("fd00:ec2::254/128")) && metadata.ports.map(\.description) == ["80/TCP"])
        #expect(try ReachEnd.withPorts("fd00:ec2::254").end == .network(cidr("fd00:ec2::254/128")))
        #expect(try ReachEnd.withPorts("169.254.169.254:80").end == .network(cidr("169.254.169.254/32")))
        #expect(try PortSpan.read("1-10,5-20,other,tcp").map(\.description) == ["every TCP port", "other protocols"])
        for text in ["", "80/", "80/icmp", "9-1", "65536", "+80", "http", "80/tcp/x", "1-2-3"] {
            #expect(throws: ReachTextError.self, "\(text)") { try PortSpan.read(text) }
        }
    }
}
