// SPDX-License-Identifier: Apache-2.0
import ClusterState
import KubernetesObjects
import NetworkTypes
import PolicyModel
import Testing

@Suite struct PolicyIndexTests {
    @Test func policiesAreCounted() {
        var state = ClusterState(nodeName: "n")
        state.index(
            .set(.networkPolicy(NetworkPolicy(metadata: ObjectMeta(name: "p", namespace: "shop"), policyTypes: []))))
        #expect(state.counts.policies == 1)
        #expect(
            state.policyReferences == [PolicyReference(kind: "NetworkPolicy", namespace: "shop", name: "p")])
    }
}
