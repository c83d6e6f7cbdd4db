// SPDX-License-Identifier: Apache-2.0
import Documents

/// What an analysis needs of documents beside their objects, and enforcement does not. A daemon never collects it.
public struct DocumentExtract: Sendable, Hashable {
    /// Documents that run pods, in written order.
    public var workloads: [WorkloadTemplate] = []
    /// The controllers of pods, by the pod's key.
    public var owners: [ObjectKey: OwnerReference] = [:]
    /// Policies of Bulkhead's kinds, valid or not, in written order.
    public var policies: [PolicyDocument] = []

    public init() {}

    /// Moves everything down by a number of lines, into the document with this number.
    package mutating func move(down lines: Int, document: Int) {
        for index in workloads.indices {
            workloads[index].line += lines
            workloads[index].document = document
        }
        for index in policies.indices {
            policies[index].lineOffset += lines
            policies[index].document = document
        }
    }
}

/// A policy as it is written, with the place of each field.
public struct PolicyDocument: Sendable, Hashable {
    /// Nil if it has no name.
    public var key: ObjectKey?
    /// As in errors: a path, `standard input`, or what names the cluster.
    public var file: String
    /// Number of the document in its file, counted from 1.
    public var document: Int
    /// Lines of the file before those that ``node`` counts.
    public var lineOffset: Int
    /// The object alone, without a list around it.
    public var node: DocumentNode
    /// As written; nil if it was not YAML, or is an item of a list.
    public var text: String?
    /// Its document has errors, and nothing of it has an effect.
    public var isRefused = false

    public init(
        key: ObjectKey?, file: String, document: Int = 1, lineOffset: Int = 0, node: DocumentNode, text: String? = nil
    ) {
        self.key = key
        self.file = file
        self.document = document
        self.lineOffset = lineOffset
        self.node = node
        self.text = text
    }

    /// The line where it begins, counted from 1.
    public var line: Int { lineOffset + node.line }

    /// The line of a field, or of the last part of its path that is there.
    public func line(of path: FieldPath) -> Int {
        var place = (line: node.line, node: node)
        for component in path.insideObject.components {
            guard let next = Self.step(from: place.node, to: component) else { break }
            place = next
        }
        return lineOffset + place.line
    }

    private static func step(
        from node: DocumentNode, to component: FieldPath.Component
    ) -> (line: Int, node: DocumentNode)? {
        switch (component, node.value) {
        case (.field(let name), .mapping(let entries)):
            entries.first { $0.key == name }.map { ($0.line, $0.value) }
        case (.index(let index), .sequence(let items)):
            items.indices.contains(index) ? (items[index].line, items[index]) : nil
        default: nil
        }
    }

    /// As YAML: as written, or without the fields that only a server sets.
    public var yaml: String {
        if let text { return text }
        guard case .mapping(let entries) = node.value else { return node.yaml }
        let kept = entries.filter { $0.key != "status" }.map { entry -> DocumentNode.Entry in
            guard entry.key == "metadata", case .mapping(let fields) = entry.value.value else { return entry }
            var entry = entry
            entry.value.value = .mapping(fields.filter { !Self.serverFields.contains($0.key) })
            return entry
        }
        return DocumentNode(.mapping(kept)).yaml
    }

    private static let serverFields: Set = [
        "managedFields", "resourceVersion", "uid", "generation", "creationTimestamp", "selfLink",
    ]
}
