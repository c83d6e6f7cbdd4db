// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects

/// Something to tell about an object of the cluster, where those look who look after it.
public struct ObjectReport: Sendable, Hashable {
    public var object: ObjectKey
    /// metadata.uid; empty where it is not known.
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

    /// Of the Event: made of what it says, so that of all nodes that say the same one is heard.
    var name: String {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in "\(object) \(uid) \(reason) \(message)".utf8 {
            hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3
        }
        let digits = String(hash, radix: 16)
        // Names have 253 characters at most.
        return "\(object.name.prefix(236)).\(String(repeating: "0", count: 16 - digits.count))\(digits)"
    }

    /// Events of objects without a namespace stand in this one.
    var namespace: String { object.namespace.isEmpty ? "default" : object.namespace }
}
