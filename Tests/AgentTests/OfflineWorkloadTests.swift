// SPDX-License-Identifier: Apache-2.0
import APIServerKit
import Testing

/// Clusters that are described without pods: by what people keep in git, or by an API server.
@Suite(.serialized) struct OfflineWorkloadTests {
    private func control(_ arguments: String...) async throws -> CommandLine {
        try await onOwnThread { try CommandLine.run("bulkheadctl", arguments) }
    }

    private static let workloads =
        ShopManifests.web + """
            apiVersion: apps/v1
            kind: StatefulSet
            metadata: {name: redis, namespace: shop}
            spec:
              template:
                metadata: {labels: {app: redis}}
                spec: {containers: [{name: c, image: i, ports: [{name: redis, containerPort: 6379}]}]}
            ---
            apiVersion: v1
            kind: Service
            metadata: {name: redis, namespace: shop}
            spec: {selector: {app: redis}, ports: [{port: 6379, targetPort: redis}]}
            ---
            apiVersion: networking.k8s.io/v1
            kind: NetworkPolicy
            metadata: {name: redis, namespace: shop}
            spec:
              podSelector: {matchLabels: {app: redis}}
              ingress:
              - from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: shop}}, podSelector: {matchLabels: {app: web}}}]
                ports: [{port: redis}]

            """

    @Test func aVerdictAboutWorkloads() async throws {
        let directory = try TemporaryDirectory()
        try write(Self.workloads, to: directory.path + "/shop.yaml")
        let allow = try await control(
            "verdict", "--manifests", directory.path, "--exit-code", "shop/web", "shop/redis", "6379")
        #expect(
            allow.output == """
                allow  10.244.0.2 -> 10.244.0.1 6379/TCP
                  side     verdict  pod           reason
                  egress   allow    shop/web      allowed: no policy selects shop/web for egress
                  ingress  allow    shop/redis-0  allowed by shop/redis rule 1

                """)
        #expect(allow.status == 0 && allow.complaints.isEmpty)
        let backend = try await control(
            "verdict", "--manifests", directory.path, "--exit-code", "-n", "shop", "web-2", "svc/redis", "6379")
        #expect(backend.status == 0 && backend.output.contains("shop/redis-0"), "\(backend)")
        let deny = try await control(
            "explain", "--manifests", directory.path, "--exit-code", "shop/redis", "shop/redis-0", "80")
        #expect(deny.status == 0, "a pod reaches itself: \(deny)")
        let other = try await control(
            "verdict", "--manifests", directory.path, "--exit-code", "10.9.9.9", "shop/redis", "6379")
        #expect(other.status == 3)
    }

    @Test func aWorkloadThatIsRefused() async throws {
        let directory = try TemporaryDirectory()
        try write(
            Self.workloads.replacing("replicas: 2\n  template: {", with: "replicas: 2\n  templates: {"),
            to: directory.path + "/shop.yaml")
        let arguments = ["verdict", "--manifests", directory.path, "shop/redis", "10.9.9.9", "80"]
        let refused = try await onOwnThread { try CommandLine.run("bulkheadctl", arguments) }
        #expect(refused.status == 1 && refused.output.isEmpty)
        #expect(
            refused.complaints.contains(
                "refused: \(directory.path)/shop.yaml:5: document 1: spec.template: is required"))
        #expect(refused.complaints.contains("error: 1 problem with what was read: a policy could be missing"))
        let ignored = try await onOwnThread { try CommandLine.run("bulkheadctl", arguments + ["--ignore-problems"]) }
        #expect(ignored.status == 0 && ignored.output.hasPrefix("allow"), "\(ignored)")
        // `check` is about what a daemon enforces.
        let checked = try await control("check", directory.path)
        #expect(checked.status == 0 && checked.output.contains("Deployment (apps/v1) shop/web is ignored"))
    }

    private static let cluster = """
        apiVersion: v1
        kind: Pod
        metadata:
          name: web-5d9c-x
          namespace: shop
          labels: {app: web, pod-template-hash: 5d9c}
          ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: web-5d9c, uid: u, controller: true}]
        spec: {nodeName: n1, containers: [{name: c, image: i}]}
        status: {phase: Running, podIPs: [{ip: 10.1.0.1}]}
        ---
        apiVersion: v1
        kind: Pod
        metadata: {name: redis-0, namespace: shop, labels: {app: redis}}
        spec: {nodeName: n1, containers: [{name: c, image: i}]}
        status: {phase: Running, podIPs: [{ip: 10.1.0.2}]}
        ---
        apiVersion: networking.k8s.io/v1
        kind: NetworkPolicy
        metadata: {name: redis, namespace: shop}
        spec: {podSelector: {matchLabels: {app: redis}}, policyTypes: [Ingress]}
        ---
        apiVersion: v1
        kind: Service
        metadata: {name: redis, namespace: shop}
        spec: {clusterIP: 10.0.0.5, selector: {app: redis}, ports: [{port: 6379}]}

        """

    /// A cluster's API server is read, and nothing else.
    @Test func aVerdictAboutACluster() async throws {
        let server = try APIServer()
        server.accept(tokens: ["reader"])
        try server.apply(Self.cluster)
        let directory = try TemporaryDirectory()
        let kubeconfig = directory.path + "/config"
        try write(server.kubeconfig(user: "token: reader"), to: kubeconfig)
        func ask(_ more: String...) async throws -> CommandLine {
            let arguments = ["verdict", "--kubeconfig", kubeconfig, "--exit-code"] + more
            return try await onOwnThread { try CommandLine.run("bulkheadctl", arguments) }
        }
        // The workload stands for its pod.
        let deny = try await ask("shop/web", "shop/redis-0", "6379")
        #expect(deny.status == 3 && deny.output.hasPrefix("deny  10.1.0.1 -> 10.1.0.2 6379/TCP\n"), "\(deny)")
        #expect(deny.output.contains("shop/web-5d9c-x"))
        #expect(server.requests.allSatisfy { $0.hasPrefix("GET ") } && !server.requests.isEmpty)
        // The cluster as it is once manifests are applied.
        try write(
            """
            apiVersion: networking.k8s.io/v1
            kind: NetworkPolicy
            metadata: {name: redis, namespace: shop}
            spec: {podSelector: {matchLabels: {app: redis}}, policyTypes: [Ingress], ingress: [{}]}
            """, to: directory.path + "/new.yaml")
        let allow = try await ask("--manifests", directory.path + "/new.yaml", "shop/web", "shop/redis-0", "6379")
        #expect(allow.status == 0, "\(allow)")
        server.forbid(["list pods"])
        let forbidden = try await ask("shop/web", "shop/redis-0", "6379")
        #expect(forbidden.status == 1 && forbidden.complaints.contains("may not list pods in all namespaces"))
        let context = try await ask("--context", "other", "shop/web", "shop/redis-0", "6379")
        #expect(context.status == 1 && context.complaints.contains("there is no entry 'other' among contexts"))
        let usage = try await control("verdict", "--context", "a", "shop/web", "shop/redis-0", "6379")
        #expect(usage.status == 2 && usage.complaints.hasPrefix("error: --context needs --kubeconfig"), "\(usage)")
    }
}
