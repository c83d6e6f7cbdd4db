// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import NetworkTypes
import PolicyModel

extension ClusterState {
    mutating func set(_ policy: NetworkPolicy) {
        let namespace = retainNamespace(policy.metadata.namespace)
        let record = index(policy, in: namespace)
        let key = ScopedName(namespace: namespace, name: policy.metadata.name)
        if let number = policyNumbers[key] {
            releaseNamespace(namespace)
            guard var old = policies[Int(number)] else { preconditionFailure("policy without a record") }
            released.strings += old.strings
            old.strings = record.strings
            if old != record { changes.policies.insert(number) }
            policies[Int(number)] = record
            return
        }
        let number: UInt32
        if let old = freePolicies.popLast() {
            number = old
            policies[Int(old)] = record
        } else {
            number = UInt32(policies.count)
            policies.append(record)
        }
        policyNumbers[key] = number
        let index = position(of: record.name, in: namespace)
        namespaces[Int(namespace)].policies.insert(number, at: index)
        changes.policies.insert(number)
    }

    mutating func removePolicy(namespace: String, name: String) {
        guard let namespace = namespaceNumbers[namespace],
            let number = policyNumbers.removeValue(forKey: ScopedName(namespace: namespace, name: name)),
            let record = policies[Int(number)]
        else { return }
        namespaces[Int(namespace)].policies.remove(at: position(of: name, in: namespace))
        policies[Int(number)] = nil
        released.strings += record.strings
        released.policies.append(number)
        releaseNamespace(namespace)
        changes.policies.insert(number)
    }

    /// Where a policy of this name stands, or would stand, among those of its namespace.
    private func position(of name: String, in namespace: UInt32) -> Int {
        let list = namespaces[Int(namespace)].policies
        var low = 0
        var high = list.count
        while low < high {
            let middle = (low + high) / 2
            if let record = policies[Int(list[middle])], record.name < name { low = middle + 1 } else { high = middle }
        }
        return low
    }

    private mutating func index(_ policy: NetworkPolicy, in namespace: UInt32) -> PolicyRecord {
        var used: [UInt32] = []
        let selector = index(policy.podSelector, retaining: &used)
        let ingress = policy.ingress.map { index($0, retaining: &used) }
        let egress = policy.egress.map { index($0, retaining: &used) }
        return PolicyRecord(
            name: policy.metadata.name, namespace: namespace, podSelector: selector, isolates: policy.policyTypes,
            isInAudit: policy.enforcement == .audit, ingress: ingress, egress: egress, strings: used)
    }

    private mutating func index(_ rule: NetworkPolicyRule, retaining used: inout [UInt32]) -> IndexedRule {
        var result = IndexedRule(peers: [], ports: [])
        for peer in rule.peers {
            switch peer {
            case .pods(let namespaces, let pods):
                let namespaceSelector = namespaces.map { index($0, retaining: &used) }
                let podSelector = index(pods ?? LabelSelector(), retaining: &used)
                result.peers.append(.pods(namespaces: namespaceSelector, pods: podSelector))
            case .ipBlock(let cidr, let except):
                result.peers.append(.block(AddressBlock(cidr: cidr, except: except)))
            }
        }
        for port in rule.ports {
            switch port.port {
            case .any: result.ports.append(.range(ProtocolPorts(port.ipProtocol, .all)))
            case .range(let range): result.ports.append(.range(ProtocolPorts(port.ipProtocol, range)))
            case .named(let name):
                let (number, _) = strings.retain(name)
                used.append(number)
                result.ports.append(.named(PortName(name: number, ipProtocol: port.ipProtocol)))
            }
        }
        return result
    }
}
