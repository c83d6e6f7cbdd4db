// SPDX-License-Identifier: Apache-2.0
import Documents
import KubernetesObjects
import NetworkTypes
import Testing

/// Kinds, versions, names, lists.
@Suite struct DocumentTests {
    private static func policy(_ fields: String) -> String {
        #"{"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", \#(fields)}"#
    }

    @Test(arguments: [
        Refusal("[]", "", "must be a mapping, is a list"),
        Refusal("1", "", "must be a mapping"),
        Refusal(#"{"kind": "Pod", "metadata": {"name": "x"}}"#, "apiVersion", "is required"),
        Refusal(#"{"apiVersion": "v1", "metadata": {"name": "x"}}"#, "kind", "is required"),
        Refusal(#"{"apiVersion": "v1", "kind": ""}"#, "kind", "must not be empty"),
        Refusal(#"{"apiVersion": 1, "kind": "Pod"}"#, "apiVersion", "must be a string", hint: "quotes"),
        Refusal(
            #"{"apiVersion": "v2", "kind": "Pod", "metadata": {"name": "x"}}"#, "apiVersion",
            "'v2' does not serve Pod", hint: "write apiVersion: v1"),
        Refusal(
            #"{"apiVersion": "extensions/v1beta1", "kind": "NetworkPolicy", "metadata": {"name": "x"}}"#, "apiVersion",
            "does not serve NetworkPolicy", hint: "networking.k8s.io/v1"),
        Refusal(
            #"{"apiVersion": "v1", "kind": "NetworkPolicy", "metadata": {"name": "x"}}"#, "apiVersion",
            "'v1' does not serve NetworkPolicy", hint: "networking.k8s.io/v1"),
        Refusal(#"{"apiVersion": "v1", "kind": "Pod"}"#, "metadata", "is required"),
        Refusal(#"{"apiVersion": "v1", "kind": "Pod", "metadata": {}}"#, "metadata.name", "is required"),
        Refusal(
            #"{"apiVersion": "v1", "kind": "Pod", "metadata": {"generateName": "x-"}}"#, "metadata.name", "is required",
            hint: "generateName"),
        Refusal(#"{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "A"}}"#, "metadata.name", "lower case"),
        Refusal(#"{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a..b"}}"#, "metadata.name", "lower case"),
        Refusal(#"{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a.b"}}"#, "metadata.name", "lower"),
        Refusal(
            #"{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a", "namespace": "b"}}"#,
            "metadata.namespace", "a Namespace has no namespace"),
        Refusal(
            #"{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "namespace": "b.c"}}"#,
            "metadata.namespace", "lower case"),
        Refusal(
            #"{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "labels": {"x": "a b"}}}"#,
            "metadata.labels.x", "label value"),
        Refusal(
            #"{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "creationTimestamp": "yesterday"}}"#,
            "metadata.creationTimestamp", "timestamp"),
        Refusal(
            policy(#""metadata": {"name": "a", "lables": {}}"#),
            "metadata.lables", "unknown field", hint: "did you mean labels?"),
        Refusal(
            policy(#""metadata": {"name": "a", "annotations": {"x": 1}}"#),
            "metadata.annotations.x", "must be a string", hint: "quotes"),
        Refusal(
            policy(#""metadata": {"name": "a"}, "podSelector": {}"#),
            "podSelector", "unknown field", hint: "belongs under spec"),
        Refusal(
            policy(#""metadata": {"name": "a"}, "Spec": {}"#),
            "Spec", "unknown field", hint: "did you mean spec?"),
    ])
    func refused(row: Refusal) throws { try row.check(decode(row.input)) }

    @Test func names() throws {
        func isAccepted(_ kind: String, _ name: String) throws -> Bool {
            try decode(#"{"apiVersion": "v1", "kind": "\#(kind)", "metadata": {"name": "\#(name)"}}"#).errors.isEmpty
        }
        let long = String(repeating: "a", count: 63)
        #expect(try isAccepted("Namespace", long))
        #expect(try !isAccepted("Namespace", long + "a"))
        #expect(try isAccepted("Pod", [long, long, long, long.dropLast(2) + ""].joined(separator: ".")))
        #expect(try !isAccepted("Pod", [long, long, long, long].joined(separator: ".")))
        for good in ["0", "a-b", "a--b", "1.2.3", "a.b-c"] { #expect(try isAccepted("Pod", good)) }
        for bad in ["", "-a", "a-", ".a", "a.", "a_b", "a b", "ä", "a.-b", "a/b"] {
            #expect(try !isAccepted("Pod", bad))
        }
    }

    @Test func namespaceDefaults() throws {
        let pod = try decode(#"{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "namespace": ""}}"#)
        #expect(pod.objects.map(\.key) == [ObjectKey(kind: .pod, namespace: "default", name: "a")])
        let namespace = try decode(
            """
            {"apiVersion": "v1", "kind": "Namespace",
             "metadata": {"name": "a", "labels": {"kubernetes.io/metadata.name": "b", "x": "y"}}}
            """
        )
        #expect(namespace.objects.first?.metadata.labels == ["kubernetes.io/metadata.name": "a", "x": "y"])
    }

    @Test func lists() throws {
        let mixed = try decode(
            """
            {"apiVersion": "v1", "kind": "List", "items": [
              {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}},
              {"apiVersion": "v1", "kind": "NodeList", "items": [{"metadata": {"name": "n"}}]},
              {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}}]}
            """)
        #expect(mixed.objects.map(\.key.description) == ["Pod default/a", "Node n"])
        #expect(mixed.notices.map(\.kind) == ["Deployment"])
        let policies = try decode(
            """
            {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicyList", "metadata": {},
             "items": [{"metadata": {"name": "a"}, "spec": {}}, {"kind": "NetworkPolicy", "metadata": {"name": "b"}}]}
            """)
        #expect(policies.objects.map(\.key.name) == ["a", "b"])
        #expect(try decode(#"{"apiVersion": "v1", "kind": "PodList", "items": null}"#).errors.isEmpty)
        #expect(try decode(#"{"apiVersion": "v1", "kind": "NamespaceList", "items": []}"#).errors.isEmpty)
    }

    @Test(arguments: [
        Refusal(#"{"apiVersion": "v1", "kind": "List", "items": {}}"#, "items", "must be a list"),
        Refusal(#"{"apiVersion": "v1", "kind": "PodList", "items": [null]}"#, "items[0]", "must be a mapping"),
        Refusal(
            #"{"apiVersion": "v1", "kind": "List", "items": [{"metadata": {}}]}"#, "items[0].apiVersion",
            "is required"),
        Refusal(
            """
            {"apiVersion": "v1", "kind": "PodList",
             "items": [{"metadata": {"name": "a"}}, {"metadata": {"name": "B"}}]}
            """,
            "items[1].metadata.name", "lower case"),
    ])
    func wrongLists(row: Refusal) throws { try row.check(decode(row.input)) }

    @Test(arguments: [
        ("apps/v1", "Deployment", ManifestNotice.Reason.ignored), ("v1", "ConfigMap", .ignored),
        ("v1", "Service", .ignored), ("example.com/v1", "Pod", .ignored), ("example.com/v1", "AllowList", .ignored),
        ("networking.k8s.io/v1", "Ingress", .ignored), ("crd.projectcalico.org/v1", "IPPool", .ignored),
        ("networking.k8s.aws/v1alpha1", "ClusterNetworkPolicy", .notEnforced),
        ("cilium.io/v2", "CiliumNode", .ignored), ("k8s.ovn.org/v1", "EgressFirewall", .notEnforced),
        ("crd.antrea.io/v1beta1", "ClusterNetworkPolicy", .notEnforced),
        ("security.istio.io/v1", "PeerAuthentication", .notEnforced),
        ("crd.projectcalico.org/v1", "NetworkPolicy", .notEnforced),
        ("cilium.io/v2", "CiliumNetworkPolicy", .notEnforced),
    ])
    func notices(version: String, kind: String, reason: ManifestNotice.Reason) throws {
        let document = try decode(
            #"{"apiVersion": "\#(version)", "kind": "\#(kind)", "metadata": {"name": "x", "namespace": "n"}}"#)
        #expect(document.errors.isEmpty && document.objects.isEmpty)
        let notice = try #require(document.notices.first)
        #expect(notice.reason == reason && notice.kind == kind && notice.name == "n/x")
        #expect(notice.description.contains("NOT enforced") == (reason == .notEnforced))
    }

    /// A misspelt kind of a group that we know would leave open what it should protect.
    @Test(arguments: [
        ("networking.k8s.io/v1", "NetworkPolicies", "kind", "did you mean NetworkPolicy?"),
        ("networking.k8s.io/v1", "networkpolicy", "kind", "did you mean NetworkPolicy?"),
        ("networking.k8s.io/v1", "Netpol", "kind", "its kinds are "),
        ("policy.networking.k8s.io/v1alpha3", "TenantNetworkPolicy", "kind", "did you mean "),
        ("policy.networking.k8s.io/v1alpha2", "NetworkPolicy", "apiVersion", "write apiVersion: networking.k8s.io/v1"),
        ("networking.k8s.oi/v1", "NetworkPolicy", "apiVersion", "write apiVersion: networking.k8s.io/v1"),
        ("security.istio.io/v1", "AuthorizaionPolicy", "kind", "did you mean AuthorizationPolicy?"),
        ("security.istio.oi/v1", "AuthorizationPolicy", "apiVersion", "write apiVersion: security.istio.io/v1"),
        ("v1", "Pods", "kind", "did you mean Pod?"), ("v1", "Namespaces", "kind", "did you mean Namespace?"),
    ])
    func misspeltKinds(version: String, kind: String, field: String, hint: String) throws {
        let document = try decode(
            #"{"apiVersion": "\#(version)", "kind": "\#(kind)", "metadata": {"name": "x", "namespace": "n"}}"#)
        #expect(document.notices.isEmpty && document.objects.isEmpty && document.hasUnknownObjects)
        let error = try #require(document.errors.first)
        #expect(document.errors.count == 1 && error.path.description == field)
        #expect(error.hint?.hasPrefix(hint) == true, "\(error)")
    }

    @Test func text() throws {
        var error = ManifestError(
            file: "a.yaml", document: 2, line: 12, column: 5, path: FieldPath([.field("spec"), .field("podSelector")]),
            reason: "is wrong")
        #expect("\(error)" == "a.yaml:12:5: document 2: spec.podSelector: is wrong")
        error.hint = "do it right"
        #expect("\(error)".hasSuffix("is wrong (hint: do it right)"))
        let path = FieldPath([.field("a"), .index(0), .field("b/c"), .field("d"), .index(7)])
        #expect("\(path)" == #"a[0]["b/c"].d[7]"#)
    }
}
