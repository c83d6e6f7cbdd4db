// SPDX-License-Identifier: Apache-2.0
import ClusterInventory
import Documents
import KubernetesObjects
import NetworkTypes
import PolicyModel
import Testing
import WorldKit
import YAMLDocuments

/// What else an inventory adds to objects.
@Suite struct InventoryTests {
    /// Namespaces that are only named have the label of their name; those that are there stay.
    @Test func namespaces() throws {
        let inventory = try inventory(
            """
            {apiVersion: apps/v1, kind: Deployment, metadata: {name: d, namespace: a}, spec: {template: {}}}
            ---
            {apiVersion: v1, kind: Service, metadata: {name: s, namespace: b}, spec: {}}
            ---
            {apiVersion: v1, kind: Namespace, metadata: {name: c, labels: {team: x}}}
            ---
            {apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: p, namespace: c}, spec: {podSelector: {}}}
            """)
        let namespaces = inventory.objects.compactMap {
            if case .namespace(let namespace) = $0 { namespace } else { nil }
        }
        #expect(
            namespaces == [
                Namespace("a", ["kubernetes.io/metadata.name": "a"]),
                Namespace("b", ["kubernetes.io/metadata.name": "b"]),
                Namespace("c", ["team": "x", "kubernetes.io/metadata.name": "c"]),
            ])
        #expect(inventory.services.map(\.name) == ["s"])
        #expect(inventory.objects.map(\.key) == inventory.objects.map(\.key).sorted())
    }

    private static let policies = """
        # first
        ---
        # The database.
        apiVersion: networking.k8s.io/v1
        kind: NetworkPolicy
        metadata:
          name: db
          namespace: shop
        spec:
          podSelector: {}
          ingress:
          - from:
            - podSelector: {}
            - namespaceSelector:
                matchLabels:
                  a: b
        ---
        apiVersion: v1
        kind: List
        items:
        - apiVersion: networking.k8s.io/v1
          kind: NetworkPolicy
          metadata: {name: web, uid: u, annotations: {a: "yes"}}
          spec: {podSelector: {}}
        ---
        apiVersion: networking.k8s.io/v1
        kind: NetworkPolicy
        metadata: {name: bad}
        spec: {podSelectr: {}}

        """

    @Test func placesOfPolicies() throws {
        let read = input(["dir/p.yaml": Self.policies])
        let inventory = try ClusterInventory(read.input)
        func key(_ namespace: String, _ name: String) -> ObjectKey {
            ObjectKey(kind: .networkPolicy, namespace: namespace, name: name)
        }
        let database = try #require(inventory.places[key("shop", "db")])
        #expect(database.file == "dir/p.yaml" && database.line == 4 && database.document == 1)
        let field = FieldPath([.field("spec"), .field("ingress"), .index(0), .field("from"), .index(1)])
        #expect(database.line(of: field) == 14)
        #expect(database.line(of: field.appending(.field("namespaceSelector")).appending(.field("matchLabels"))) == 15)
        // As far as the path goes.
        #expect(database.line(of: field.appending(.field("none")).appending(.index(3))) == 14)
        #expect(database.line(of: FieldPath([.field("nothing")])) == 4)
        #expect(database.yaml.hasPrefix("# The database.\napiVersion:") && database.yaml.hasSuffix("a: b\n"))
        let listed = try #require(inventory.places[key("default", "web")])
        #expect(listed.line == 21 && listed.line(of: FieldPath([.field("items"), .index(0), .field("spec")])) == 24)
        #expect(
            listed.yaml == """
                apiVersion: networking.k8s.io/v1
                kind: NetworkPolicy
                metadata:
                  name: web
                  annotations:
                    a: "yes"
                spec:
                  podSelector: {}

                """)
        // A refused document has a place for its findings, and no effect.
        #expect(read.problems.count > 0 && inventory.places[key("default", "bad")] == nil)
        let refused = try #require(inventory.policyDocuments.first { $0.isRefused })
        #expect(refused.key == key("default", "bad") && refused.line(of: FieldPath([.field("spec")])) == 29)
        #expect(inventory.policyDocuments.count == 3 && inventory.places.count == 2)
    }

    /// Of two documents with one name, the first one counts, and its place.
    @Test func theFirstDefinitionHasThePlace() throws {
        let text =
            "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: np}, spec: {podSelector: {}}}\n"
        let read = input(["b.yaml": text, "a.yaml": text, "c.yaml": text])
        let inventory = try ClusterInventory(read.input)
        #expect(inventory.places.values.map(\.file) == ["a.yaml"])
    }

    /// A cluster with manifests that are not applied yet.
    @Test func manifestsOverACluster() throws {
        let policy =
            "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: np}, spec: {podSelector: "
        let cluster = input([
            "cluster": """
            {apiVersion: v1, kind: Pod, metadata: {name: p, ownerReferences: [{kind: ReplicaSet, name: r, controller: true}]}}
            ---
            {apiVersion: v1, kind: Service, metadata: {name: s}, spec: {clusterIP: 10.0.0.1}}
            ---
            \(policy){}}}
            """
        ]).input
        let files = input([
            "f.yaml": """
            {apiVersion: v1, kind: Pod, metadata: {name: p}}
            ---
            {apiVersion: v1, kind: Service, metadata: {name: s}, spec: {clusterIP: 10.0.0.2}}
            ---
            \(policy){matchLabels: {a: b}}}}
            """
        ]).input
        let before = try ClusterInventory(cluster)
        #expect(before.groups == ["ReplicaSet default/r: p"])
        let after = try ClusterInventory(cluster.applying(files))
        #expect(after.groups == ["Pod default/p: p"] && after.services.map(\.addresses) == [addresses("10.0.0.2")])
        #expect(after.policyDocuments.map(\.file) == ["f.yaml"] && after.places.values.map(\.file) == ["f.yaml"])
        #expect(after.objects.count == before.objects.count)
    }

    /// Names that a hostile API server, or a user with much leisure, gives.
    @Test func hostileNames() throws {
        let names = ["\u{1b}[31mred\u{7}", "<script>alert(1)</script>", String(repeating: "a", count: 253), "", "a\nb"]
        var objects: [KubernetesObject] = []
        var owners: [ObjectKey: OwnerReference] = [:]
        for (number, name) in names.enumerated() {
            let pod = Pod(metadata: ObjectMeta(name: "\(name)\(number)", namespace: name), nodeName: name)
            objects.append(.pod(pod))
            owners[KubernetesObject.pod(pod).key] = OwnerReference(kind: name.isEmpty ? "x" : name, name: name)
        }
        var extract = DocumentExtract()
        extract.owners = owners
        let inventory = try ClusterInventory(InventoryInput(objects: objects, extracts: [extract]))
        #expect(inventory.workloads.count == names.count && inventory.invented.count == names.count)
        #expect(Set(inventory.pods.flatMap(\.podIPs)).count == 2 * names.count)
    }

    /// Each text comes back from YAML as it was.
    @Test func yamlIsReadBack() throws {
        let texts = [
            "", "plain", "yes", "No", "null", "~", "1", "1e3", "0x1", "a: b", "- a", "#", "a #b", "\u{7}\u{1b}[0m",
            "é\u{2028}\u{85}x",
            "a\u{feff}", "a\nb\n", "\"quoted\" \\ 'single'", "{a}", "[x]", "*a", "&a", "!t", "%x", "@", "`",
            "2026-01-02", "a/b.c-d_e",
            "<script>", "😀", " a", "a ", "---", "...", "=", "<<", "y", "on",
        ]
        var values = texts.map { DocumentNode.string($0) }
        values += [.integer(-5), .bool(true), DocumentNode(.null), DocumentNode(.float(1.5)), .array([]), .object([])]
        values.append(
            .array([
                .array([.object([("a", .array([.integer(1)]))]), .string("x")]),
                .object([("b", .object([("c", .integer(2))]))]),
            ]))
        let document = DocumentNode.object([
            ("list", .array(values)),
            ("map", .object(texts.enumerated().map { ($1.isEmpty ? "k\($0)" : $1, DocumentNode.string($1)) })),
        ])
        let read = try DocumentReader.read(Array(document.yaml.utf8))
        #expect(read.json == document.json)
    }

    /// Analysis is interactive.
    @Test func tenThousandPodsTakeLessThanASecond() throws {
        var extract = DocumentExtract()
        var objects: [KubernetesObject] = []
        for number in 0..<10_000 {
            let name = "app\(number % 500)-5d9c"
            let pod = Pod(
                metadata: ObjectMeta(
                    name: "\(name)-\(number)", namespace: "team\(number % 50)", labels: ["pod-template-hash": "5d9c"]),
                podIPs: number % 2 == 0 ? [IPAddress(v4: 0x0af4_0000 + UInt32(number))] : [])
            objects.append(.pod(pod))
            extract.owners[KubernetesObject.pod(pod).key] = OwnerReference(kind: "ReplicaSet", name: name)
        }
        let input = InventoryInput(objects: objects, extracts: [extract])
        // The fastest of some: a loaded machine is not what is measured.
        var best = Duration.seconds(60)
        var inventory: ClusterInventory?
        for _ in 0..<3 {
            best = min(best, try ContinuousClock().measure { inventory = try ClusterInventory(input) })
        }
        #expect(best < .seconds(1), "\(best)")
        #expect(inventory?.workloads.count == 500 && inventory?.invented.count == 5_000)
    }
}
