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

    /// The variables of a container that have a value of their own.
    var variables: [String: String] {
        let pairs = (self["env"]?.sequence ?? []).compactMap { item in
            item["name"]?.string.flatMap { name in item["value"]?.string.map { (name, $0) } }
        }
        return Dictionary(pairs) { $0 + " and " + $1 }
    }

    /// Without the field at the end of a path.
    func without(_ path: [String]) -> Node {
        guard case .mapping(let fields) = self, let first = path.first else { return self }
        let rest = fields.compactMap { key, value -> (Node, Node)? in
            guard key.string == first else { return (key, value) }
            return path.count == 1 ? nil : (key, value.without(Array(path.dropFirst())))
        }
        return .mapping(.init(rest))
    }

    /// The texts of a list.
    var texts: [String] { sequence?.compactMap(\.string) ?? [] }
}
