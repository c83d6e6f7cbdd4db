// SPDX-License-Identifier: Apache-2.0

/// Answer of `GET /v1/verify`: whether everything that enforces is as it should be, checked now.
public struct VerifyAnswer: Codable, Sendable, Hashable {
    /// The node whose kernel was checked.
    public var node: String
    /// Whether all checks passed, without a repair.
    public var passed: Bool
    /// In the order in which they were made.
    public var checks: [VerifyCheck]
    /// The last repair before this call; nil if there was none since the daemon's start.
    public var lastRepair: RepairRecord?

    public init(node: String, checks: [VerifyCheck], lastRepair: RepairRecord? = nil) {
        self.node = node
        self.checks = checks
        self.lastRepair = lastRepair
        passed = checks.allSatisfy { $0.result == .passed || $0.result == .skipped }
    }
}

/// One check of a ``VerifyAnswer``.
public struct VerifyCheck: Codable, Sendable, Hashable {
    public enum Name: String, Codable, Sendable, CaseIterable {
        /// The hooks and tables exist in the kernel.
        case hooks
        /// The kernel holds the newest policy of all sources.
        case policy
        /// The content of the kernel's tables is what was compiled.
        case tables
        /// Each pod has room in the tables, and so have its rules.
        case limits
        /// The interface of each pod is known.
        case interfaces
        /// The kernel tracks connections, and has room for new ones.
        case connections
        /// Packets within bridges are filtered.
        case bridges
        /// Flows whose requests decide have a proxy.
        case requests
        /// Kernel and policy give the same answers.
        case proof
    }

    public enum Result: String, Codable, Sendable {
        case passed
        /// It was not as it should be, and is now.
        case repaired
        case failed
        /// There is nothing to check on this node.
        case skipped
    }

    public var name: Name
    public var result: Result
    /// What was found.
    public var detail: String
    /// What to do; nil if there is nothing to do.
    public var remedy: String?
    /// What was repaired; nil if nothing was.
    public var repair: RepairRecord?

    public init(
        _ name: Name, _ result: Result, _ detail: String, remedy: String? = nil, repair: RepairRecord? = nil
    ) {
        self.name = name
        self.result = result
        self.detail = detail
        self.remedy = remedy
        self.repair = repair
    }
}
