// SPDX-License-Identifier: Apache-2.0
import Documents

/// Why a call of the plugin fails, as the runtime is told (CNI specification, section 5, "Error").
public struct CNIError: Error, Sendable, Hashable, CustomStringConvertible {
    /// Well-known codes below 100, and the plugin's own from 100 on.
    public enum Code: Int, Sendable, CaseIterable {
        case incompatibleVersion = 1
        case unsupportedField = 2
        case unknownContainer = 3
        /// The environment lacks a variable, or has one that is not valid.
        case invalidEnvironment = 4
        case inputOutput = 5
        /// What came on standard input is no JSON.
        case undecodable = 6
        case invalidConfiguration = 7
        /// The daemon is not there yet, or the pod's policy is not: the runtime is to try again.
        case tryAgainLater = 11
        /// STATUS: pods cannot be added now.
        case notAvailable = 50
        /// STATUS: nor are the pods that are there sure to have the policy that they should.
        case notAvailableLimited = 51
        /// The daemon's answer is not understood.
        case malformedAnswer = 100
        /// The daemon has refused the call.
        case refused = 101
        /// CHECK: the pod's policy is not in the kernel, or is not about the addresses that the pod has.
        case notProgrammed = 102
    }

    public var code: Code
    /// What is wrong, in one line.
    public var message: String
    /// What to do about it, or more about it; empty where there is no more to say.
    public var details: String

    public init(_ code: Code, _ message: String, details: String = "") {
        self.code = code
        self.message = message
        self.details = details
    }

    public var description: String { details.isEmpty ? message : "\(message): \(details)" }

    /// The error's JSON, as one line.
    ///
    /// - Parameter version: the configuration's `cniVersion`, where that could be read.
    public func json(version: String?) -> String {
        var fields: [(String, DocumentNode)] = [
            ("cniVersion", .string(version ?? CNIVersion.newest)), ("code", .integer(Int64(code.rawValue))),
            ("msg", .string(message)),
        ]
        if !details.isEmpty { fields.append(("details", .string(details))) }
        return DocumentNode.object(fields).json + "\n"
    }
}

/// Versions of the CNI specification.
public enum CNIVersion {
    /// Those by which the plugin works: all that hand a chained plugin the result before it.
    public static let supported = ["0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"]
    public static let newest = "1.1.0"

    /// The answer to VERSION.
    public static func answer(to version: String?) -> String {
        let answer = DocumentNode.object([
            ("cniVersion", .string(version ?? newest)), ("supportedVersions", .array(supported.map { .string($0) })),
        ])
        return answer.json + "\n"
    }
}
