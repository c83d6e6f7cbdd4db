// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import PolicySources
import Testing

/// YAML that cannot be read as a manifest: passed over where it is certain that it is none of ours, else refused.
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
            // It cannot be told what it is.
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
        for broken in ["data: [\n", "data: {a: b\n", "\tdata: x\n", "data: *nobody\n", "data: x\ndata: y\n"] {
            let decoded = read("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: odd}\n" + broken).map(\.decoded)
            #expect(decoded.flatMap(\.errors).count == 1 && decoded.allSatisfy(\.hasUnknownObjects), "\(broken)")
        }
    }
}
