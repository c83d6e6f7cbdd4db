// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing
import Yams

/// A node is taken out by a label: the daemon leaves it, and what cleans it may come.
@Suite struct DisabledNodeTests {
    private let deploy: Kustomization
    private let cleaning: Kustomization

    init() throws {
        let folder = Kustomization.repository.appending(path: "deploy")
        deploy = try Kustomization(folder, adding: [folder.appending(path: "requests")])
        cleaning = try Kustomization(folder.appending(path: "uninstall-node"))
    }

    /// Whether the DaemonSet's pod runs on a node, as Kubernetes decides it.
    private func runs(_ pod: Node, on labels: [String: String]) throws -> Bool {
        let selector = pod["nodeSelector"]?.mapping.map(Array.init) ?? []
        guard selector.allSatisfy({ labels[$0.key.string ?? ""] == $0.value.string }) else { return false }
        let required = pod["affinity"]?["nodeAffinity"]?["requiredDuringSchedulingIgnoredDuringExecution"]
        guard let terms = required?["nodeSelectorTerms"]?.sequence else { return true }
        return try terms.contains { term in
            try (term["matchExpressions"]?.sequence ?? []).allSatisfy { expression in
                try #require(expression["operator"]?.string == "NotIn")
                let label = labels[expression["key"]?.string ?? ""]
                return label.map { !(expression["values"]?.texts ?? []).contains($0) } ?? true
            }
        }
    }

    /// On each node either the daemon with its proxy, or what cleans it.
    @Test(arguments: [
        ([:], true), (["bulkhead.dev/disabled": "false"], true), (["bulkhead.dev/disabled": "true"], false),
    ]) func oneOfBothRuns(labels: [String: String], enforces: Bool) throws {
        let labels = labels.merging(["kubernetes.io/os": "linux"]) { $1 }
        #expect(try runs(deploy.pod(), on: labels) == enforces)
        #expect(try runs(deploy.pod(named: "bulkhead-http"), on: labels) == enforces)
        #expect(try runs(cleaning.pod(named: "bulkhead-uninstall"), on: labels) == !enforces)
        let all = try Kustomization(Kustomization.repository.appending(path: "deploy/uninstall"))
        #expect(try runs(all.pod(), on: labels))
    }

    /// The same pod as on all nodes, in a DaemonSet that takes none of the daemon's pods for its own.
    @Test func itCleansAsEverywhere() throws {
        let set = try cleaning.only("DaemonSet", named: "bulkhead-uninstall")
        let shape = try #require(Shape.kinds["DaemonSet apps/v1"])
        #expect(shape.problems(set.node, at: set.file) == [] && cleaning.documents.count == 1)
        let labels = set.node["spec"]?["template"]?["metadata"]?["labels"]
        #expect(labels == ["app.kubernetes.io/name": "bulkhead-uninstall"] && set.namespace == "kube-system")
        #expect(set.node["spec"]?["selector"]?["matchLabels"] == labels)
        let all = try Kustomization(Kustomization.repository.appending(path: "deploy/uninstall"))
        let (one, other) = (try cleaning.pod(named: set.name), try all.pod())
        #expect(one.without(["nodeSelector"]) == other.without(["nodeSelector"]))
    }

    /// The page about it names what there is.
    @Test(arguments: [
        "$ kubectl label node $NODE bulkhead.dev/disabled=true\n",
        "$ kubectl label node $NODE bulkhead.dev/disabled-\n",
        "$ kubectl apply -k deploy/uninstall-node/\n", "$ kubectl delete -k deploy/uninstall-node/\n",
        "get pods -l app.kubernetes.io/name=bulkhead-uninstall", "--set uninstallDisabledNodes=true\n",
    ]) func theDocumentNamesIt(text: String) throws {
        let page = try String(
            contentsOf: Kustomization.repository.appending(path: "docs/operations.md"), encoding: .utf8)
        let section = page.components(separatedBy: "\n## One node without Bulkhead\n").last?
            .components(separatedBy: "\n## ").first
        #expect(section?.contains(text) == true)
    }
}
