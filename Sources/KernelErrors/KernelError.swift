// SPDX-License-Identifier: Apache-2.0

/// Why the kernel could not be programmed. What was programmed before stays.
public enum KernelError: Error, Sendable, Hashable, CustomStringConvertible {
    /// `operation` failed with the errno `code`; `detail` is what the kernel said (a verifier log, say).
    case system(operation: String, code: Int32, detail: String)
    /// The kernel or its set-up lacks something; `remedy` says what to do.
    case unsupported(what: String, remedy: String)
    /// Another process has what only one can have: what, and who.
    case inUse(String)
    /// A limit of the tables was reached.
    case limit(what: String, limit: Int)
    /// Somebody has taken away a part of what enforces.
    case missing(String)
    /// What is pinned contradicts itself or its layout.
    case corrupt(String)

    public var description: String {
        switch self {
        case .system(let operation, let code, let detail):
            "\(operation): \(ErrorNumber.text(code))\(detail.isEmpty ? "" : ": \(detail)")\(ErrorNumber.remedy(code))"
        case .unsupported(let what, let remedy): "\(what): \(remedy)"
        case .inUse(let what): "\(what); stop it first"
        case .limit(let what, let limit): "\(what): limit of \(limit) reached"
        case .missing(let what): "\(what) is gone: somebody else has removed it"
        case .corrupt(let what): "corrupt tables: \(what)"
        }
    }
}
