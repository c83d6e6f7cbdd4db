// SPDX-License-Identifier: Apache-2.0
import Documents

/// Why a call of the plugin fails, as reported to the runtime (CNI specification, section 5, "Error").
public struct CNIError: Error, Sendable, Hashable, CustomStringConvertible {
    /// Well-known codes below 100, and the plugin's own from 100 on.
    public enum Code: Int, Sendable, CaseIterable {
        case incompatibleVersion = 1
        case unsupportedField = 2
        case unknownContainer = 3
        /// A variable is missing from the environment or is not valid.
        case invalidEnvironment = 4
        case inputOutput = 5
        /// Standard input is not JSON.
        case undecodable = 6
        case invalidConfiguration = 7
        /// The daemon or the pod's policy is not there yet: the runtime should try again.
        case tryAgainLater = 11
        /// STATUS: pods cannot be added now.
        case notAvailable = 50
        /// STATUS: the policy of running pods is not certain either.
        case notAvailableLimited = 51
        /// The daemon's answer cannot be read.
        case malformedAnswer = 100
        /// The daemon has refused the call.
        case refused = 101
        /// CHECK: the pod's policy is not in the kernel, or is for other addresses than the pod's.
        case notProgrammed = 102
    }

    public var code: Code
    /// What is wrong, in one line.
    public var message: String
    /// What to do about it, or more about it; empty if there is nothing more to say.
    public var details: String

    public init(_ code: Code, _ message: String, details: String = "") {
        self.code = code
        self.message = message
        self.details = details
    }

    public var description: String { details.isEmpty ? message : "\(message): \(details)" }

    /// The error's JSON, as one line.
    ///
    /// - Parameter version: the configuration's `cniVersion`, if it could be read.
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
    /// The versions that the plugin supports: all that pass the previous result to a chained plugin.
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
