// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects

/// A report about an object of the cluster, for the people who look after it.
public struct ObjectReport: Sendable, Hashable {
    public var object: ObjectKey
    /// metadata.uid; empty if unknown.
    public var uid: String
    /// One word in CamelCase, for programs.
    public var reason: String
    /// A sentence.
    public var message: String
    public init(object: ObjectKey, uid: String, reason: String, message: String) {
        self.object = object
        self.uid = uid
        self.reason = reason
        self.message = message
    }

    /// The name of the Event. It is derived from the content, so that of all nodes with the same report one creates it.
    var name: String {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in "\(object) \(uid) \(reason) \(message)".utf8 {
            hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3
        }
        let digits = String(hash, radix: 16)
        // A name has at most 253 characters.
        return "\(object.name.prefix(236)).\(String(repeating: "0", count: 16 - digits.count))\(digits)"
    }

    /// Events about cluster-wide objects are in this namespace.
    var namespace: String { object.namespace.isEmpty ? "default" : object.namespace }
}
