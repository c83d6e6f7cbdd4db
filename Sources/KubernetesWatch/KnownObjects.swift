// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects

/// Which objects of one kind are known, and in which version: enough to distinguish a change from a repetition. The
/// objects themselves are not kept.
struct KnownObjects: Sendable {
    private struct Entry {
        /// metadata.resourceVersion.
        var version: String
        /// The last list that contained it.
        var round: UInt32
    }

    private let kind: ObjectKind
    private var entries: [String: [String: Entry]] = [:]
    private(set) var count = 0

    init(kind: ObjectKind) { self.kind = kind }

    func version(_ key: ObjectKey) -> String? { entries[key.namespace]?[key.name]?.version }

    /// Returns the previously known version.
    @discardableResult mutating func set(_ key: ObjectKey, version: String, round: UInt32) -> String? {
        let old = entries[key.namespace, default: [:]].updateValue(
            Entry(version: version, round: round), forKey: key.name)
        if old == nil { count += 1 }
        return old?.version
    }

    /// Records that a list contains it, and returns the known version.
    mutating func mark(_ key: ObjectKey, round: UInt32) -> String? {
        guard let version = version(key) else { return nil }
        entries[key.namespace]?[key.name]?.round = round
        return version
    }

    /// Returns whether it was known.
    mutating func remove(_ key: ObjectKey) -> Bool {
        guard entries[key.namespace]?.removeValue(forKey: key.name) != nil else { return false }
        if entries[key.namespace]?.isEmpty == true { entries[key.namespace] = nil }
        count -= 1
        return true
    }

    /// Removes all objects that are not in the list of this number, in order.
    mutating func removeUnmarked(round: UInt32) -> [ObjectKey] {
        var gone: [ObjectKey] = []
        for (namespace, objects) in entries {
            for (name, entry) in objects where entry.round != round {
                gone.append(ObjectKey(kind: kind, namespace: namespace, name: name))
            }
        }
        for key in gone { _ = remove(key) }
        return gone.sorted()
    }
}
