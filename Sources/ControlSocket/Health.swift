// SPDX-License-Identifier: Apache-2.0

/// Whether the kernel enforces what it should.
public struct Health: Sendable, Hashable {
    /// What is missing in the kernel and could not be restored. `/healthz` fails: a restart may help.
    public var missing: [String]
    /// Why the kernel does not hold the newest policy yet. `/readyz` fails.
    public var behind: [String]

    public init(missing: [String] = [], behind: [String] = []) {
        self.missing = missing
        self.behind = behind
    }

    /// All problems, worst first. Empty: healthy.
    public var problems: [String] { missing + behind }
}
