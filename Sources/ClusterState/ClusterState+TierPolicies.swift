// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import NetworkTypes
import PolicyModel

/// Policies of the tiers are told apart by kind and name.
struct TierPolicyName: Sendable, Hashable {
    var kind: ObjectKind
    var name: String
}

/// A policy of the Admin or Baseline tier with its selectors in canonical form.
package struct TierPolicyRecord: Sendable, Equatable {
    package var reference: PolicyReference
    package var tier: Tier
    package var priority: Int32
    package var subject: IndexedPodSelection
    package var isInAudit: Bool
    package var ingress: [IndexedTierRule]
    package var egress: [IndexedTierRule]
    /// Retained while the record lives.
    var strings: [UInt32]

    /// Before whom it is evaluated: tier, priority, name, kind.
    fileprivate func precedes(_ other: TierPolicyRecord) -> Bool {
        if tier != other.tier { return tier < other.tier }
        if priority != other.priority { return priority < other.priority }
        return (reference.name, reference.kind) < (other.reference.name, other.reference.kind)
    }
}

package struct IndexedPodSelection: Sendable, Hashable {
    package var namespaces: IndexedSelector
    package var pods: IndexedSelector
}

package struct IndexedTierRule: Sendable, Equatable {
    package var name: String?
    package var action: RuleAction
    package var peers: [IndexedTierPeer]
    /// Nil: every port of every protocol.
    package var ports: [IndexedPolicyPort]?
    /// It has parts that are not understood.
    package var isPartial: Bool
}

package enum IndexedTierPeer: Sendable, Hashable {
    case pods(IndexedPodSelection)
    case nodes(IndexedSelector)
    case networks([CIDR])
}

extension ClusterState {
    mutating func set(_ policy: TierPolicy) {
        let record = index(policy)
        let key = TierPolicyName(kind: policy.kind.objectKind, name: policy.metadata.name)
        if let number = tierPolicyNumbers[key] {
            guard var old = tierPolicies[Int(number)] else { preconditionFailure("policy without a record") }
            released.strings += old.strings
            old.strings = record.strings
            if old != record {
                changes.tierPolicies.insert(number)
                orderedTierPolicies.removeAll { $0 == number }
                tierPolicies[Int(number)] = record
                insertOrdered(number, record)
            } else {
                tierPolicies[Int(number)] = record
            }
            return
        }
        let number: UInt32
        if let old = freeTierPolicies.popLast() {
            number = old
            tierPolicies[Int(old)] = record
        } else {
            number = UInt32(tierPolicies.count)
            tierPolicies.append(record)
        }
        tierPolicyNumbers[key] = number
        insertOrdered(number, record)
        changes.tierPolicies.insert(number)
    }

    mutating func removeTierPolicy(_ kind: ObjectKind, _ name: String) {
        guard let number = tierPolicyNumbers.removeValue(forKey: TierPolicyName(kind: kind, name: name)),
            let record = tierPolicies[Int(number)]
        else { return }
        orderedTierPolicies.removeAll { $0 == number }
        tierPolicies[Int(number)] = nil
        released.strings += record.strings
        released.tierPolicies.append(number)
        changes.tierPolicies.insert(number)
    }

    private mutating func insertOrdered(_ number: UInt32, _ record: TierPolicyRecord) {
        var low = 0
        var high = orderedTierPolicies.count
        while low < high {
            let middle = (low + high) / 2
            let isBefore = tierPolicies[Int(orderedTierPolicies[middle])]?.precedes(record) ?? true
            if isBefore { low = middle + 1 } else { high = middle }
        }
        orderedTierPolicies.insert(number, at: low)
    }

    /// Whether a policy's subject holds the pods of a group.
    package func selects(_ policy: TierPolicyRecord, group: UInt32) -> Bool {
        policy.subject.namespaces.matches(labels(ofNamespace: groups[Int(group)].namespace))
            && policy.subject.pods.matches(labels(ofGroup: group))
    }

    private mutating func index(_ policy: TierPolicy) -> TierPolicyRecord {
        var used: [UInt32] = []
        let subject = index(policy.subject, retaining: &used)
        let ingress = policy.ingress.map { index($0, retaining: &used) }
        let egress = policy.egress.map { index($0, retaining: &used) }
        return TierPolicyRecord(
            reference: PolicyReference(kind: policy.kind.rawValue, namespace: "", name: policy.metadata.name),
            tier: policy.tier == .admin ? .admin : .baseline, priority: policy.priority, subject: subject,
            isInAudit: policy.enforcement == .audit, ingress: ingress, egress: egress, strings: used)
    }

    private mutating func index(_ selection: PodSelection, retaining used: inout [UInt32]) -> IndexedPodSelection {
        IndexedPodSelection(
            namespaces: index(selection.namespaces, retaining: &used), pods: index(selection.pods, retaining: &used))
    }

    private mutating func index(_ rule: TierRule, retaining used: inout [UInt32]) -> IndexedTierRule {
        let action: RuleAction =
            switch rule.action {
            case .accept: .allow
            case .deny: .deny
            case .pass: .pass
            }
        var result = IndexedTierRule(
            name: rule.name, action: action, peers: [], ports: nil, isPartial: !rule.unknown.isEmpty)
        for peer in rule.peers {
            switch peer {
            case .pods(let selection): result.peers.append(.pods(index(selection, retaining: &used)))
            case .nodes(let selector): result.peers.append(.nodes(index(selector, retaining: &used)))
            case .networks(let networks): result.peers.append(.networks(networks))
            }
        }
        guard let ports = rule.ports else { return result }
        result.ports = ports.flatMap { port -> [IndexedPolicyPort] in
            switch port {
            case .range(let ipProtocol, let range): return [.range(ProtocolPorts(ipProtocol, range))]
            case .named(let name):
                let (number, _) = strings.retain(name)
                used.append(number)
                return IPProtocol.withPorts.map { .named(PortName(name: number, ipProtocol: $0)) }
            }
        }
        return result
    }
}
