// SPDX-License-Identifier: Apache-2.0

/// What ``Datapath/open()`` found in the kernel of a previous run.
public enum Takeover: Sendable, Hashable {
    case nothing
    /// Some of what enforces was missing and was put back: this, in words.
    case part([String])
    /// All hooks and tables were in place. Their content is compared later, with the policy of then: others may have
    /// changed it, and that is not known here.
    case whole
    /// Only tables of another version or of the other datapath, which enforce until everything is written.
    case other
}
