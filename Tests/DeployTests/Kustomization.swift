// SPDX-License-Identifier: Apache-2.0
import Foundation
import Yams

/// A folder of manifests, put together as kustomize does it, as far as ours use it: resources, components, patches,
/// ConfigMaps of files, images and namespace.
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

    var documents: [Document] = []

    /// - Parameter components: folders that are named under `components` of it.
    init(_ folder: URL, adding components: [URL] = []) throws {
        let root = try Self.root(
            folder, "Kustomization", fields: ["namespace", "images", "patches", "nameSuffix", "labels"])
        documents = try Self.resources(of: root, in: folder)
        for patch in root["patches"]?.sequence ?? [] { try apply(patch) }
        try rename(root)
        for component in components {
            let root = try Self.root(component, "Component", fields: ["patches", "configMapGenerator", "images"])
            documents += try Self.resources(of: root, in: component)
            documents += try Self.generated(by: root, in: component)
            for patch in root["patches"]?.sequence ?? [] { try apply(patch) }
            try setImages(root, component)
        }
        if let namespace = root["namespace"]?.string {
            for index in documents.indices where !Self.clusterWide.contains(documents[index].kind) {
                documents[index].node["metadata"]?["namespace"] = Node(namespace)
            }
        }
        try setImages(root, folder)
    }

    /// Other names, and labels by which other pods are selected.
    private mutating func rename(_ root: Node) throws {
        for index in documents.indices {
            let name = documents[index].name + (root["nameSuffix"]?.string ?? "")
            documents[index].node["metadata"]?["name"] = Node(name)
            for label in root["labels"]?.sequence ?? [] {
                guard label["includeSelectors"]?.bool == true, let pairs = label["pairs"] else {
                    throw Failure(description: "labels that select nothing")
                }
                let spec: Node = ["selector": ["matchLabels": pairs], "template": ["metadata": ["labels": pairs]]]
                documents[index].node = try Self.merged(
                    documents[index].node, with: ["metadata": ["labels": pairs], "spec": spec])
            }
        }
    }

    private mutating func setImages(_ root: Node, _ folder: URL) throws {
        for image in root["images"]?.sequence ?? [] {
            guard let name = image["name"]?.string, let new = image["newName"]?.string,
                let tag = image["newTag"]?.string
            else { throw Failure(description: "\(folder.path) has an image without name, newName or newTag") }
            for index in documents.indices { Self.set(image: name, "\(new):\(tag)", in: &documents[index].node) }
        }
    }

    private static func root(_ folder: URL, _ kind: String, fields more: [String]) throws -> Node {
        let file = folder.appending(path: "kustomization.yaml")
        guard let root = try read(file).first, case .mapping(let fields) = root else {
            throw Failure(description: "\(file.path) is no mapping")
        }
        let known = Set(["apiVersion", "kind", "resources"] + more)
        for key in fields.keys.compactMap(\.string) where !known.contains(key) {
            throw Failure(description: "\(file.path) has the field \(key), which is not understood here")
        }
        guard root["kind"]?.string == kind else { throw Failure(description: "\(file.path) is another kind") }
        return root
    }

    private static func resources(of root: Node, in folder: URL) throws -> [Document] {
        try (root["resources"]?.sequence?.compactMap(\.string) ?? []).flatMap { name -> [Document] in
            let place = folder.appending(path: name)
            if FileManager.default.fileExists(atPath: place.appending(path: "kustomization.yaml").path) {
                return try Kustomization(place).documents
            }
            return try read(place).map { Document(file: name, node: $0) }
        }
    }

    /// ConfigMaps of files. kustomize appends a hash to their names, wherever these stand.
    private static func generated(by root: Node, in folder: URL) throws -> [Document] {
        try (root["configMapGenerator"]?.sequence ?? []).map { generator in
            guard let name = generator["name"], let namespace = generator["namespace"],
                let files = generator["files"]?.sequence
            else { throw Failure(description: "a ConfigMap without name, namespace or files") }
            let data = try files.compactMap(\.string).map { file in
                (Node(file), Node(try String(contentsOf: folder.appending(path: file), encoding: .utf8)))
            }
            let metadata = Node.mapping(.init([(Node("name"), name), (Node("namespace"), namespace)]))
            return Document(
                file: "kustomization.yaml",
                node: .mapping(
                    .init([
                        (Node("apiVersion"), Node("v1")), (Node("kind"), Node("ConfigMap")),
                        (Node("metadata"), metadata), (Node("data"), .mapping(.init(data))),
                    ])))
        }
    }

    /// A strategic merge patch of one object.
    private mutating func apply(_ patch: Node) throws {
        guard let patch = try patch["patch"]?.string.flatMap({ try Yams.compose(yaml: $0) }) else {
            throw Failure(description: "a patch without text")
        }
        let index = documents.firstIndex {
            $0.kind == patch["kind"]?.string && $0.name == patch["metadata"]?["name"]?.string
                && $0.namespace == patch["metadata"]?["namespace"]?.string
        }
        guard let index else { throw Failure(description: "a patch of an object that is not there") }
        documents[index].node = try Self.merged(documents[index].node, with: patch)
    }

    private static let clusterWide: Set = ["ClusterRole", "ClusterRoleBinding", "Namespace"]

    private static func set(image: String, _ new: String, in node: inout Node) {
        for list in ["containers", "initContainers"] {
            guard var containers = node["spec"]?["template"]?["spec"]?[list]?.sequence else { continue }
            for index in containers.indices
            where containers[index]["image"]?.string?.split(separator: ":").first.map(String.init) == image {
                containers[index]["image"] = Node(new)
            }
            node["spec"]?["template"]?["spec"]?[list] = .sequence(containers)
        }
    }

    private static func read(_ file: URL) throws -> [Node] {
        try Array(Yams.compose_all(yaml: String(contentsOf: file, encoding: .utf8)))
    }
}
