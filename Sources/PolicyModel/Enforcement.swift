// SPDX-License-Identifier: Apache-2.0

/// Whether a policy stops packets or is only tried.
public enum Enforcement: String, Sendable, Hashable {
    case enforce
    /// Compiled beside the enforced policies. What the policy would deny is counted and reported, but not stopped.
    case audit
}
