// SPDX-License-Identifier: Apache-2.0
import ClusterInventory
import PolicyCases
import Testing

/// What becomes of tests.
@Suite struct PolicyTestRunTests {
    private static let cluster = """
        pods:
          shop/web: {labels: {app: web}}
          shop/redis: {labels: {app: redis}, serviceAccount: redis}
          shop/api: {labels: {app: api}}
          other/web: {labels: {app: web}}
          kube/host: {hostNetwork: true}
        objects:
        - apiVersion: networking.k8s.io/v1
          kind: NetworkPolicy
          metadata: {name: redis, namespace: shop}
          spec:
            podSelector: {matchLabels: {app: redis}}
            ingress: [{ports: [{port: 6380}]}, {from: [{podSelector: {matchLabels: {app: web}}}], ports: [{port: 6379}]}]
        - apiVersion: security.istio.io/v1
          kind: AuthorizationPolicy
          metadata: {name: api, namespace: shop}
          spec:
            selector: {matchLabels: {app: api}}
            rules: [{to: [{operation: {methods: [GET], paths: [/health]}}]}]
        tests:

        """

    /// The result of one test, with its reasons.
    private func result(
        _ test: String, in cluster: String = Self.cluster
    ) throws -> (PolicyTestResult.Outcome, String) {
        let file = try PolicyTestFile(Array((cluster + test).utf8), name: "t.yaml")
        let input = InventoryInput(objects: file.objects, services: file.services, extracts: file.extracts)
        var run = PolicyTestRun(try ClusterInventory(input))
        let result = run.run(try #require(file.cases.first))
        return (result.outcome, result.reasons.joined(separator: "; "))
    }

    @Test(arguments: [
        "- allow: {from: shop/web, to: shop/redis, ports: [6379, 6380]}",
        "- allow: {from: shop/web, to: shop/redis, ports: 6379}\n  rule: {policy: shop/redis, rule: 2}",
        "- allow: {from: shop/web, to: shop/redis, ports: 6379}\n  rule: {policy: shop/redis, direction: ingress}",
        "- deny: {from: [other/web, shop/api, outside], to: shop/redis, ports: 6379}",
        "- deny: {from: other/web, to: shop/redis, ports: 6379}\n  rule: shop/redis",
        "- deny: {from: anywhere, to: shop/redis, ports: [udp, other, 1-6378]}",
        "- deny: {from: \"*/app notin (web)\", to: shop/app=redis, ports: 6379}",
        "- allow: {from: shop/web, to: shop/api, ports: 80, request: {path: /health}}",
        "- allow: {from: shop/web, to: shop/api, ports: 80, request: {path: /health}}\n  rule: {policy: shop/api, rule: 1}",
        "- deny: {from: shop/web, to: shop/api, ports: [80, 81], request: {path: /admin}}",
        "- deny: {from: shop/web, to: shop/api, ports: 80, request: {method: POST, path: /health}}",
    ])
    func passes(_ test: String) throws {
        let (outcome, reasons) = try result(test)
        #expect(outcome == .passed, "\(test): \(reasons)")
    }

    /// A Service's address is judged nowhere: its backends are. Finished pods do not count in their workload.
    @Test func whatHasNoFlows() throws {
        let more = """
            - {apiVersion: v1, kind: Service, metadata: {name: redis, namespace: shop}, spec: {clusterIP: 10.96.0.10}}
            - apiVersion: batch/v1
              kind: CronJob
              metadata: {name: backup, namespace: shop}
              spec: {jobTemplate: {spec: {template: {metadata: {labels: {app: web}}}}}}
            - apiVersion: v1
              kind: Pod
              metadata: {name: done, namespace: shop, ownerReferences: [{kind: Job, name: backup-29012345, controller: true}]}
              status: {phase: Succeeded}
            tests:

            """
        let cluster = Self.cluster.replacing("tests:\n", with: more)
        for more in ["", ", request: {path: /a}"] {
            let service = try result("- deny: {from: other/web, to: 10.96.0.10, ports: 6379\(more)}", in: cluster)
            #expect(service.0 == .error && service.1 == "10.96.0.10 is Service shop/redis: name its workload")
        }
        let job = try result(
            "- allow: {from: shop/backup, to: shop/redis, ports: 6379}\n  rule: {policy: shop/redis, rule: 2}",
            in: cluster)
        #expect(job.0 == .passed, "\(job.1)")
        let done = try result("- deny: {from: shop/done, to: shop/redis, ports: 1}\n  rule: shop/redis", in: cluster)
        #expect(done.0 == .error)
    }

    @Test(arguments: [
        ("- deny: {from: shop/web, to: shop/redis, ports: [80, 6379]}", "allowed by shop/redis rule 2"),
        ("- allow: {from: shop/web, to: shop/redis, ports: [80, 6379]}", "no rule allows it"),
        ("- allow: {from: shop/web, to: shop/redis}", "no rule allows it"),
        (
            "- allow: {from: [shop/web, other/web], to: shop/redis, ports: 6379}",
            "(from other/web to shop/redis): denied"
        ),
        (
            "- allow: {from: shop/web, to: shop/redis, ports: 6379}\n  rule: {policy: shop/redis, rule: 1}",
            "but not because of shop/redis rule 1"
        ),
        (
            "- allow: {from: shop/web, to: shop/redis, ports: 6379}\n  rule: {policy: shop/redis, direction: egress}",
            "but not because of"
        ),
        (
            "- allow: {from: shop/web, to: shop/redis, ports: 6379}\n  rule: {policy: shop/redis, kind: ClusterNetworkPolicy}",
            "but not because of"
        ),
        (
            "- deny: {from: other/web, to: shop/redis, ports: 6379}\n  rule: {policy: shop/redis, rule: 2}",
            "but not because of"
        ),
        ("- deny: {from: other/web, to: shop/redis, ports: 6379}\n  rule: shop/other", "but not because of"),
        ("- deny: {from: shop/web, to: shop/api, ports: 80}", "give the test a 'request'"),
        ("- allow: {from: shop/web, to: shop/api, ports: 80}", "give the test a 'request'"),
        ("- allow: {from: shop/web, to: shop/api, ports: 80, request: {path: /admin}}", "denied"),
    ])
    func fails(_ test: String, _ reason: String) throws {
        let (outcome, reasons) = try result(test)
        #expect(outcome == .failed && reasons.contains(reason), "\(test): \(reasons)")
    }

    /// A test that says nothing never passes.
    @Test(arguments: [
        "- deny: {from: shop/wbe, to: shop/redis}", "- deny: {from: shop/web, to: nowhere/redis, ports: 80}",
        "- deny: {from: shop/web, to: shop/redsi, ports: 80}\n  rule: shop/redis",
        "- deny: {from: shop/web, to: shop/nothing, ports: 80, request: {}}",
        "- deny: {from: shop/app=nothing, to: shop/redis}", "- allow: {from: shop/web, to: shop/web}",
        "- allow: {from: shop/web, to: shop/web, ports: 80, request: {}}", "- deny: {from: 10.9.9.9, to: 10.9.9.8}",
        "- allow: {from: 10.9.9.9, to: 10.9.9.8, ports: 80}\n  rule: shop/redis",
        "- allow: {from: 10.9.9.9, to: \"fd00::1\", ports: 80, request: {}}",
    ])
    func saysNothing(_ test: String) throws {
        let (outcome, reasons) = try result(test)
        #expect(outcome == .error && !reasons.isEmpty, "\(test): \(reasons)")
    }
}
