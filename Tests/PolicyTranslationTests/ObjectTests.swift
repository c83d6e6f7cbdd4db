// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import NetworkTypes
import PolicyModel
import PolicyTranslation
import Testing

@Suite struct ObjectTests {
    private static let meta = ObjectMeta(name: "x", namespace: "shop")

    @Test(arguments: [
        KubernetesObject.pod(Pod(metadata: meta)), .namespace(Namespace(metadata: meta)), .node(Node(metadata: meta)),
    ])
    func objectsThatAreNoPolicy(object: KubernetesObject) {
        #expect(Policy(object) == nil)
    }

    /// What removes a policy names the same policy as what set it.
    @Test(arguments: [
        KubernetesObject.networkPolicy(NetworkPolicy(metadata: meta, policyTypes: [])),
        .tierPolicy(TierPolicy(metadata: ObjectMeta(name: "g"), tier: .admin, subject: PodSelection())),
        .tierPolicy(
            TierPolicy(
                kind: .baselineAdminNetworkPolicy, metadata: ObjectMeta(name: "default"), tier: .baseline,
                subject: PodSelection())),
    ])
    func referenceOfTheKey(object: KubernetesObject) {
        #expect(Policy(object)?.reference == PolicyReference(object.key))
    }
}
