// SPDX-License-Identifier: Apache-2.0

/// Labels that controllers set, to another value for each revision, run or pod of a workload: a policy that selects by
/// them loses the pods of the next rollout.
public enum PassingLabels {
    /// Their keys.
    public static let keys: Set = [
        "pod-template-hash", "rollouts-pod-template-hash", "controller-revision-hash", "pod-template-generation",
        "statefulset.kubernetes.io/pod-name", "apps.kubernetes.io/pod-index", "controller-uid", "job-name",
        "batch.kubernetes.io/controller-uid", "batch.kubernetes.io/job-name",
        "batch.kubernetes.io/job-completion-index",
    ]

    /// The labels by which a workload can be known for long.
    public static func removed(from labels: [String: String]) -> [String: String] {
        labels.filter { !keys.contains($0.key) }
    }
}
