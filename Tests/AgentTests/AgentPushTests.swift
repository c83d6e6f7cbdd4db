// SPDX-License-Identifier: Apache-2.0
import Agent
import ControlProtocol
import Glibc
import KubernetesObjects
import NetworkKit
import Testing

/// One test at a time: each waits for answers and timers, which a busy machine delays.
@Suite(.serialized) struct AgentPushTests {
    private func refusal(_ call: () async throws -> Void) async -> ErrorAnswer? {
        do {
            try await call()
            return nil
        } catch {
            return error as? ErrorAnswer
        }
    }

    @Test func pushedObjectsAreInForceAndCanBeTakenBack() async throws {
        let fixture = try AgentFixture()
        try await fixture.start("apiVersion: v1\nkind: Namespace\nmetadata: {name: other}")
        let objects = try AgentFixture.objects(AgentFixture.shop)
        let applied = try await fixture.agent.apply(objects)
        #expect(
            applied.applied == ["Namespace shop", "NetworkPolicy shop/redis", "Pod shop/redis", "Pod shop/web"])
        #expect(fixture.kernel.policy.endpoints.count == 2)
        let again = try await fixture.agent.apply(objects)
        #expect(again.applied.isEmpty && again.unchanged.count == 4)

        let answer = try await fixture.agent.verdict(AgentFixture.question("shop/web", "shop/redis", 80))
        #expect(answer.verdict == "deny")
        #expect(answer.ingress?.verdict == "deny")
        #expect(answer.ingress?.rule?.by?.map(\.description) == ["shop/redis"])
        _ = try await fixture.agent.delete([
            ObjectKey(kind: .networkPolicy, namespace: "shop", name: "redis")
        ])
        #expect(try await fixture.agent.verdict(AgentFixture.question("shop/web", "shop/redis", 80)).verdict == "allow")
    }

    @Test func aFileOwnsItsObjects() async throws {
        let fixture = try AgentFixture()
        try await fixture.start()
        let mine = "apiVersion: v1\nkind: Namespace\nmetadata: {name: mine}"
        let refused = await refusal {
            _ = try await fixture.agent.apply(AgentFixture.objects(mine + "\n---\n" + AgentFixture.policy))
        }
        #expect(refused?.error.code == .ownedByFile)
        #expect(refused?.error.problems.map(\.object) == ["NetworkPolicy shop/redis"])
        // All or nothing.
        #expect(await fixture.agent.status().pushed.objects == 0)
        let deletion = await refusal {
            _ = try await fixture.agent.delete([
                ObjectKey(kind: .networkPolicy, namespace: "shop", name: "redis")
            ])
        }
        #expect(deletion?.error.code == .ownedByFile)

        // A file that brings a pushed object takes it over.
        _ = try await fixture.agent.apply(AgentFixture.objects(mine))
        #expect(await fixture.agent.status().pushed.objects == 1)
        await fixture.agent.manifestsChanged(try AgentFixture.change(mine))
        #expect(await fixture.agent.status().pushed.objects == 0)
    }

    @Test func whatIsNotThereCannotBeDeleted() async throws {
        let fixture = try AgentFixture()
        try await fixture.start()
        _ = try await fixture.agent.apply(
            AgentFixture.objects("apiVersion: v1\nkind: Namespace\nmetadata: {name: mine}"))
        let refused = await refusal {
            _ = try await fixture.agent.delete([
                ObjectKey(kind: .namespace, namespace: "", name: "mine"),
                ObjectKey(kind: .namespace, namespace: "", name: "nobody"),
            ])
        }
        #expect(refused?.error.code == .notFound)
        #expect(await fixture.agent.status().pushed.objects == 1)
    }

    @Test func resolvedPolicyDrivesTheAgent() async throws {
        let fixture = try AgentFixture()
        try await fixture.start("apiVersion: v1\nkind: Namespace\nmetadata: {name: other}")
        let body = ResolvedBody(endpoints: [
            ResolvedEndpointBody(
                name: "vm1", addresses: ["10.9.0.1"],
                ingress: ResolvedDirectionBody(
                    rules: [
                        ResolvedRuleBody(
                            name: "no-guests", action: "deny", peers: [PeerBody(cidr: "10.0.0.0/24")]),
                        ResolvedRuleBody(
                            action: "allow", peers: [PeerBody(cidr: "10.0.0.0/8", except: ["10.3.0.0/16"])],
                            ports: [PortBody(protocol: "TCP", port: 80, endPort: 90)]),
                    ], default: "deny"))
        ])
        let set = try await fixture.agent.setResolved(body)
        #expect(set.endpoints == 1)
        let held = await fixture.agent.resolved()
        #expect(held == body)
        let flows: [(String, UInt16)] = [("10.1.0.1", 85), ("10.1.0.1", 91), ("10.0.0.1", 85), ("10.3.0.1", 85)]
        let verdicts = try await fixture.verdicts(of: flows, to: "10.9.0.1")
        #expect(verdicts == ["allow", "deny", "deny", "deny"])
        let unset = try await fixture.agent.setResolved(nil)
        #expect(unset.endpoints == 0)
        let after = try await fixture.verdicts(of: [("10.3.0.1", 85)], to: "10.9.0.1")
        // Neither end is known any more.
        #expect(after == ["undecided"])
    }

    @Test func wrongResolvedPolicyNamesEachField() async throws {
        let fixture = try AgentFixture()
        try await fixture.start()
        let body = ResolvedBody(endpoints: [
            ResolvedEndpointBody(
                name: "", addresses: ["10.9.0.300"],
                ingress: ResolvedDirectionBody(
                    rules: [
                        ResolvedRuleBody(
                            action: "permit", peers: [PeerBody(cidr: "10.0.0.0/8", except: ["11.0.0.0/16"])],
                            ports: [
                                PortBody(protocol: "ICMP"), PortBody(protocol: "TCP", port: 9, endPort: 8),
                                PortBody(protocol: "TCP", endPort: 8),
                            ])
                    ], default: "maybe"))
        ])
        let refused = await refusal { _ = try await fixture.agent.setResolved(body) }
        #expect(refused?.error.code == .invalidBody)
        #expect(
            Set(refused?.error.problems.map(\.field) ?? []) == [
                "endpoints[0].name", "endpoints[0].addresses[0]", "endpoints[0].ingress.default",
                "endpoints[0].ingress.rules[0].action", "endpoints[0].ingress.rules[0].peers[0].except[0]",
                "endpoints[0].ingress.rules[0].ports[0].protocol", "endpoints[0].ingress.rules[0].ports[1].endPort",
                "endpoints[0].ingress.rules[0].ports[2].endPort",
            ])
        #expect(await fixture.agent.resolved().endpoints.isEmpty)
    }

    @Test func pushesOutliveTheDaemon() async throws {
        let first = try AgentFixture()
        try await first.start("apiVersion: v1\nkind: Namespace\nmetadata: {name: other}")
        let objects = try AgentFixture.objects(AgentFixture.shop + "\n---\n" + Self.everything)
        _ = try await first.agent.apply(objects)
        let body = ResolvedBody(endpoints: [ResolvedEndpointBody(name: "vm", addresses: ["10.9.0.1"])])
        _ = try await first.agent.setResolved(body)
        let policy = first.kernel.policy

        let second = try AgentFixture(in: first.directory)
        let kept = try PushedFile(path: first.directory.path + "/pushed.json").read()
        #expect(kept.objects == objects.sorted { $0.key < $1.key })
        #expect(kept.resolved == body)
        try await second.agent.start(ManifestChange(), kept: kept)
        #expect(second.kernel.policy.endpoints.count == policy.endpoints.count)
        #expect(await second.agent.status().pushed == PushedStatus(objects: objects.count, resolvedEndpoints: 1))
    }

    /// Every field that is read.
    private static let everything = """
        apiVersion: v1
        kind: Node
        metadata: {name: node}
        status: {addresses: [{type: InternalIP, address: 192.0.2.1}, {type: ExternalIP, address: "2001:db8::1"}]}
        ---
        apiVersion: v1
        kind: Pod
        metadata:
          name: full
          namespace: shop
          uid: 5e0b1b5e-0000-4000-8000-000000000000
          labels: {app: full, "example.org/x": z}
          creationTimestamp: "2025-06-01T12:30:00Z"
        spec:
          nodeName: node
          hostNetwork: true
          containers: [{name: a, ports: [{name: dns, containerPort: 53, protocol: UDP}]}, {name: b}]
        status: {phase: Pending, podIPs: [{ip: 10.1.0.9}, {ip: "2001:db8:1::9"}], hostIPs: [{ip: 192.0.2.1}]}
        ---
        apiVersion: networking.k8s.io/v1
        kind: NetworkPolicy
        metadata: {name: full, namespace: shop}
        spec:
          podSelector:
            matchExpressions:
            - {key: app, operator: In, values: [full, web]}
            - {key: gone, operator: DoesNotExist}
          policyTypes: [Egress, Ingress]
          ingress:
          - from:
            - ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16, 10.2.0.0/16]}
            - namespaceSelector: {matchLabels: {a: b}}
              podSelector: {}
            ports:
            - {port: 80, endPort: 90}
            - {port: dns, protocol: UDP}
            - {protocol: SCTP}
          egress:
          - {}
          - to: [{namespaceSelector: {}}]
        ---
        apiVersion: networking.k8s.io/v1
        kind: NetworkPolicy
        metadata: {name: tried, namespace: shop, annotations: {bulkhead.dev/enforcement: audit}}
        ---
        apiVersion: policy.networking.k8s.io/v1alpha2
        kind: ClusterNetworkPolicy
        metadata: {name: guard, annotations: {bulkhead.dev/enforcement: audit}}
        spec:
          tier: Baseline
          priority: 7
          subject: {pods: {namespaceSelector: {matchLabels: {a: b}}, podSelector: {matchLabels: {c: d}}}}
          ingress:
          - {name: first, action: Pass, from: [{namespaces: {}}]}
          - {action: Accept, from: [{pods: {podSelector: {}}}], protocols: [{destinationNamedPort: dns}]}
          egress:
          - action: Deny
            to: [{networks: [169.254.169.254/32, "fd00::/8"]}, {nodes: {matchLabels: {x: "y"}}}]
            protocols:
            - tcp: {destinationPort: {number: 80}}
            - udp: {destinationPort: {range: {start: 5, end: 9}}}
        ---
        apiVersion: policy.networking.k8s.io/v1alpha1
        kind: AdminNetworkPolicy
        metadata: {name: guard}
        spec:
          priority: 0
          subject: {namespaces: {}}
          egress:
          - action: Allow
            to: [{networks: ["::/0"]}]
            ports: [{portNumber: {protocol: SCTP, port: 1}}, {portRange: {start: 1, end: 2}}]
        ---
        apiVersion: policy.networking.k8s.io/v1alpha1
        kind: BaselineAdminNetworkPolicy
        metadata: {name: default}
        spec:
          subject: {namespaces: {}}
          ingress: [{action: Deny, from: [{namespaces: {}}], ports: [{namedPort: web}]}]
        """

    @Test(arguments: [
        "", "{}", "garbage\0", #"{"version":2,"objects":[],"resolved":{"endpoints":[]}}"#, "{\"version\":1",
    ])
    func aBrokenKeptFileIsSetAside(text: String) async throws {
        let directory = try TemporaryDirectory()
        let path = directory.path + "/pushed.json"
        try write(text, to: path)
        #expect(throws: KeptFileError.self) { try PushedFile(path: path).read() }
        let fixture = try AgentFixture(in: directory)
        try await fixture.start(Self.other)
        let broken = try #require(Self.broken(in: directory).first)
        func told() async -> [String] {
            await fixture.agent.status().conditions.filter { $0.kind == .brokenFile }.map(\.message)
        }
        let messages = await told()
        #expect(messages.count == 1 && messages[0].contains(broken), "\(messages)")
        #expect(try contentsOf(broken) == Array(text.utf8))
        // What is pushed now is kept again.
        _ = try await fixture.agent.apply(try AgentFixture.objects(AgentFixture.policy))
        #expect(try PushedFile(path: path).read().objects.count == 1)
        unlink(broken)
        let isTold = await told().isEmpty == false
        #expect(!isTold)
        await fixture.agent.stop()
    }

    /// Manifests that own none of what is pushed.
    private static let other = "apiVersion: v1\nkind: Namespace\nmetadata: {name: other}"

    private static func broken(in directory: TemporaryDirectory) throws -> [String] {
        try NetProcess.run(["find", directory.path, "-name", "*.broken-*"]).split(separator: "\n").map(String.init)
    }

    private func contentsOf(_ path: String) throws -> [UInt8] { Array(try NetProcess.run(["cat", path]).utf8) }

    /// Neither read nor written through, whatever its origin.
    @Test func aSymbolicLinkIsNotFollowed() async throws {
        let directory = try TemporaryDirectory()
        let target = directory.path + "/target"
        try write("precious", to: target)
        for name in ["pushed.json", "pushed.json.new", "attachments.json", "attachments.json.new"] {
            try #require(symlink(target, "\(directory.path)/\(name)") == 0)
        }
        let fixture = try AgentFixture(in: directory)
        try await fixture.start(Self.other)
        let links = await fixture.agent.status().conditions.filter { $0.message.contains("symbolic link") }
        #expect(links.count == 2)
        _ = try await fixture.agent.apply(try AgentFixture.objects(AgentFixture.policy))
        #expect(try contentsOf(target) == Array("precious".utf8))
        #expect(try PushedFile(path: directory.path + "/pushed.json").read().objects.count == 1)
        await fixture.agent.stop()
    }

    @Test func aKeptFileThatSomebodyRemovesIsWrittenAgain() async throws {
        let fixture = try AgentFixture()
        let path = fixture.directory.path + "/pushed.json"
        try await fixture.start(Self.other)
        await fixture.agent.rulesetChanged()
        #expect(access(path, F_OK) != 0)
        _ = try await fixture.agent.apply(try AgentFixture.objects(AgentFixture.policy))
        try #require(unlink(path) == 0)
        await fixture.agent.rulesetChanged()
        #expect(try PushedFile(path: path).read().objects.count == 1)
        let repaired = await fixture.agent.status().datapath.repaired
        #expect(repaired == 1)
        await fixture.agent.stop()
    }

    @Test func aHugeKeptFileIsNotRead() async throws {
        let directory = try TemporaryDirectory()
        let path = directory.path + "/pushed.json"
        try write("{", to: path)
        try #require(truncate(path, 1 << 40) == 0)
        let error = #expect(throws: KeptFileError.self) { try PushedFile(path: path).read() }
        #expect(error?.reason.contains("above the limit") == true)
    }
}
