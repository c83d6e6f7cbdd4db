// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing
import Yams

extension Kustomization {
    /// The repository.
    static let repository = URL(filePath: #filePath).resolvingSymlinksInPath()
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    /// The one object of a kind with this name.
    func only(_ kind: String, named name: String = "bulkhead") throws -> Document {
        let found = documents.filter { $0.kind == kind && $0.name == name }
        try #require(found.count == 1, "\(kind) \(name)")
        return found[0]
    }

    /// The pod of a DaemonSet.
    func pod(named name: String = "bulkhead") throws -> Node {
        try #require(try only("DaemonSet", named: name).node["spec"]?["template"]?["spec"])
    }
}

extension Node {
    /// Of a pod, those that prepare it first.
    var containers: [Node] {
        [self["initContainers"], self["containers"]].flatMap { $0?.sequence.map(Array.init) ?? [] }
    }

    /// The texts of a list.
    var texts: [String] { sequence?.compactMap(\.string) ?? [] }
}
