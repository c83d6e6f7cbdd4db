// SPDX-License-Identifier: Apache-2.0
import Documents

/// The plugin's entry in a node's CNI configuration.
public struct PluginSettings: Sendable, Hashable {
    /// What to do if a pod's policy is not in the kernel in time.
    public enum Expiry: String, Sendable, CaseIterable {
        /// ADD fails, and the kubelet retries.
        case deny
        /// The pod starts, and its packets pass unjudged until its object is known.
        case allow
    }

    /// The entry's `type`, which is the program's name.
    public static let type = "bulkhead-cni"

    /// The daemon's control socket.
    public var socket: String
    /// How long ADD waits for the pod's policy.
    public var deadlineMilliseconds: Int
    public var onDeadline: Expiry

    /// The allowed deadlines in milliseconds.
    public static let deadlines = 100...25000
    public static let defaultDeadlineMilliseconds = 10000

    public init(
        socket: String, deadlineMilliseconds: Int = Self.defaultDeadlineMilliseconds, onDeadline: Expiry = .deny
    ) {
        self.socket = socket
        self.deadlineMilliseconds = deadlineMilliseconds
        self.onDeadline = onDeadline
    }

    /// The entry as JSON, in one line.
    public var json: String {
        DocumentNode.object([
            ("type", .string(Self.type)), ("socket", .string(socket)),
            ("deadlineMilliseconds", .integer(Int64(deadlineMilliseconds))),
            ("onDeadline", .string(onDeadline.rawValue)),
        ]).json
    }

    init(_ entry: DocumentNode) throws(CNIError) {
        guard let socket = entry["socket"]?.string, socket.hasPrefix("/") else {
            throw CNIError(.invalidConfiguration, "'socket' must be the path of bulkheadd's control socket")
        }
        self.init(socket: socket)
        if let node = entry["deadlineMilliseconds"] {
            guard case .integer(let number) = node.value, let value = Int(exactly: number),
                Self.deadlines.contains(value)
            else {
                let range = Self.deadlines
                throw CNIError(
                    .invalidConfiguration,
                    "'deadlineMilliseconds' must be a whole number from \(range.lowerBound) to \(range.upperBound)")
            }
            deadlineMilliseconds = value
        }
        if let node = entry["onDeadline"] {
            guard let value = node.string.flatMap({ Expiry(rawValue: $0) }) else {
                throw CNIError(.invalidConfiguration, "'onDeadline' must be deny or allow")
            }
            onDeadline = value
        }
    }
}
