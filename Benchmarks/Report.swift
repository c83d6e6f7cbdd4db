// SPDX-License-Identifier: Apache-2.0
import Documents
import KubernetesObjects
import NetworkTypes

/// Prints what `bulkheadctl report` costs for 10,000 pods in 1,000 workloads on 1,000 nodes with 500 policies; processor
/// time. The baseline is a single question about the same files, whose time is mostly that of reading them.
func benchReport() throws {
    try withManifests(reportCluster()) { folder in
        let question = ["reach", "-f", folder, "--to", "namespace-3/app.kubernetes.io/name=app-7"]
        let before = try clientMilliseconds(question)
        let report = try clientMilliseconds(["report", "-f", folder, "--format", "html"])
        let pairs = try clientMilliseconds(["reach", "-f", folder, "-o", "json"])
        let base = (before + (try clientMilliseconds(question))) / 2
        print("report: 10000 pods, 1000 workloads, 500 policies: one question \(shown(base)) ms")
        print("report: the page \(shown(report)) ms (×\(shown(report / base)), target 5 s)")
        print("report: all pairs as JSON \(shown(pairs)) ms (×\(shown(pairs / base)))")
    }
}

/// Prints what `bulkheadctl lint` costs for the same files; the baseline is `check`, which reads and decodes them.
func benchLint() throws {
    try withManifests(reportCluster()) { folder in
        let before = try clientMilliseconds(["check", folder])
        let lint = try clientMilliseconds(["lint", folder])
        let base = (before + (try clientMilliseconds(["check", folder]))) / 2
        print("lint: 10000 pods, 500 policies: check \(shown(base)) ms")
        print("lint: lint \(shown(lint)) ms (×\(shown(lint / base)))")
    }
}

/// Objects by namespace. Half of the workloads have a policy for both directions; the others have none.
private func reportCluster() -> [String: [DocumentNode]] {
    var lists: [String: [DocumentNode]] = [:]
    lists["nodes"] = (0..<1000).map { number in
        let meta = ObjectMeta(name: "node-\(number)")
        return KubernetesObject.node(
            Node(metadata: meta, addresses: [IPAddress(v4: 0xac10_0000 + UInt32(number))])
        ).document
    }
    var number = 0
    for namespace in 0..<25 {
        let name = "namespace-\(namespace)"
        let meta = ObjectMeta(name: name, labels: ["team": "team-\(namespace % 40)"])
        var list = [KubernetesObject.namespace(Namespace(metadata: meta)).document]
        for application in 0..<2 * LargeCluster.applications {
            if application < LargeCluster.applications {
                list.append(KubernetesObject.networkPolicy(LargeCluster.policy(namespace, application)).document)
            }
            for replica in 0..<10 {
                guard case .pod(var pod) = LargeCluster.pod(namespace, application, replica) else { continue }
                pod.metadata.name = "app-\(application)-\(replica)"
                pod.nodeName = "node-\(number % 1000)"
                pod.hostIPs = [IPAddress(v4: 0xac10_0000 + UInt32(number % 1000))]
                pod.podIPs = [IPAddress(v4: 0x0a00_0000 + UInt32(number))]
                number += 1
                list.append(KubernetesObject.pod(pod).document.owned(by: "app-\(application)"))
            }
        }
        lists[name] = list
    }
    return lists
}

extension DocumentNode {
    /// An object with a StatefulSet as its controller.
    fileprivate func owned(by name: String) -> DocumentNode {
        guard case .mapping(var entries) = value,
            let place = entries.firstIndex(where: { $0.key == "metadata" }),
            case .mapping(var metadata) = entries[place].value.value
        else { return self }
        let owner = DocumentNode.object([
            "apiVersion": .string("apps/v1"), "kind": .string("StatefulSet"), "name": .string(name),
            "uid": .string(name), "controller": .bool(true),
        ])
        metadata.append(Entry(key: "ownerReferences", line: 1, column: 1, value: .array([owner])))
        entries[place].value.value = .mapping(metadata)
        return DocumentNode(.mapping(entries))
    }
}
