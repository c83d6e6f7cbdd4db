// SPDX-License-Identifier: Apache-2.0
import DocumentKit
import Documents
import KubernetesObjects
import NIOCore

/// What an ``APIServer`` holds.
struct APIServerState {
    struct Stored {
        var object: DocumentNode
        var version: Int
        /// Order of lists: `namespace/name`.
        var name: String
    }
    struct Change {
        var version: Int
        /// ADDED, MODIFIED or DELETED.
        var type: String
        var path: String
        var object: DocumentNode
    }

    var version = 1000
    /// By path of the collection; what is not here is not served.
    var collections: [String: [String: Stored]] = [:]
    /// Pages of lists by path, in place of the objects.
    var prepared: [String: [[UInt8]]] = [:]
    var history: [Change] = []
    /// Versions below this are forgotten.
    var compacted = 0
    /// Lists that are being read in pages, as they were at a version.
    var snapshots: [String: [Stored]] = [:]
    var faults: [APIServerFault] = []
    var faultsMet = 0
    /// Nil: every client may send requests.
    var tokens: Set<String>?
    /// `verb resource` that no client may do.
    var forbidden: Set<String> = []
    /// By token: `verb resource` that alone are allowed to who has it.
    var granted: [String: Set<String>] = [:]
    /// Events of Kubernetes that were created.
    var events: [DocumentNode] = []
    /// Method and target of each request.
    var requests: [String] = []
    /// Channels of the watches, by number.
    var watchers: [Int: any Channel] = [:]
    var channels: [Int: any Channel] = [:]
    var nextChannel = 0
    /// Channels that say nothing any more.
    var frozen: Set<Int> = []

    func mayDo(_ what: String, token: String) -> Bool {
        !forbidden.contains(what) && granted[token]?.contains(what) ?? true
    }

    mutating func takeFault(_ verb: APIServerFault.Verb, _ resource: String) -> APIServerFault.Kind? {
        let index = faults.firstIndex { $0.verb == verb && ($0.resource ?? resource) == resource && $0.times > 0 }
        guard let index else { return nil }
        faults[index].times -= 1
        faultsMet += 1
        defer { faults.removeAll { $0.times == 0 } }
        return faults[index].kind
    }

    mutating func set(_ object: DocumentNode, at path: String) {
        version += 1
        let metadata = object["metadata"] ?? .object([])
        let name = "\(metadata["namespace"]?.string ?? "")/\(metadata["name"]?.string ?? "")"
        let old = collections[path]?[name]
        let uid = old?.object["metadata"]?["uid"] ?? .text("uid-\(version)")
        var stored = metadata.setting("resourceVersion", to: .text("\(version)"))
        if metadata["uid"] == nil { stored = stored.setting("uid", to: uid) }
        if metadata["creationTimestamp"] == nil {
            stored = stored.setting("creationTimestamp", to: .text("2026-01-02T03:04:05Z"))
        }
        let complete = object.setting("metadata", to: stored)
        collections[path, default: [:]][name] = Stored(object: complete, version: version, name: name)
        history.append(
            Change(version: version, type: old == nil ? "ADDED" : "MODIFIED", path: path, object: complete))
    }

    mutating func remove(_ name: String, at path: String) {
        guard let old = collections[path]?.removeValue(forKey: name) else { return }
        version += 1
        let metadata = (old.object["metadata"] ?? .object([])).setting("resourceVersion", to: .text("\(version)"))
        history.append(
            Change(version: version, type: "DELETED", path: path, object: old.object.setting("metadata", to: metadata)))
    }

    /// A page of a list and where the next begins; nil: the token has expired.
    mutating func page(_ path: String, limit: Int, token: String) -> (items: [Stored], version: Int, next: String)? {
        var (at, from) = (version, 0)
        if !token.isEmpty {
            let parts = token.split(separator: ".").compactMap { Int($0) }
            guard parts.count == 2, parts[0] >= compacted else { return nil }
            (at, from) = (parts[0], parts[1])
        }
        let key = "\(path) \(at)"
        let all = snapshots[key] ?? collections[path, default: [:]].values.sorted { $0.name < $1.name }
        let page = Array(all.dropFirst(from).prefix(limit == 0 ? .max : limit))
        let next = from + page.count
        let isLast = next >= all.count
        snapshots[key] = isLast ? nil : all
        return (page, at, isLast ? "" : "\(at).\(next)")
    }
}
