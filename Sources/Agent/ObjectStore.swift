// SPDX-License-Identifier: Apache-2.0
import ControlProtocol
import KubernetesObjects

/// Which objects are in force and who owns each: a manifest file or the clients of the socket. A file wins: a push of
/// an object that a file owns is refused, and a file that brings an object that was pushed takes it over.
struct ObjectStore {
    private(set) var files: Set<ObjectKey> = []
    private(set) var pushed: [ObjectKey: KubernetesObject] = [:]

    /// In order, so that the same pushes give the same file.
    var pushedObjects: [KubernetesObject] { pushed.sorted { $0.key < $1.key }.map(\.value) }

    /// Takes in what changed in the files.
    mutating func take(_ events: [ObjectEvent]) {
        for event in events {
            switch event {
            case .set(let object):
                files.insert(object.key)
                pushed[object.key] = nil
            case .removed(let key): files.remove(key)
            }
        }
    }

    /// Takes in a push of objects, all or none.
    ///
    /// - Returns: what changes, and the answer to give.
    /// - Throws: an ``ErrorAnswer`` that names each object that a file owns or that comes twice.
    mutating func push(_ objects: [KubernetesObject]) throws(ErrorAnswer) -> ([ObjectEvent], ObjectsAnswer) {
        try refuseOwned(objects.map(\.key))
        var events: [ObjectEvent] = []
        var answer = ObjectsAnswer()
        for object in objects.sorted(by: { $0.key < $1.key }) {
            if pushed.updateValue(object, forKey: object.key) == object {
                answer.unchanged.append("\(object.key)")
            } else {
                events.append(.set(object))
                answer.applied.append("\(object.key)")
            }
        }
        return (events, answer)
    }

    /// Takes pushed objects back, all or none.
    mutating func delete(_ keys: [ObjectKey]) throws(ErrorAnswer) -> ([ObjectEvent], ObjectsAnswer) {
        try refuseOwned(keys)
        let missing = keys.filter { pushed[$0] == nil }.map { "\($0)" }
        guard missing.isEmpty else {
            throw ErrorAnswer(.notFound, "nothing was deleted; not there: \(missing.joined(separator: ", "))")
        }
        let sorted = keys.sorted()
        for key in sorted { pushed[key] = nil }
        return (sorted.map { .removed($0) }, ObjectsAnswer(deleted: sorted.map { "\($0)" }))
    }

    private func refuseOwned(_ keys: [ObjectKey]) throws(ErrorAnswer) {
        var seen: Set<ObjectKey> = []
        var twice: [Problem] = []
        var owned: [Problem] = []
        for key in keys {
            if !seen.insert(key).inserted {
                twice.append(Problem(object: "\(key)", field: "", reason: "comes more than once"))
            }
            if files.contains(key) {
                owned.append(
                    Problem(
                        object: "\(key)", field: "", reason: "is owned by a manifest file",
                        hint: "change it there, or give the object another name"))
            }
        }
        if !twice.isEmpty { throw ErrorAnswer(.invalidBody, "an object comes more than once", problems: twice) }
        if !owned.isEmpty {
            throw ErrorAnswer(.ownedByFile, "a manifest file owns an object of that name", problems: owned)
        }
    }
}
