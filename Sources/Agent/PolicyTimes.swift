// SPDX-License-Identifier: Apache-2.0
import ControlProtocol
import KubernetesObjects

/// When policies last changed, as far as this daemon has seen it. What was in force at its start may have changed at any
/// time before.
struct PolicyTimes {
    /// Policies as last seen: an object that is sent again without a difference has not changed.
    private var seen: [ObjectKey: KubernetesObject] = [:]
    private var changes: [ObjectKey: String] = [:]
    /// Policies that are gone, for when they come back as others, oldest first.
    private var gone: [KubernetesObject] = []
    private static let goneLimit = 256

    /// A policy that is no longer what it was.
    struct Edit {
        var before: KubernetesObject
        var after: KubernetesObject
    }

    /// Nil: it has not changed since the daemon knows it.
    subscript(_ policy: ObjectKey) -> String? { changes[policy] }

    /// Records the policies in force at first. Those that were seen before keep their times.
    ///
    /// - Returns: what has changed since then.
    mutating func begin(_ policies: [KubernetesObject]) -> [Edit] {
        var edits: [Edit] = []
        let now = RFC3339.now()
        var begun: [ObjectKey: KubernetesObject] = [:]
        for policy in policies {
            if let old = seen[policy.key], old != policy {
                changes[policy.key] = now
                edits.append(Edit(before: old, after: policy))
            }
            begun[policy.key] = policy
        }
        seen = begun
        changes = changes.filter { begun[$0.key] != nil }
        return edits
    }

    /// Records changes of what is in force.
    ///
    /// - Returns: the policies that are others than before, by the same names.
    mutating func note(_ events: [ObjectEvent]) -> [Edit] {
        var edits: [Edit] = []
        for event in events where event.key.kind.isPolicy {
            switch event {
            case .set(let policy):
                let known = seen.updateValue(policy, forKey: policy.key)
                if known != policy { changes[policy.key] = RFC3339.now() }
                if let before = known ?? takeGone(policy.key), before != policy {
                    edits.append(Edit(before: before, after: policy))
                }
            case .removed(let key):
                if let policy = seen.removeValue(forKey: key) { gone.append(policy) }
                if gone.count > Self.goneLimit { gone.removeFirst(gone.count - Self.goneLimit) }
                changes[key] = nil
            }
        }
        return edits
    }

    private mutating func takeGone(_ key: ObjectKey) -> KubernetesObject? {
        gone.lastIndex { $0.key == key }.map { gone.remove(at: $0) }
    }
}
