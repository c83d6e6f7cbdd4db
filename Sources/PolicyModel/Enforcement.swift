// SPDX-License-Identifier: Apache-2.0

/// Whether a policy denies packets or is only tried.
public enum Enforcement: String, Sendable, Hashable {
    case enforce
    /// Compiled together with the enforced policies. Packets that the policy would deny are counted and reported, and
    /// pass.
    case audit
}
