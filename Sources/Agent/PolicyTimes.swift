// SPDX-License-Identifier: Apache-2.0
import ControlProtocol
import KubernetesObjects

/// When policies last changed, as far as this daemon has seen it. What was in force at its start may have changed at any
/// time before.
struct PolicyTimes {
    /// Policies as last seen: an object that is sent again without a difference has not changed.
    private var seen: [ObjectKey: KubernetesObject] = [:]
    private var changes: [ObjectKey: String] = [:]

    /// Nil: it has not changed since the daemon knows it.
    subscript(_ policy: ObjectKey) -> String? { changes[policy] }

    /// Records the policies in force at first. Those that were seen before keep their times.
    mutating func begin(_ policies: [KubernetesObject]) {
        let now = RFC3339.now()
        var begun: [ObjectKey: KubernetesObject] = [:]
        for policy in policies {
            if let old = seen[policy.key], old != policy { changes[policy.key] = now }
            begun[policy.key] = policy
        }
        seen = begun
        changes = changes.filter { begun[$0.key] != nil }
    }

    /// Records changes of what is in force.
    mutating func note(_ events: [ObjectEvent]) {
        for event in events where event.key.kind.isPolicy {
            switch event {
            case .set(let policy):
                if seen.updateValue(policy, forKey: policy.key) != policy { changes[policy.key] = RFC3339.now() }
            case .removed(let key):
                seen[key] = nil
                changes[key] = nil
            }
        }
    }
}
