// SPDX-License-Identifier: Apache-2.0

/// What one step of a comparison of everything that is programmed with policy has come to.
public enum ComparedPart: Sendable {
    /// A part is equal; the next call compares the next one.
    case equal
    /// The next part takes long and needs no state of the datapath: the caller runs it on any thread, and calls again
    /// after it.
    case elsewhere(@Sendable () -> Void)
    /// What was compared has changed meanwhile; the next call begins again.
    case changed
    /// The comparison is at its end. The differences are in words, some of them if there are many; none: all is equal.
    case finished(differences: [String])

    /// Differences that are named at most.
    public static let namedLimit = 16
}
