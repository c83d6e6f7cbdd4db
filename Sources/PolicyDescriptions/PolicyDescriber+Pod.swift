// SPDX-License-Identifier: Apache-2.0
import ClusterState
import ControlProtocol
import NetworkTypes
import PolicyModel

extension PolicyDescriber {
    /// A pod of the cluster with every policy that selects it, in order of evaluation. Nil if there is no such pod.
    public mutating func describe(pod name: EndpointName) -> PodDescription? {
        guard let number = state.number(ofPod: name), let object = state.object(ofPod: name) else { return nil }
        let record = state.pods[Int(number)]
        var description = PodDescription(namespace: name.namespace, name: name.name)
        description.node = record.isLocal ? state.nodeName : nil
        description.addresses = object.phase == .succeeded ? [] : object.podIPs.map(\.description)
        if record.hasGroup {
            description.labels = object.metadata.labels
            description.serviceAccount = object.serviceAccountName
        }
        description.namedPorts = object.namedPorts.map { "\($0.name) \($0.number)/\($0.ipProtocol)" }
        description.createdAt = PolicyTime.text(object.metadata.createdAt)
        description.notes = notes(number, isHost: object.hostNetwork, isFinished: object.phase == .succeeded)
        guard record.hasGroup else { return description }
        let policies = state.policies(selecting: record.group).compactMap { state.policies[Int($0)] }
        description.ingress = direction(.ingress, policies, record.group)
        description.egress = direction(.egress, policies, record.group)
        return description
    }

    private func notes(_ number: UInt32, isHost: Bool, isFinished: Bool) -> [String] {
        let record = state.pods[Int(number)]
        if isHost {
            return ["it has the node's network: no policy selects it, and as a peer it is its node"]
        }
        if isFinished { return ["it has finished: its addresses are no longer its own"] }
        if record.addresses.isEmpty { return ["it has no address yet: policy holds for it once it has one"] }
        let owned = state.ownedAddresses(ofPod: number)
        return record.addresses.filter { !owned.contains($0) }.map { address in
            let owner = state.pod(owning: address).map { "pod \($0)" } ?? "another endpoint"
            return "\(address) belongs to \(owner), which claims it too"
        }
    }

    /// The layers of a direction. Authorization comes last, and of its policies those that deny first.
    private mutating func direction(
        _ direction: Direction, _ policies: [PolicyRecord], _ group: UInt32
    ) -> DirectionDescription {
        var result = DirectionDescription()
        for tier in Tier.allCases {
            let deciding = Self.inOrder(
                policies.filter { $0.order.layer == tier && $0.decides(direction) })
            guard !deciding.isEmpty else { continue }
            let isolating = deciding.filter { $0.isolates.contains(direction) && !$0.isInAudit }
            var described: [PolicyDescription] = []
            for policy in deciding {
                var description = describe(policy, subjects: [group])
                if direction == .ingress { description.egress = [] } else { description.ingress = [] }
                described.append(description)
            }
            result.layers.append(
                LayerDescription(
                    tier: tier.name, policies: described, isolatedBy: isolating.map { PolicyName($0.reference) }))
            if tier == .networkPolicy, !isolating.isEmpty { result.otherwise = Verdict.deny.rawValue }
        }
        return result
    }

    /// Of authorization, the policies that deny come before those that allow, and those that only report come last.
    private static func inOrder(_ policies: [PolicyRecord]) -> [PolicyRecord] {
        func rank(_ policy: PolicyRecord) -> Int {
            guard policy.order.layer == .authorization else { return 0 }
            return policy.isReport ? 2 : policy.isolates.isEmpty ? 0 : 1
        }
        return (0...2).flatMap { wanted in policies.filter { rank($0) == wanted } }
    }
}

extension PolicyRecord {
    /// Whether it may decide about flows in a direction.
    fileprivate func decides(_ direction: Direction) -> Bool {
        isolates.contains(direction) || !(direction == .ingress ? ingress : egress).isEmpty
    }
}
