// SPDX-License-Identifier: Apache-2.0
import Foundation
import Yams

extension Kustomization {
    /// By what the items of lists are known to Kubernetes. Other lists are replaced as a whole.
    private static let mergeKeys = [
        "containers": "name", "initContainers": "name", "env": "name", "volumes": "name", "volumeMounts": "mountPath",
        "ports": "containerPort",
    ]

    /// What Kubernetes' strategic merge makes of an object, as far as ours use it. Here a patch must not bring a new
    /// container: that would be one whose name is misspelled.
    static func merged(_ node: Node, with patch: Node, in field: String = "") throws -> Node {
        switch (node, patch) {
        case (.mapping(var fields), .mapping(let more)):
            for (key, value) in more {
                fields[key] = try fields[key].map { try merged($0, with: value, in: key.string ?? "") } ?? value
            }
            return .mapping(fields)
        case (.sequence(var items), .sequence(let more)):
            guard let key = mergeKeys[field] else { return patch }
            for item in more {
                guard let name = item[key]?.string else {
                    throw Failure(description: "an item of \(field) without \(key)")
                }
                if let place = items.firstIndex(where: { $0[key]?.string == name }) {
                    items[place] = try merged(items[place], with: item)
                } else if ["containers", "initContainers"].contains(field) {
                    throw Failure(description: "there is no container \(name)")
                } else {
                    items.append(item)
                }
            }
            return .sequence(items)
        default: return patch
        }
    }

    /// The objects by kind and name, each as JSON that does not depend on the order of fields and of items with names.
    var canonical: [String: String] {
        get throws {
            var found: [String: String] = [:]
            for document in documents {
                let value = Self.sorted(document.node.any)
                found["\(document.kind) \(document.namespace ?? "")/\(document.name)"] = try Self.json(value)
            }
            return found
        }
    }

    private static func sorted(_ value: Any) -> Any {
        if let fields = value as? [AnyHashable: Any] {
            return Dictionary(uniqueKeysWithValues: fields.map { ("\($0.key)", sorted($0.value)) })
        }
        guard let items = value as? [Any] else { return value }
        let inner = items.map(sorted)
        guard inner.allSatisfy({ $0 is [String: Any] }) else { return inner }
        return inner.sorted { ((try? json($0)) ?? "") < ((try? json($1)) ?? "") }
    }

    private static func json(_ value: Any) throws -> String {
        let data = try JSONSerialization.data(withJSONObject: value, options: [.sortedKeys, .fragmentsAllowed])
        return String(decoding: data, as: UTF8.self)
    }
}
