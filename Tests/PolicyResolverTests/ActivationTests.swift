// SPDX-License-Identifier: Apache-2.0
import ClusterState
import KubernetesObjects
import NetworkTypes
import PolicyModel
import PolicyResolver
import Testing

@Suite struct ActivationTests {
    @Test func nothingIsResolvedWithoutPods() {
        var resolver = PolicyResolver()
        #expect(resolver.resolve(ClusterState(nodeName: "n")).endpoints.isEmpty)
    }
}
