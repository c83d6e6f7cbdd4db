// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import NetworkTypes
import PolicyModel

/// A named container port as numbers.
package struct IndexedPort: Sendable, Hashable, Comparable {
    package var name: PortName
    package var number: UInt16
    package init(name: PortName, number: UInt16) {
        self.name = name
        self.number = number
    }
    package static func < (a: Self, b: Self) -> Bool {
        a.name == b.name ? a.number < b.number : a.name < b.name
    }
}

/// What a rule's named port refers to: the name (a number of ``ClusterState/strings``) and the protocol.
package struct PortName: Sendable, Hashable, Comparable {
    package var name: UInt32
    package var ipProtocol: IPProtocol
    package init(name: UInt32, ipProtocol: IPProtocol) {
        self.name = name
        self.ipProtocol = ipProtocol
    }
    package static func < (a: Self, b: Self) -> Bool { (a.name, a.ipProtocol) < (b.name, b.ipProtocol) }
}

/// The parts of a pod that selectors see. All pods with the same key are one group.
struct GroupKey: Sendable, Hashable {
    var namespace: UInt32
    var labels: UInt32
    var ports: UInt32
    /// The service account's name: a number of ``ClusterState/strings``.
    var account: UInt32

    var fullAccount: FullAccount { FullAccount(namespace: namespace, account: account) }
}

/// A service account by its namespace and name, as numbers.
struct FullAccount: Sendable, Hashable {
    var namespace: UInt32
    var account: UInt32
}

/// The pods of one namespace with the same labels, named ports and service account: what selectors are matched against.
/// Only pods with addresses to which policy applies are members.
package struct PodGroup: Sendable {
    var key: GroupKey
    package var namespace: UInt32 { key.namespace }
    package var members: [UInt32] = []
    package var isActive: Bool { !members.isEmpty }
}

/// The compact form of a pod, or of an endpoint of this node without an object: strings and label sets are in shared
/// tables, because there are 150,000 of these.
package struct PodRecord: Sendable {
    static let noGroup = UInt32.max
    /// Empty for endpoints without an object: see ``EndpointsWithoutObject``.
    package var name: String
    package var namespace: UInt32
    /// ``noGroup`` for pods without addresses to which policy applies, and for held and pushed endpoints.
    package var group = Self.noGroup
    var position: UInt32 = 0
    var createdAt: Int64
    var uid: UIDBits
    /// The addresses that it claims, without duplicates, sorted.
    package var addresses: [IPAddress]
    package var kind = EndpointKind.pod
    var source: ClaimSource
    package var isLocal: Bool
    /// hostNetwork, or phase Succeeded or Failed: policy ignores ``addresses``.
    package var isOutsidePolicy: Bool
    var isFinished: Bool

    package var hasGroup: Bool { group != Self.noGroup }
}

package struct NamespaceRecord: Sendable {
    package var name: String
    var labels: UInt32
    /// Whether a Namespace object exists; otherwise the namespace is implied by its pods and policies.
    var isExplicit = false
    /// Pods, policies, groups and the Namespace object.
    var references = 0
    /// Active groups, sorted.
    package var groups: [UInt32] = []
    /// Policies that select pods by this namespace's name, in order of evaluation.
    var policies: [UInt32] = []
}

/// A pod's UID as 128 bits, which distinguishes a pod from its successor under the same name: the digits of a UUID, or
/// FNV-1a in two lanes of any other text.
struct UIDBits: Sendable, Hashable {
    var high: UInt64
    var low: UInt64

    init(_ text: String) {
        high = 0
        low = 0
        var digits = 0
        for byte in text.utf8 where byte != UInt8(ascii: "-") {
            guard let digit = Self.digit(byte), digits < 32 else {
                digits = 33
                break
            }
            if digits < 16 { high = high << 4 | digit } else { low = low << 4 | digit }
            digits += 1
        }
        guard digits != 32, !text.isEmpty else { return }
        high = 0xcbf2_9ce4_8422_2325
        low = 0x8422_2325_cbf2_9ce4
        for byte in text.utf8 {
            high = (high ^ UInt64(byte)) &* 0x100_0000_01b3
            low = (low ^ UInt64(~byte)) &* 0x100_0000_01b3
        }
    }

    private static func digit(_ byte: UInt8) -> UInt64? {
        switch byte {
        case 48...57: UInt64(byte - 48)
        case 97...102: UInt64(byte - 87)
        case 65...70: UInt64(byte - 55)
        default: nil
        }
    }
}

/// What events changed since the last ``ClusterState/commit()``: where the resolver must look.
package struct ClusterChanges: Sendable {
    /// Addresses whose owner or whose owner's group may differ; may repeat.
    package var addresses: [IPAddress] = []
    /// Pods, and endpoints without an object, that are, or were, local and differ.
    package var localPods: Set<UInt32> = []
    /// Pods that were replaced by another object of the same name.
    package var replacedPods: Set<UInt32> = []
    /// Groups that got their first member or lost their last.
    package var groups: Set<UInt32> = []
    /// Namespaces that are new or have other labels.
    package var namespaces: Set<UInt32> = []
    package var policies: Set<UInt32> = []
    /// Port names that got or lost a number somewhere in the cluster.
    package var portNames: Set<PortName> = []
    package var ownNode = false
    /// Some node's labels or addresses.
    package var nodes = false

    package init() {}

    package var isEmpty: Bool {
        addresses.isEmpty && localPods.isEmpty && replacedPods.isEmpty && groups.isEmpty && namespaces.isEmpty
            && policies.isEmpty && portNames.isEmpty && !ownNode && !nodes
    }
}
