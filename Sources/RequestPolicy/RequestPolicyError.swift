// SPDX-License-Identifier: Apache-2.0
import Documents

/// Why lines are not a ``RequestPolicy``.
public enum RequestPolicyError: Error, Sendable, Hashable, CustomStringConvertible {
    case json(JSONError)
    /// A line without a known `line`, or with a field that is missing or has another type or range.
    case field(String, problem: String)
    /// A rule outside its program, or a program with fewer rules than it announced.
    case rulesOutOfPlace
    case lineTooLong(limit: Int)
    /// More parts than a reader holds.
    case tooMany(String, limit: Int)
    /// A class, program or endpoint refers to something that is not there.
    case dangling(String)
    /// What is held after a batch is not what the daemon holds.
    case checksum(expected: RequestPolicyChecksum, found: RequestPolicyChecksum)
    /// The text ends within a batch.
    case unfinished

    public var description: String {
        switch self {
        case .json(let error): "not JSON: \(error)"
        case .field(let name, let problem): "\(name) \(problem)"
        case .rulesOutOfPlace: "rules and programs do not match"
        case .lineTooLong(let limit): "a line exceeds the limit of \(limit) bytes"
        case .tooMany(let what, let limit): "\(what) exceed the limit of \(limit)"
        case .dangling(let what): "\(what) is named and not there"
        case .checksum(let expected, let found): "the checksum should be \(expected) and is \(found)"
        case .unfinished: "the last batch has no end"
        }
    }
}
