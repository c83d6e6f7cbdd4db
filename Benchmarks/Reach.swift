// SPDX-License-Identifier: Apache-2.0
import Documents
import Foundation
import KubernetesObjects
import NetworkTypes
import PolicyModel
import Reachability

/// Prints how long questions over a whole cluster take, once from objects in memory and once from a JSON file by
/// `bulkheadctl`; processor time.
func benchReach() throws {
    try benchReach(namespaces: 25, replicas: 20, targets: (reach: "1 s", prove: ", 2 s to prove", resident: ""))
    try benchReach(namespaces: 250, replicas: 30, targets: (reach: "10 s", prove: "", resident: "1,000"))
}

private func benchReach(
    namespaces: Int, replicas: Int, targets: (reach: String, prove: String, resident: String)
) throws {
    let objects = reachCluster(namespaces: namespaces, replicas: replicas)
    let pods = namespaces * LargeCluster.applications * replicas
    let name = "\(pods) pods, \(namespaces * LargeCluster.applications) policies"
    var map: ReachabilityMap?
    let build = try processorMilliseconds {
        map = try ReachabilityMap(objects: objects, workloads: reachWorkloads(objects))
    }
    guard var map else { return }
    let redis = ReachEnd.pods(namespace: "namespace-3", LabelSelector(matchLabels: ["app.kubernetes.io/name": "app-7"]))
    var rows = 0
    let reach = try processorMilliseconds { rows = try map.reach(to: redis).count }
    let proof = try processorMilliseconds {
        _ = try map.prove(ReachClaim(.deny, from: .outside, to: redis, ports: PortSpan.read("6379")))
    }
    let wide = try processorMilliseconds {
        _ = try map.prove(
            ReachClaim(
                .deny, from: .pods(namespace: nil, LabelSelector()),
                to: .network(CIDR(IPAddress(v4: 0xa9fe_a9fe), prefixLength: 32))))
    }
    print("reach: \(name): resolved in \(shown(build)) ms; to a workload \(shown(reach)) ms, \(rows) rows")
    print("reach: \(name): a proof about a workload \(shown(proof)) ms; about every pod \(shown(wide)) ms")
    print("reach: \(name): targets, resolving included: \(targets.reach) to reach\(targets.prove)")
    try benchProgram(objects, name, targets.resident)
}

/// The large cluster, smaller or whole, with 1,000 nodes.
private func reachCluster(namespaces: Int, replicas: Int) -> [KubernetesObject] {
    var objects: [KubernetesObject] = (0..<1000).map { number in
        .node(
            Node(metadata: ObjectMeta(name: "node-\(number)"), addresses: [IPAddress(v4: 0xac10_0000 + UInt32(number))])
        )
    }
    for namespace in 0..<namespaces {
        let meta = ObjectMeta(name: "namespace-\(namespace)", labels: ["team": "team-\(namespace % 40)"])
        objects.append(.namespace(Namespace(metadata: meta)))
        for application in 0..<LargeCluster.applications {
            objects.append(.networkPolicy(LargeCluster.policy(namespace, application)))
            for replica in 0..<replicas {
                guard case .pod(var pod) = LargeCluster.pod(namespace, application, replica) else { continue }
                let number = (namespace * LargeCluster.applications + application) * replicas + replica
                pod.nodeName = "node-\(number % 1000)"
                pod.hostIPs = [IPAddress(v4: 0xac10_0000 + UInt32(number % 1000))]
                objects.append(.pod(pod))
            }
        }
    }
    return objects
}

/// By application, as their owners say.
private func reachWorkloads(_ objects: [KubernetesObject]) -> [EndpointName: WorkloadKey] {
    var workloads: [EndpointName: WorkloadKey] = [:]
    for case .pod(let pod) in objects {
        let home = pod.metadata.namespace
        workloads[EndpointName(namespace: home, name: pod.metadata.name)] = WorkloadKey(
            namespace: home, kind: "Deployment", name: pod.metadata.labels["app.kubernetes.io/name"] ?? "")
    }
    return workloads
}

/// `bulkheadctl reach` with the objects as `kubectl get -o json` prints them, one list for each namespace: a list is read
/// as a whole.
private func benchProgram(_ objects: [KubernetesObject], _ name: String, _ target: String) throws {
    let lists = Dictionary(grouping: objects, by: \.metadata.namespace).mapValues { $0.map(\.document) }
    let whole = try withManifests(lists) { folder in
        try clientMilliseconds(["reach", "-f", folder, "--to", "namespace-3/app.kubernetes.io/name=app-7"])
    }
    var usage = rusage()
    getrusage(Int32(truncatingIfNeeded: RUSAGE_CHILDREN.rawValue), &usage)
    let resident = Double(usage.ru_maxrss) * 1024 / 1e6
    let limit = target.isEmpty ? "" : " (target \(target))"
    print(
        "reach: \(name): bulkheadctl reach from JSON \(shown(whole)) ms with reading and printing; "
            + "resident at most \(shown(resident)) MB\(limit)")
}
