// SPDX-License-Identifier: Apache-2.0
import ClusterInventory
import Documents
import KubernetesObjects
import LeastPrivilege
import NetworkTypes
import PolicyModel
import Testing
import WorldKit

/// Policies from flows, row by row.
@Suite struct SuggestionTests {
    private static let pods = [
        Pod("shop/web-1", ["app": "web", "pod-template-hash": "a"], ["10.0.0.1"]),
        Pod("shop/web-2", ["app": "web", "pod-template-hash": "b"], ["10.0.0.2"]),
        Pod("shop/redis", ["app": "redis", "tier": "db"], ["10.0.0.3"]),
        Pod("shop/sql", ["app": "sql", "tier": "db"], ["10.0.0.4"]),
        Pod("kube-system/dns", ["k8s-app": "kube-dns"], ["10.0.0.5"]),
        Pod("other/web", ["app": "web"], ["10.0.0.6"]),
    ]

    private func inventory(_ more: [KubernetesObject] = []) throws -> ClusterInventory {
        var input = InventoryInput(objects: Self.pods.map(KubernetesObject.pod) + more)
        for name in ["web-1", "web-2"] {
            input.owners[ObjectKey(kind: .pod, namespace: "shop", name: name)] = OwnerReference(
                kind: "StatefulSet", name: "web")
        }
        return try ClusterInventory(input)
    }

    private func end(_ text: String) -> SeenFlow.End {
        guard let pod = Self.pods.first(where: { "\($0.metadata.namespace)/\($0.metadata.name)" == text }) else {
            return SeenFlow.End(address(text))
        }
        return SeenFlow.End(
            pod.podIPs[0], pod: EndpointName(namespace: pod.metadata.namespace, name: pod.metadata.name))
    }

    private func seen(_ from: String, _ to: String, _ port: UInt16, _ ipProtocol: IPProtocol = .tcp) -> SeenFlow {
        SeenFlow(from: end(from), to: end(to), ipProtocol, port: port)
    }

    private var flows: Set<SeenFlow> {
        [
            seen("shop/web-1", "shop/redis", 6379), seen("shop/web-2", "kube-system/dns", 53, .udp),
            seen("shop/web-1", "192.0.2.1", 443), seen("shop/web-1", "192.0.2.9", 443),
            seen("198.51.100.7", "shop/web-2", 8080), seen("198.51.100.7", "shop/web-2", 8081),
            seen("other/web", "shop/web-1", 8080), seen("other/web", "shop/web-1", 8081),
        ]
    }

    private static let policyOfWeb = """
        apiVersion: networking.k8s.io/v1
        kind: NetworkPolicy
        metadata:
          name: seen-web
          namespace: shop
          annotations:
            bulkhead.dev/enforcement: audit
        spec:
          podSelector:
            matchLabels:
              app: web
          policyTypes:
          - Ingress
          - Egress
          ingress:
          - from:
            - namespaceSelector:
                matchLabels:
                  kubernetes.io/metadata.name: other
              podSelector:
                matchLabels:
                  app: web
            - ipBlock:
                cidr: "198.51.100.7/32"
            ports:
            - protocol: TCP
              port: 8080
              endPort: 8081
          egress:
          - to:
            - namespaceSelector:
                matchLabels:
                  kubernetes.io/metadata.name: kube-system
              podSelector:
                matchLabels:
                  k8s-app: kube-dns
            ports:
            - protocol: UDP
              port: 53
          - to:
            - podSelector:
                matchLabels:
                  app: redis
            ports:
            - protocol: TCP
              port: 6379
          - to:
            - ipBlock:
                cidr: "192.0.2.1/32"
            - ipBlock:
                cidr: "192.0.2.9/32"
            ports:
            - protocol: TCP
              port: 443

        """

    @Test func aWorkload() throws {
        let suggestion = try Suggestion(
            SuggestionRequest(namespace: "shop", workload: "web"), flows: flows, inventory: try inventory())
        try #require(suggestion.policies.count == 1)
        #expect(suggestion.policies[0].document.yaml == Self.policyOfWeb)
        #expect(suggestion.policies[0].flows == 8 && suggestion.effect.asked == 8)
        #expect(suggestion.effect.denied.isEmpty && suggestion.leftOut.isEmpty)
        let closed = try #require(suggestion.effect.closed.first)
        #expect([closed.sources.before, closed.sources.after] == [5, 1], "\(closed)")
        #expect([closed.destinations.before, closed.destinations.after] == [5, 2], "\(closed)")
        #expect(closed.sources.outsideBefore && closed.sources.outsideAfter)
    }

    @Test func aNamespaceAndOptions() throws {
        let suggestion = try Suggestion(
            SuggestionRequest(namespace: "shop", isEnforced: true, prefixV4: 24), flows: flows,
            inventory: try inventory())
        #expect(suggestion.policies.map(\.workload.name) == ["redis", "web"])
        #expect(suggestion.unseen.map(\.name) == ["sql"])
        let texts = suggestion.policies.map(\.document.yaml)
        #expect(texts[1].contains("192.0.2.0/24") && !texts[1].contains("192.0.2.9") && !texts[1].contains("audit"))
        #expect(suggestion.policies[0].notes == ["no flow from it was seen: all egress is denied"])
    }

    /// What a rule cannot be made of is left out and said.
    @Test func leftOutFlows() throws {
        let gone = EndpointName(namespace: "shop", name: "gone-x")
        let replaced = EndpointName(namespace: "shop", name: "web-7d9f8c6b5-x2x4v")
        let suggestion = try Suggestion(
            SuggestionRequest(namespace: "shop", workload: "web"),
            flows: [
                SeenFlow(from: end("shop/web-1"), to: end("shop/redis"), .icmp, port: nil),
                SeenFlow(from: .init(address("10.7.7.7"), pod: gone), to: end("shop/web-1"), .tcp, port: 80),
                SeenFlow(from: .init(address("10.7.7.8"), pod: replaced), to: end("shop/redis"), .tcp, port: 6379),
            ], inventory: try inventory())
        #expect(
            suggestion.leftOut.map(\.reason) == [
                "pod shop/gone-x is gone", "a NetworkPolicy cannot name ICMP: once enforced, the policies deny it",
            ])
        // A pod of an earlier version of the workload stands for it.
        #expect(suggestion.policies.map(\.flows) == [1])
    }

    /// Pods of a workload that are gone are not one pod, although one pod may stand for both.
    @Test(arguments: ["web", "sql"])
    func flowsWithinAWorkloadWhosePodsAreGone(name: String) throws {
        func gone(_ suffix: String, _ text: String) -> SeenFlow.End {
            .init(address(text), pod: EndpointName(namespace: "shop", name: "\(name)-7d9f8c6b5-\(suffix)"))
        }
        let alive = end(name == "web" ? "shop/web-1" : "shop/sql")
        var input = InventoryInput(objects: Self.pods.map(KubernetesObject.pod))
        for (pod, owner) in [("web-1", "web"), ("web-2", "web"), ("sql", "sql")] {
            input.owners[ObjectKey(kind: .pod, namespace: "shop", name: pod)] = OwnerReference(
                kind: "StatefulSet", name: owner)
        }
        let suggestion = try Suggestion(
            SuggestionRequest(namespace: "shop", workload: name),
            flows: [
                SeenFlow(from: gone("aaaaa", "10.7.7.7"), to: gone("bbbbb", "10.7.7.8"), .tcp, port: 7946),
                SeenFlow(from: gone("aaaaa", "10.7.7.7"), to: alive, .tcp, port: 7947),
                SeenFlow(from: alive, to: gone("bbbbb", "10.7.7.8"), .tcp, port: 7948),
                // Within one pod: no policy is asked.
                SeenFlow(from: gone("aaaaa", "10.7.7.7"), to: gone("aaaaa", "10.7.7.7"), .tcp, port: 9999),
                SeenFlow(from: alive, to: alive, .tcp, port: 9998),
            ], inventory: try ClusterInventory(input))
        try #require(suggestion.policies.count == 1)
        let text = suggestion.policies[0].document.yaml
        #expect(text.contains("port: 7946\n      endPort: 7948") && !text.contains("999"), "\(text)")
        #expect(suggestion.policies[0].flows == 3 && suggestion.effect.denied.isEmpty && suggestion.leftOut.isEmpty)
    }

    /// The verdicts of the families differ, and the pod that stands for one that is gone has both.
    @Test func theFamilyOfAPodThatIsGone() throws {
        let pods = [
            Pod("dual/web", ["app": "web"], ["10.0.2.1", "fd00::1"]),
            Pod("dual/redis", ["app": "redis"], ["10.0.2.2", "fd00::2"]),
        ]
        let onlyV4 = NetworkPolicy(
            metadata: ObjectMeta(name: "v4", namespace: "dual"),
            podSelector: LabelSelector(matchLabels: ["app": "redis"]), policyTypes: [.ingress],
            ingress: [NetworkPolicyRule(peers: [.ipBlock(cidr: try CIDR("10.0.0.0/8"), except: [])])])
        var input = InventoryInput(objects: pods.map(KubernetesObject.pod) + [.networkPolicy(onlyV4)])
        input.owners[ObjectKey(kind: .pod, namespace: "dual", name: "web")] = OwnerReference(
            kind: "StatefulSet", name: "web")
        let gone = EndpointName(namespace: "dual", name: "web-7d9f8c6b5-x2x4v")
        let inventory = try ClusterInventory(input)
        func denied(_ text: String, _ to: IPAddress) throws -> Int {
            try Suggestion(
                SuggestionRequest(namespace: "dual", workload: "web"),
                flows: [SeenFlow(from: .init(address(text), pod: gone), to: .init(to), .tcp, port: 80)],
                inventory: inventory
            ).effect.deniedAlready.count
        }
        #expect(try denied("10.0.2.99", pods[1].podIPs[0]) == 0)
        #expect(try denied("fd00::99", pods[1].podIPs[1]) == 1)
    }

    /// A label of one rollout does not select the pods of the next one.
    @Test(arguments: ["pod-template-hash", "rollouts-pod-template-hash", "batch.kubernetes.io/job-completion-index"])
    func labelsThatChangeAreNotSelected(key: String) throws {
        let pods = [
            Pod("jobs/one", ["a": "1", key: "x"], ["10.0.1.1"]), Pod("jobs/two", ["a": "1", key: "y"], ["10.0.1.2"]),
        ]
        let suggestion = try Suggestion(
            SuggestionRequest(namespace: "jobs", workload: "one"),
            flows: [SeenFlow(from: .init(address("192.0.2.1")), to: .init(pods[0].podIPs[0]), .tcp, port: 80)],
            inventory: try ClusterInventory(InventoryInput(objects: pods.map(KubernetesObject.pod))))
        try #require(suggestion.policies.count == 1)
        #expect(!suggestion.policies[0].document.yaml.contains(key))
    }

    /// Pods that no label tells apart are selected together, and the reader learns it.
    @Test func podsThatNoLabelTellsApart() throws {
        let twin = KubernetesObject.pod(Pod("shop/twin", ["app": "web"], ["10.0.0.9"]))
        let suggestion = try Suggestion(
            SuggestionRequest(namespace: "shop", workload: "web"), flows: flows, inventory: try inventory([twin]))
        #expect(
            suggestion.policies[0].notes == [
                "no label tells StatefulSet shop/web and the pod shop/twin apart: the policy selects both"
            ])
    }

    @Test func aNameThatIsTaken() throws {
        let taken = KubernetesObject.networkPolicy(NetworkPolicy("shop/seen-web", selects: [:], [.ingress]))
        let suggestion = try Suggestion(
            SuggestionRequest(namespace: "shop", workload: "web"), flows: flows, inventory: try inventory([taken]))
        #expect(suggestion.policies[0].document["metadata"]?["name"]?.string == "seen-web-statefulset")
        // The other policy denies all ingress of the namespace. A rule would open what it closes.
        #expect(suggestion.effect.deniedAlready.count == 5, "\(suggestion.effect.deniedAlready)")
        #expect(!suggestion.policies[0].document.yaml.contains("8080"))
    }

    @Test func wrongTargets() throws {
        let inventory = try inventory()
        #expect(throws: SuggestionError.noSuchNamespace("nowhere")) {
            try Suggestion(SuggestionRequest(namespace: "nowhere"), flows: [], inventory: inventory)
        }
        #expect(throws: SuggestionError.noSuchWorkload("shop/nothing")) {
            try Suggestion(
                SuggestionRequest(namespace: "shop", workload: "nothing"), flows: [], inventory: inventory)
        }
    }
}
