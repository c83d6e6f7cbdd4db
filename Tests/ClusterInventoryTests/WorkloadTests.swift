// SPDX-License-Identifier: Apache-2.0
import ClusterInventory
import KubernetesObjects
import NetworkTypes
import PolicyModel
import Testing

/// Documents that run pods, and pods that are run.
@Suite struct WorkloadTests {
    struct Row: Sendable, CustomStringConvertible {
        var apiVersion: String
        var kind: String
        /// Of the specification, beside the template.
        var more = ""
        var pods: [String]
        var description: String { "\(kind) \(more)" }
    }

    private static let rows = [
        Row(apiVersion: "apps/v1", kind: "Deployment", pods: ["web"]),
        Row(apiVersion: "apps/v1", kind: "Deployment", more: "replicas: 1", pods: ["web"]),
        Row(apiVersion: "apps/v1", kind: "Deployment", more: "replicas: 0", pods: ["web"]),
        Row(apiVersion: "apps/v1", kind: "Deployment", more: "replicas: 7", pods: ["web", "web-2"]),
        Row(apiVersion: "extensions/v1beta1", kind: "Deployment", more: "replicas: 2", pods: ["web", "web-2"]),
        Row(apiVersion: "apps/v1", kind: "StatefulSet", pods: ["web-0"]),
        Row(apiVersion: "apps/v1", kind: "StatefulSet", more: "replicas: 3", pods: ["web-0", "web-1"]),
        Row(apiVersion: "apps/v1", kind: "DaemonSet", pods: ["web", "web-2"]),
        Row(apiVersion: "apps/v1", kind: "ReplicaSet", more: "replicas: 2", pods: ["web", "web-2"]),
        Row(apiVersion: "v1", kind: "ReplicationController", more: "replicas: 2", pods: ["web", "web-2"]),
        Row(apiVersion: "batch/v1", kind: "Job", pods: ["web"]),
        Row(apiVersion: "batch/v1", kind: "Job", more: "parallelism: 5", pods: ["web", "web-2"]),
    ]

    @Test(arguments: rows)
    func aDocumentBecomesPods(_ row: Row) throws {
        let inventory = try inventory(
            """
            apiVersion: \(row.apiVersion)
            kind: \(row.kind)
            metadata: {name: web, namespace: shop, labels: {of: workload}}
            spec:
              \(row.more.isEmpty ? "paused: false" : row.more)
              template:
                metadata: {labels: {app: web}}
                spec:
                  serviceAccountName: seller
                  hostNetwork: false
                  containers: [{name: c, image: i, ports: [{name: http, containerPort: 8080}, {containerPort: 1}]}]
            """)
        #expect(inventory.groups == ["\(row.kind) shop/web: \(row.pods.joined(separator: " "))"])
        #expect(inventory.workloads.allSatisfy { $0.isStandIn && !$0.isHostNetwork })
        for pod in inventory.pods {
            #expect(pod.metadata.labels["app"] == "web" && pod.metadata.labels["of"] == nil)
            #expect(pod.serviceAccountName == "seller" && pod.phase == .running && !pod.hostNetwork)
            #expect(pod.namedPorts == [NamedPort(name: "http", number: 8080)])
            #expect(pod.podIPs.map(\.family) == [.ipv4, .ipv6])
        }
        #expect(inventory.invented.count == row.pods.count)
    }

    /// A CronJob's template is two levels further down.
    @Test func aCronJobsPods() throws {
        let inventory = try inventory(
            """
            apiVersion: batch/v1
            kind: CronJob
            metadata: {name: backup, namespace: shop}
            spec:
              schedule: "0 3 * * *"
              jobTemplate: {spec: {parallelism: 2, template: {metadata: {labels: {app: backup}}, spec: {serviceAccount: old}}}}
            """)
        #expect(inventory.groups == ["CronJob shop/backup: backup backup-2"])
        #expect(inventory.pods.allSatisfy { $0.metadata.labels == ["app": "backup"] && $0.serviceAccountName == "old" })
    }

    /// The pods of earlier runs have no address; the next run has one.
    @Test(arguments: ["Succeeded", "Failed"])
    func theNextRun(_ phase: String) throws {
        let inventory = try inventory(
            """
            {apiVersion: batch/v1, kind: CronJob, metadata: {name: b, namespace: shop}, spec: {jobTemplate: {spec: {template: {}}}}}
            ---
            apiVersion: v1
            kind: Pod
            metadata: {name: done, namespace: shop, ownerReferences: [{kind: Job, name: b-29012345, controller: true}]}
            status: {phase: \(phase), podIP: 10.0.0.1}
            """)
        #expect(inventory.groups == ["CronJob shop/b: b done"])
        #expect(inventory.workloads.allSatisfy(\.isStandIn) && inventory.invented.map(\.name) == ["b"])
    }

    /// Selectors of policies name labels that only controllers set.
    @Test func labelsOfControllers() throws {
        let template = "spec: {replicas: 2, template: {metadata: {labels: {a: b}}}}"
        let inventory = try inventory(
            """
            {apiVersion: apps/v1, kind: StatefulSet, metadata: {name: db}, \(template)}
            ---
            {apiVersion: batch/v1, kind: Job, metadata: {name: once}, \(template)}
            """)
        let second = try inventory.pod("default", "db-1").metadata.labels
        #expect(
            second == ["a": "b", "statefulset.kubernetes.io/pod-name": "db-1", "apps.kubernetes.io/pod-index": "1"])
        let job = try inventory.pod("default", "once").metadata.labels
        #expect(job == ["a": "b", "job-name": "once", "batch.kubernetes.io/job-name": "once"])
    }

    private static func pod(_ name: String, _ owner: String, labels: String = "{}") -> String {
        let owners = owner.isEmpty ? "" : ", ownerReferences: [{kind: Other, name: o}, {\(owner), controller: true}]"
        return """
            ---
            apiVersion: v1
            kind: Pod
            metadata: {name: \(name), namespace: shop, labels: \(labels)\(owners)}
            status: {podIP: 10.0.0.\(abs(name.utf8.reduce(7) { $0 &* 31 &+ Int($1) }) % 250 + 1)}

            """
    }

    private static let owned: [(String, String, String, String)] = [
        ("web-5d9c-x", "kind: ReplicaSet, name: web-5d9c", "{pod-template-hash: 5d9c}", "Deployment shop/web"),
        ("web-5d9c-x", "kind: ReplicaSet, name: web-5d9c", "{pod-template-hash: other}", "ReplicaSet shop/web-5d9c"),
        ("web-5d9c-x", "kind: ReplicaSet, name: web-5d9c", "{pod-template-hash: \"\"}", "ReplicaSet shop/web-5d9c"),
        ("x-5d9c-x", "kind: ReplicaSet, name: -5d9c", "{pod-template-hash: 5d9c}", "ReplicaSet shop/-5d9c"),
        ("w-5d9c-x", "kind: ReplicaSet, name: w-5d9c", "{rollouts-pod-template-hash: 5d9c}", "Rollout shop/w"),
        ("db-0", "kind: StatefulSet, name: db", "{}", "StatefulSet shop/db"),
        ("log-x", "kind: DaemonSet, name: log", "{}", "DaemonSet shop/log"),
        ("b-29012345-x", "kind: Job, name: b-29012345", "{}", "CronJob shop/b"),
        ("b-1600000000-x", "kind: Job, name: b-1600000000", "{}", "CronJob shop/b"),
        ("b-20260102-x", "kind: Job, name: b-20260102", "{}", "Job shop/b-20260102"),
        ("b-x", "kind: Job, name: b-", "{}", "Job shop/b-"), ("b-y", "kind: Job, name: b", "{}", "Job shop/b"),
        ("etcd-node1", "kind: Node, name: node1", "{}", "Pod shop/etcd"),
        ("node1", "kind: Node, name: node1", "{}", "Pod shop/node1"), ("alone", "", "{}", "Pod shop/alone"),
        ("custom-1", "kind: Cluster, name: pg", "{}", "Cluster shop/pg"),
    ]

    @Test(arguments: owned)
    func podsAreGroupedByTheirController(_ row: (String, String, String, String)) throws {
        let inventory = try inventory(Self.pod(row.0, row.1, labels: row.2))
        #expect(inventory.groups == ["\(row.3): \(row.0)"])
        #expect(inventory.workloads.allSatisfy { !$0.isStandIn } && inventory.invented.isEmpty)
    }

    /// As `kubectl get all -o yaml` has them: the controllers' own controllers decide, not their names.
    @Test func documentsNameTheControllersOfControllers() throws {
        let inventory = try inventory(
            Self.pod("p1", "kind: Job, name: j1")
                + Self.pod("p2", "kind: ReplicaSet, name: web-1", labels: "{pod-template-hash: \"1\"}")
                    + """
                    ---
                    apiVersion: batch/v1
                    kind: Job
                    metadata: {name: j1, namespace: shop, ownerReferences: [{kind: CronJob, name: nightly, controller: true}]}
                    spec: {template: {}}
                    ---
                    apiVersion: apps/v1
                    kind: ReplicaSet
                    metadata: {name: web-1, namespace: shop}
                    spec: {template: {}}
                    ---
                    apiVersion: apps/v1
                    kind: ReplicaSet
                    metadata: {name: old-1, namespace: shop, ownerReferences: [{kind: Deployment, name: old, controller: true}]}
                    spec: {replicas: 0, template: {metadata: {labels: {v: "1"}}}}
                    ---
                    apiVersion: apps/v1
                    kind: ReplicaSet
                    metadata: {name: old-2, namespace: shop, ownerReferences: [{kind: Deployment, name: old, controller: true}]}
                    spec: {replicas: 3, template: {metadata: {labels: {v: "2"}}}}
                    """)
        #expect(
            inventory.groups == [
                "CronJob shop/nightly: p1", "Deployment shop/old: old old-2", "ReplicaSet shop/web-1: p2",
            ])
        #expect(inventory.workloads.map(\.isStandIn) == [false, true, false])
        #expect(try inventory.pod("shop", "old").metadata.labels == ["v": "2"])
    }

    /// Owners that own each other end the search.
    @Test func controllersInACircle() throws {
        let circle = [("a", "b"), ("b", "a")].map { name, owner in
            """
            ---
            apiVersion: apps/v1
            kind: ReplicaSet
            metadata: {name: \(name), namespace: shop, ownerReferences: [{kind: ReplicaSet, name: \(owner), controller: true}]}
            spec: {template: {}}

            """
        }
        let inventory = try inventory(circle.joined() + Self.pod("p", "kind: ReplicaSet, name: a"))
        #expect(inventory.pods.contains { $0.metadata.name == "p" })
    }

    /// With pods of its own, a workload needs none in their place.
    @Test func knownPodsReplaceStandIns() throws {
        let deployment = """
            ---
            apiVersion: apps/v1
            kind: Deployment
            metadata: {name: web, namespace: shop}
            spec: {replicas: 3, template: {metadata: {labels: {app: web}}}}

            """
        let owned = Self.pod("web-1-x", "kind: ReplicaSet, name: web-1", labels: "{pod-template-hash: \"1\"}")
        #expect(try inventory(deployment + owned).groups == ["Deployment shop/web: web-1-x"])
        // Of another workload, which has the name that a stand-in wants.
        #expect(
            try inventory(deployment + Self.pod("web", "")).groups
                == ["Deployment shop/web: web-2 web-stand-in", "Pod shop/web: web"])
    }

    /// Two of one name would be one in a cluster.
    @Test func aWorkloadThatIsDefinedTwice() throws {
        let text = "{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}, spec: {template: {}}}\n"
        let inventory = try ClusterInventory(input(["a.yaml": text, "b.yaml": "# two\n" + text]).input)
        #expect(inventory.groups == ["Deployment default/web: web"])
        #expect(
            inventory.problems.map(\.description) == [
                "b.yaml:2:1: document 1: Deployment default/web is already defined at a.yaml:1; this one has no effect"
            ])
    }

    private static let broken = [
        ("spec: {}", "spec.template: is required"), ("spec: {template: 1}", "spec.template: must be a mapping"),
        ("spec: 1", "spec: must be a mapping"),
        ("spec: {template: {metadata: {labels: {app: 1}}}}", "spec.template.metadata.labels.app: must be a string"),
        (
            "spec: {template: {spec: {hostNetwork: yes please}}}",
            "spec.template.spec.hostNetwork: must be true or false"
        ),
    ]

    /// What cannot be read could be a pod that matters.
    @Test(arguments: broken)
    func aBrokenTemplateIsRefused(_ row: (String, String)) {
        let read = input([
            "w.yaml": "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\n\(row.0)\n"
        ])
        #expect(read.input.workloads.isEmpty)
        #expect(read.problems.count == 1 && read.problems.first?.line == 5)
        #expect(read.problems.first?.description.contains(row.1) == true, "\(read.problems)")
    }
}
