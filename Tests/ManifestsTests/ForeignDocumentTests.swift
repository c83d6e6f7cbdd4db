// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import Manifests
import Testing

/// YAML that cannot be read as a manifest: skipped if it certainly has a foreign kind, otherwise refused.
@Suite struct ForeignDocumentTests {
    /// What no manifest can hold, though it is well-formed YAML.
    static let oddities = [
        "data:\n  ? [a, b]\n  : c\n", "data: {~: x}\n", "data: !Ref x\n", "data: !!binary aGk=\n",
        "data: !!set {a, b}\n",
        "data:\n  ? {a: b}\n  : c\n", "? [top, level]\n: x\n",
        "data: " + String(repeating: "[", count: 80)
            + String(repeating: "]", count: 80) + "\n", "data: {<<: text}\n",
    ]

    @Test(arguments: oddities) func aForeignKindIsPassedOver(oddity: String) {
        let foreign = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: odd, namespace: shop}\n" + oddity
        let documents = read(policy("p") + "---\n" + foreign + "---\n" + policy("q"))
        #expect(documents.flatMap(\.decoded.errors).isEmpty)
        #expect(!documents.contains { $0.decoded.hasUnknownObjects })
        #expect(documents.flatMap(\.decoded.objects).map(\.metadata.name) == ["p", "q"])
        #expect(
            documents.flatMap(\.decoded.notices).map { "\($0.line) \($0.kind) \($0.name)" } == ["8 ConfigMap shop/odd"])
    }

    @Test(arguments: oddities) func oneOfOursIsRefused(oddity: String) {
        for head in [
            "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: odd, namespace: shop}\n",
            "apiVersion: v1\nkind: Pod\nmetadata: {name: odd}\n",
            "apiVersion: policy.networking.k8s.io/v1alpha2\nkind: ClusterNetworkPolicy\nmetadata: {name: odd}\n",
            // Lists may hold ours.
            "apiVersion: v1\nkind: List\nitems: []\n", "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicyList\n",
            "apiVersion: v1\nkind: ConfigMapList\n",
            // Its kind is unknown.
            "apiVersion: v1\nmetadata: {name: odd}\n", "kind: ConfigMap\nmetadata: {name: odd}\n",
            "apiVersion: v1\nkind: [ConfigMap]\n", "apiVersion: v1\nkind: 1\n", "apiVersion: v1\nkind: ''\n",
            "apiVersion: v1\nkind: ConfigMap\n<<: {kind: NetworkPolicy}\n", "",
        ] {
            let decoded = read(head + oddity).map(\.decoded)
            #expect(decoded.flatMap(\.errors).count >= 1, "\(head)")
            #expect(decoded.allSatisfy { $0.hasUnknownObjects && $0.items.isEmpty && $0.notices.isEmpty }, "\(head)")
        }
    }

    /// Where a document ends is not certain when its syntax is broken.
    @Test func brokenSyntaxIsRefusedWhateverItsKind() {
        for broken in ["data: [\n", "data: {a: b\n", "\tdata: x\n", "data: *nobody\n"] {
            let decoded = read("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: odd}\n" + broken).map(\.decoded)
            #expect(decoded.flatMap(\.errors).count == 1 && decoded.allSatisfy(\.hasUnknownObjects), "\(broken)")
        }
    }

    static let twice = "data:\n  a: x\n  a: y\n"

    /// Charts often give a key twice.
    @Test(arguments: [
        "apiVersion: v1\nkind: ConfigMap\n" + twice, "kind: Deployment # chart\napiVersion: apps/v1 \n\n" + twice,
        "# chart\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: x\nsubjects:\n- kind: User\n" + twice,
        "apiVersion: v1\r\nkind: ConfigMap\r\ndata: {a: x, a: y}\r\n",
    ])
    func aForeignKindMayHaveAKeyTwice(foreign: String) {
        for text in [foreign, "---\n" + foreign, policy("p") + "---\n" + foreign] {
            let documents = read(text)
            #expect(documents.flatMap(\.decoded.errors).isEmpty, "\(text)")
            #expect(documents.flatMap(\.decoded.notices).count == 1)
            #expect(!documents.contains { $0.decoded.hasUnknownObjects })
        }
    }

    /// Nothing that could hide one of Bulkhead's kinds.
    @Test(arguments: [
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n" + twice, "apiVersion: v1\nkind: List\n" + twice,
        "apiVersion: v1\nkind: ConfigMap\nkind: NetworkPolicy\n", "apiVersion: v1\nkind: Config\n  Map\n" + twice,
        "? kind\n: NetworkPolicy\napiVersion: v1\nx: \"\nkind: ConfigMap\nz: \"\n" + twice,
        "\"kind\": NetworkPolicy\napiVersion: v1\nx: \"\nkind: ConfigMap\nz: \"\n" + twice,
        "  kind: NetworkPolicy\n  x: \"\nkind: ConfigMap\napiVersion: v1\nz: \"\n  a: 1\n  a: 2\n",
        "{kind: NetworkPolicy, a: 1, a: 2, x: \"\nkind: ConfigMap\napiVersion: v1\nz: \"}\n",
        "apiVersion: v1\nz: 1\rkind: NetworkPolicy\nx: \"\nkind: ConfigMap\nz: \"\n" + twice,
        "apiVersion: v1\nz: 1\u{2028}kind: NetworkPolicy\nx: \"\nkind: ConfigMap\ny: \"\n" + twice,
        "<<: {kind: NetworkPolicy}\napiVersion: v1\nx: \"\nkind: ConfigMap\nz: \"\n" + twice,
        "!!str kind: NetworkPolicy\napiVersion: v1\nx: \"\nkind: ConfigMap\nz: \"\n" + twice,
        "kind : NetworkPolicy\napiVersion: v1\nx: \"\nkind: ConfigMap\nz: \"\n" + twice,
        "apiVersion: v1\nkind: |\n  NetworkPolicy\n" + twice, "- kind: ConfigMap\n  apiVersion: v1\n  kind: x\n",
        "apiVersion: v1\nkind: ConfigMap\n- x\n" + twice,
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicies\n" + twice,
    ])
    func whatMayBeOneOfOursIsRefused(text: String) {
        let decoded = read(text).map(\.decoded)
        #expect(decoded.flatMap(\.errors).count >= 1)
        #expect(decoded.allSatisfy { $0.hasUnknownObjects && $0.items.isEmpty && $0.notices.isEmpty })
    }
}
