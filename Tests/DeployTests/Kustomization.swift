// SPDX-License-Identifier: Apache-2.0
import Foundation
import Yams

/// A folder of manifests, put together as kustomize does it, as far as ours use it: resources, images and namespace.
struct Kustomization {
    struct Failure: Error, CustomStringConvertible {
        var description: String
    }

    /// One document as it is applied.
    struct Document {
        var file: String
        var node: Node
        var kind: String { node["kind"]?.string ?? "" }
        var name: String { node["metadata"]?["name"]?.string ?? "" }
        var namespace: String? { node["metadata"]?["namespace"]?.string }
    }

    private(set) var documents: [Document] = []

    init(_ folder: URL) throws {
        let file = folder.appending(path: "kustomization.yaml")
        guard let root = try Self.read(file).first, case .mapping(let fields) = root else {
            throw Failure(description: "\(file.path) is no mapping")
        }
        let known: Set = ["apiVersion", "kind", "namespace", "resources", "images"]
        for key in fields.keys.compactMap(\.string) where !known.contains(key) {
            throw Failure(description: "\(file.path) has the field \(key), which is not understood here")
        }
        guard root["kind"]?.string == "Kustomization" else {
            throw Failure(description: "\(file.path) is another kind")
        }
        for name in root["resources"]?.sequence?.compactMap(\.string) ?? [] {
            let place = folder.appending(path: name)
            if FileManager.default.fileExists(atPath: place.appending(path: "kustomization.yaml").path) {
                documents += try Kustomization(place).documents
            } else {
                documents += try Self.read(place).map { Document(file: name, node: $0) }
            }
        }
        if let namespace = root["namespace"]?.string {
            for index in documents.indices where !Self.clusterWide.contains(documents[index].kind) {
                documents[index].node["metadata"]?["namespace"] = Node(namespace)
            }
        }
        for image in root["images"]?.sequence ?? [] {
            guard let name = image["name"]?.string, let new = image["newName"]?.string,
                let tag = image["newTag"]?.string
            else { throw Failure(description: "\(file.path) has an image without name, newName or newTag") }
            for index in documents.indices { Self.set(image: name, "\(new):\(tag)", in: &documents[index].node) }
        }
    }

    private static let clusterWide: Set = ["ClusterRole", "ClusterRoleBinding", "Namespace"]

    private static func set(image: String, _ new: String, in node: inout Node) {
        for list in ["containers", "initContainers"] {
            guard var containers = node["spec"]?["template"]?["spec"]?[list]?.sequence else { continue }
            for index in containers.indices where containers[index]["image"]?.string == image {
                containers[index]["image"] = Node(new)
            }
            node["spec"]?["template"]?["spec"]?[list] = .sequence(containers)
        }
    }

    private static func read(_ file: URL) throws -> [Node] {
        try Array(Yams.compose_all(yaml: String(contentsOf: file, encoding: .utf8)))
    }
}
