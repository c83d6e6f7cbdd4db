// SPDX-License-Identifier: Apache-2.0
import ClusterState
import KubernetesObjects
import NetworkTypes
import PolicyModel
import Testing

/// The service account is part of what policy sees of a pod.
@Suite struct AccountTests {
    private static func pod(_ name: String, _ number: UInt32, account: String) -> Pod {
        Pod(
            metadata: ObjectMeta(name: name, namespace: "shop", labels: ["app": "web"]), nodeName: "n",
            serviceAccountName: account, podIPs: [IPAddress(v4: number)])
    }

    @Test func podsThatDifferInTheAccountAloneAreTwoGroups() {
        var state = ClusterState(nodeName: "n")
        for pod in [
            Self.pod("a", 1, account: "default"), Self.pod("b", 2, account: "default"),
            Self.pod("c", 3, account: "reader"),
        ] { state.index(.set(.pod(pod))) }
        #expect(state.counts.podGroups == 2)
        let groups = [1, 2, 3].map { state.group(of: IPAddress(v4: $0)) }
        #expect(groups[0] == groups[1] && groups[0] != groups[2])
    }

    @Test func theObjectHasItsAccountAgain() {
        var state = ClusterState(nodeName: "n")
        state.index(.set(.pod(Self.pod("a", 1, account: "reader"))))
        let name = EndpointName(namespace: "shop", name: "a")
        #expect(state.object(ofPod: name)?.serviceAccountName == "reader")
        state.index(.set(.pod(Self.pod("a", 1, account: "writer"))))
        state.commit()
        #expect(state.object(ofPod: name)?.serviceAccountName == "writer")
        #expect(state.counts.podGroups == 1)
    }

    @Test func namesOfAccountsAreFreed() {
        var state = ClusterState(nodeName: "n")
        state.index(.set(.pod(Self.pod("a", 1, account: "reader"))))
        state.commit()
        state.index(.removed(ObjectKey(kind: .pod, namespace: "shop", name: "a")))
        state.commit()
        #expect(state.strings.count == 0)
    }
}
