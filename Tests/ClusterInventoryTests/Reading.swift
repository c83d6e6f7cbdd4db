// SPDX-License-Identifier: Apache-2.0
import ClusterInventory
import KubernetesObjects
import Manifests
import PolicyModel
import Testing

/// Reads files, by name, as the command line does.
func input(_ files: [String: String]) -> (input: InventoryInput, problems: [ManifestError]) {
    var set = ManifestSet(isExtracting: true)
    _ = set.apply(files.mapValues { .content(Array($0.utf8)) })
    let input = InventoryInput(objects: set.objects, services: set.services, extracts: set.extracts)
    return (input, set.problems.map(\.error))
}

/// The inventory of one valid file.
func inventory(_ text: String, _ name: String = "cluster.yaml") throws -> ClusterInventory {
    let read = input([name: text])
    try #require(read.problems.isEmpty, "\(read.problems)")
    return try ClusterInventory(read.input)
}

extension ClusterInventory {
    var pods: [Pod] { objects.compactMap { if case .pod(let pod) = $0 { pod } else { nil } } }
    var nodes: [Node] { objects.compactMap { if case .node(let node) = $0 { node } else { nil } } }

    func pod(_ namespace: String, _ name: String) throws -> Pod {
        try #require(pods.first { $0.metadata.namespace == namespace && $0.metadata.name == name })
    }

    /// Each workload with its pods: `Deployment shop/web: web web-2`.
    var groups: [String] { workloads.map { "\($0.name): \($0.pods.map(\.name).joined(separator: " "))" } }
}
