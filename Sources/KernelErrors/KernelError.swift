// SPDX-License-Identifier: Apache-2.0

/// Why the kernel could not be programmed. Its previous state stays.
public enum KernelError: Error, Sendable, Hashable, CustomStringConvertible {
    /// `operation` failed with the errno `code`; `detail` is the kernel's message (a verifier log, for example).
    case system(operation: String, code: Int32, detail: String)
    /// The kernel or its configuration lacks something; `remedy` says what to do.
    case unsupported(what: String, remedy: String)
    /// Another process has what only one process may have; the text names both.
    case inUse(String)
    /// A limit of the tables was reached.
    case limit(what: String, limit: Int)
    /// Others have removed a part of what enforces.
    case missing(String)
    /// What is pinned is inconsistent or does not match its layout.
    case corrupt(String)

    public var description: String {
        switch self {
        case .system(let operation, let code, let detail):
            "\(operation): \(ErrorNumber.text(code))\(detail.isEmpty ? "" : ": \(detail)")\(ErrorNumber.remedy(code))"
        case .unsupported(let what, let remedy): "\(what): \(remedy)"
        case .inUse(let what): "\(what); stop it first"
        case .limit(let what, let limit): "\(what): limit of \(limit) reached"
        case .missing(let what): "\(what) is gone: another program has removed it"
        case .corrupt(let what): "corrupt tables: \(what)"
        }
    }
}
