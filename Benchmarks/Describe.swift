// SPDX-License-Identifier: Apache-2.0
import ControlProtocol
import KubernetesObjects
import NetworkTypes
import PolicyDescriptions
import PolicyModel
import PolicyPipeline

/// Prints how long a description of a pod and the search for what selects nothing take, for 150,000 pods and 5,000
/// policies; processor time. Changes wait for both.
func benchDescribe() {
    var pipeline = PolicyPipeline(nodeName: "node-0")
    LargeCluster.ingest(into: &pipeline)
    // A rule for every pod of the cluster, and misspelled peers whose label has 5,000 values.
    let everywhere = NetworkPolicyPeer.pods(namespaces: LabelSelector(), pods: nil)
    var wide = LargeCluster.policy(0, 0)
    wide.metadata.name = "everywhere"
    wide.podSelector = LabelSelector()
    wide.ingress = [NetworkPolicyRule(peers: [everywhere], ports: [NetworkPolicyPort(port: .named("http"))])]
    wide.egress = wide.ingress
    var events: [ObjectEvent] = [.set(.networkPolicy(wide))]
    for number in 0..<200 {
        var misspelled = LargeCluster.policy(number, 1)
        misspelled.metadata.name = "misspelled"
        let peer = LabelSelector(matchLabels: ["app.kubernetes.io/instance": "ap-1-\(number)x"])
        misspelled.ingress = [NetworkPolicyRule(peers: [.pods(namespaces: LabelSelector(), pods: peer)])]
        events.append(.set(.networkPolicy(misspelled)))
    }
    _ = pipeline.apply(events)
    var pods: [Double] = []
    for endpoint in pipeline.localEndpoints {
        pods.append(
            processorMilliseconds {
                var describer = PolicyDescriber(pipeline.cluster)
                _ = describer.describe(pod: endpoint.name)
            })
    }
    pods.sort()
    print("describe: a pod: median \(shown(pods[pods.count / 2])) ms, at most \(shown(pods.last ?? 0)) ms (target 50)")
    var answer = UnusedAnswer(started: "")
    let unused = processorMilliseconds {
        var describer = PolicyDescriber(pipeline.cluster)
        describer.addEmpty(to: &answer) { _ in true }
    }
    print(
        "describe: what selects nothing, \(answer.peers.count) of 200 peers with hints: \(shown(unused)) ms (target 50)"
    )
}
