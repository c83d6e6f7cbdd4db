// SPDX-License-Identifier: Apache-2.0
import NetworkTypes
import PolicyModel

/// A policy with its selectors in canonical form.
package struct PolicyRecord: Sendable, Equatable {
    package var order: PolicyOrder
    package var subject: IndexedSubject
    package var isolates: Set<Direction>
    package var isInAudit: Bool
    /// Whether its rules only report what they match.
    package var isReport: Bool
    package var ingress: [IndexedRule]
    package var egress: [IndexedRule]
    /// The strings and namespaces that the record retains while it lives.
    var retained: RetainedNumbers

    package var reference: PolicyReference { order.reference }
}

/// Numbers of strings and namespaces that a record refers to.
struct RetainedNumbers: Sendable, Equatable {
    /// One entry per reference.
    var strings: [UInt32] = []
    /// Without duplicates.
    var namespaces: [UInt32] = []
}

/// Pods by namespace and labels: a ``PodSubject`` in canonical form.
package struct IndexedSubject: Sendable, Hashable {
    package var namespaces: IndexedScope
    package var pods: IndexedSelector

    /// Whether pods with these labels in a namespace with those belong.
    func holds(_ namespace: UInt32, _ labelsOfNamespace: [LabelPair], _ labels: [LabelPair]) -> Bool {
        switch namespaces {
        case .namespace(let own): guard own == namespace else { return false }
        case .selector(let selector): guard selector.matches(labelsOfNamespace) else { return false }
        }
        return pods.matches(labels)
    }
}

/// Namespaces by number or by label.
package enum IndexedScope: Sendable, Hashable {
    case namespace(UInt32)
    case selector(IndexedSelector)
}

/// A ``PodIdentity`` in canonical form.
package struct IndexedIdentity: Sendable, Hashable {
    package enum Namespaces: Sendable, Hashable {
        case number(UInt32)
        /// Never ``TextMatch/exact(_:)``.
        case matching(TextMatch)
    }
    package enum Accounts: Sendable, Hashable {
        /// The account's name: a number of ``ClusterState/strings``.
        case number(UInt32)
        /// Never ``TextMatch/exact(_:)``.
        case matching(TextMatch)
    }
    package var namespaces: Namespaces
    package var accounts: Accounts
}

/// A ``PeerCondition`` in canonical form.
package struct IndexedCondition: Sendable, Hashable {
    package var peers: [IndexedPeer]
    package var isExcluded: Bool
}

/// A ``PolicyRule`` in canonical form.
package struct IndexedRule: Sendable, Equatable {
    package var name: String?
    package var action: RuleAction
    /// Nil: every address. Empty: none.
    package var peers: [IndexedPeer]?
    package var conditions: [IndexedCondition]
    package var destinations: [DestinationCondition]
    /// Nil: every port of every protocol. Empty: none.
    package var ports: [IndexedPolicyPort]?
    package var request: RequestMatch?
    package var writtenIndex: Int?
}

/// A ``PolicyPeer`` in canonical form.
package enum IndexedPeer: Sendable, Hashable {
    case pods(IndexedSubject)
    case identity(IndexedIdentity)
    case nodes(IndexedSelector)
    case block(AddressBlock)
}

/// A ``PolicyPort`` in canonical form.
package enum IndexedPolicyPort: Sendable, Hashable {
    case range(ProtocolPorts)
    case named(PortName)
}
