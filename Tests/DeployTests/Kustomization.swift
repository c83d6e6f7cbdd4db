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

    private(set) var documents: [Document] = []

    /// - Parameter components: folders that are named under `components` of it.
    init(_ folder: URL, adding components: [URL] = []) throws {
        let root = try Self.root(folder, "Kustomization", fields: ["namespace", "images"])
        documents = try Self.resources(of: root, in: folder)
        for component in components {
            let root = try Self.root(component, "Component", fields: ["patches", "configMapGenerator"])
            documents += try Self.resources(of: root, in: component)
            documents += try Self.generated(by: root, in: component)
            for patch in root["patches"]?.sequence ?? [] { try apply(patch) }
        }
        if let namespace = root["namespace"]?.string {
            for index in documents.indices where !Self.clusterWide.contains(documents[index].kind) {
                documents[index].node["metadata"]?["namespace"] = Node(namespace)
            }
        }
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

    /// A JSON patch (RFC 6902) of one object.
    private mutating func apply(_ patch: Node) throws {
        let target = patch["target"]
        let index = documents.firstIndex {
            $0.kind == target?["kind"]?.string && $0.name == target?["name"]?.string
        }
        guard let index, let steps = try patch["patch"]?.string.flatMap({ try Yams.compose(yaml: $0) })?.sequence else {
            throw Failure(description: "a patch without steps, or of an object that is not there")
        }
        for step in steps {
            guard let operation = step["op"]?.string, let path = step["path"]?.string, let value = step["value"] else {
                throw Failure(description: "a step of a patch without op, path or value")
            }
            let components = path.split(separator: "/").map(String.init)
            try Self.edit(&documents[index].node, components[...], operation, value)
        }
    }

    private static func edit(
        _ node: inout Node, _ path: ArraySlice<String>, _ operation: String, _ value: Node
    ) throws {
        guard let step = path.first else {
            switch operation {
            case "replace": node = value
            case "test" where node == value: break
            default: throw Failure(description: "\(operation) of a patch does not fit")
            }
            return
        }
        switch node {
        case .mapping(var fields) where path.count == 1 && operation == "add":
            fields[step] = value
            node = .mapping(fields)
        case .mapping(var fields):
            guard var inner = fields[step] else { throw Failure(description: "no \(step) for a patch") }
            try edit(&inner, path.dropFirst(), operation, value)
            fields[step] = inner
            node = .mapping(fields)
        case .sequence(var items) where path.count == 1 && operation == "add" && step == "-":
            items.append(value)
            node = .sequence(items)
        case .sequence(var items):
            guard let place = Int(step), items.indices.contains(place) else {
                throw Failure(description: "no item \(step) for a patch")
            }
            try edit(&items[place], path.dropFirst(), operation, value)
            node = .sequence(items)
        default: throw Failure(description: "nothing inside of what a patch names")
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
