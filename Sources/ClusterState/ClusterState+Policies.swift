// SPDX-License-Identifier: Apache-2.0
import PolicyModel

extension ClusterState {
    mutating func set(_ policy: Policy) {
        let record = index(policy)
        guard let number = policyNumbers[policy.reference] else {
            add(record)
            return
        }
        guard var old = policies[Int(number)] else { preconditionFailure("policy without a record") }
        release(old.retained)
        old.retained = record.retained
        guard old != record else {
            policies[Int(number)] = record
            return
        }
        takeOutOfOrder(number)
        policies[Int(number)] = record
        putInOrder(number, record)
        changes.policies.insert(number)
    }

    private mutating func add(_ record: PolicyRecord) {
        let number: UInt32
        if let old = freePolicies.popLast() {
            number = old
            policies[Int(old)] = record
        } else {
            number = UInt32(policies.count)
            policies.append(record)
        }
        policyNumbers[record.reference] = number
        putInOrder(number, record)
        changes.policies.insert(number)
    }

    mutating func removePolicy(_ reference: PolicyReference) {
        guard let number = policyNumbers.removeValue(forKey: reference), let record = policies[Int(number)] else {
            return
        }
        takeOutOfOrder(number)
        policies[Int(number)] = nil
        release(record.retained)
        released.policies.append(number)
        changes.policies.insert(number)
    }

    private mutating func release(_ retained: RetainedNumbers) {
        released.strings += retained.strings
        for namespace in retained.namespaces { releaseNamespace(namespace) }
    }

    // MARK: Which policies may select a pod

    /// Adds a policy to the list in which pods look for it: that of its namespace, or that of the whole cluster.
    private mutating func putInOrder(_ number: UInt32, _ record: PolicyRecord) {
        switch record.subject.namespaces {
        case .namespace(let namespace):
            let list = namespaces[Int(namespace)].policies
            namespaces[Int(namespace)].policies.insert(number, at: position(of: record.order, in: list))
        case .selector:
            let position = position(of: record.order, in: clusterPolicies)
            clusterPolicies.insert(number, at: position)
        }
    }

    private mutating func takeOutOfOrder(_ number: UInt32) {
        guard let record = policies[Int(number)] else { return }
        switch record.subject.namespaces {
        case .namespace(let namespace):
            let list = namespaces[Int(namespace)].policies
            namespaces[Int(namespace)].policies.remove(at: position(of: record.order, in: list))
        case .selector: clusterPolicies.remove(at: position(of: record.order, in: clusterPolicies))
        }
    }

    /// The position of a policy in a list in order of evaluation, whether it is in the list or not.
    private func position(of order: PolicyOrder, in list: [UInt32]) -> Int {
        var low = 0
        var high = list.count
        while low < high {
            let middle = (low + high) / 2
            if let other = policies[Int(list[middle])], other.order < order { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// The policies whose subject contains the pods of a group, in order of evaluation.
    package func policies(selecting group: UInt32) -> [UInt32] {
        let namespace = groups[Int(group)].namespace
        let (ofNamespaces, ofPods) = (labels(ofNamespace: namespace), labels(ofGroup: group))
        func selecting(_ list: [UInt32]) -> [UInt32] {
            list.filter { policies[Int($0)]?.subject.holds(namespace, ofNamespaces, ofPods) ?? false }
        }
        let ofNamespace = selecting(namespaces[Int(namespace)].policies)
        let ofCluster = selecting(clusterPolicies)
        if ofCluster.isEmpty { return ofNamespace }
        return (ofNamespace + ofCluster).sorted { a, b in
            guard let first = policies[Int(a)], let second = policies[Int(b)] else { return false }
            return first.order < second.order
        }
    }

    /// Whether a policy's subject contains the pods of a group.
    package func selects(_ policy: PolicyRecord, group: UInt32) -> Bool {
        let namespace = groups[Int(group)].namespace
        return policy.subject.holds(namespace, labels(ofNamespace: namespace), labels(ofGroup: group))
    }

    // MARK: Canonical form

    private mutating func index(_ policy: Policy) -> PolicyRecord {
        var retained = RetainedNumbers()
        let subject = index(policy.subject, &retained)
        let ingress = policy.ingress.map { index($0, &retained) }
        let egress = policy.egress.map { index($0, &retained) }
        return PolicyRecord(
            order: policy.order, subject: subject, isolates: policy.isolates,
            isInAudit: policy.enforcement == .audit, isReport: policy.isReport, ingress: ingress, egress: egress,
            retained: retained)
    }

    private mutating func index(_ subject: PodSubject, _ retained: inout RetainedNumbers) -> IndexedSubject {
        let scope: IndexedScope
        switch subject.namespaces {
        case .named(let name): scope = .namespace(namespace(name, &retained))
        case .selector(let selector): scope = .selector(index(selector, retaining: &retained.strings))
        }
        return IndexedSubject(namespaces: scope, pods: index(subject.pods, retaining: &retained.strings))
    }

    private mutating func namespace(_ name: String, _ retained: inout RetainedNumbers) -> UInt32 {
        let number = retainNamespace(name)
        if retained.namespaces.contains(number) {
            releaseNamespace(number)
        } else {
            retained.namespaces.append(number)
        }
        return number
    }

    private mutating func index(_ identity: PodIdentity, _ retained: inout RetainedNumbers) -> IndexedIdentity {
        let namespaces: IndexedIdentity.Namespaces
        switch identity.namespace {
        case .exact(let name): namespaces = .number(namespace(name, &retained))
        case let match: namespaces = .matching(match)
        }
        let accounts: IndexedIdentity.Accounts
        switch identity.account {
        case .exact(let name):
            let (number, _) = strings.retain(name)
            retained.strings.append(number)
            accounts = .number(number)
        case let match: accounts = .matching(match)
        }
        return IndexedIdentity(namespaces: namespaces, accounts: accounts)
    }

    private mutating func index(_ rule: PolicyRule, _ retained: inout RetainedNumbers) -> IndexedRule {
        let peers = rule.peers?.map { index($0, &retained) }
        let conditions = rule.conditions.map { condition in
            IndexedCondition(
                peers: condition.peers.map { index($0, &retained) }, isExcluded: condition.isExcluded)
        }
        let ports = rule.ports?.map { index($0, &retained) }
        return IndexedRule(
            name: rule.name, action: rule.action, peers: peers, conditions: conditions,
            destinations: rule.destinations, ports: ports, request: rule.request, writtenIndex: rule.writtenIndex)
    }

    private mutating func index(_ peer: PolicyPeer, _ retained: inout RetainedNumbers) -> IndexedPeer {
        switch peer {
        case .pods(let subject): .pods(index(subject, &retained))
        case .identity(let identity): .identity(index(identity, &retained))
        case .nodes(let selector): .nodes(index(selector, retaining: &retained.strings))
        case .block(let block): .block(block)
        }
    }

    private mutating func index(_ port: PolicyPort, _ retained: inout RetainedNumbers) -> IndexedPolicyPort {
        switch port {
        case .range(let range): return .range(range)
        case .named(let name, let ipProtocol):
            let (number, _) = strings.retain(name)
            retained.strings.append(number)
            return .named(PortName(name: number, ipProtocol: ipProtocol))
        }
    }
}
