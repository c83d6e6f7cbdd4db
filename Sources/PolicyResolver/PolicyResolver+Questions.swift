// SPDX-License-Identifier: Apache-2.0
import NetworkTypes
import PolicyModel

/// A local endpoint with the policies that may decide about it, in order of evaluation: those with rules for the
/// direction, and those that isolate it. Policies in audit are not included.
public struct LocalEndpointSummary: Sendable, Hashable {
    public var name: EndpointName
    /// Sorted.
    public var addresses: [IPAddress]
    public var ingressPolicies: [PolicyReference]
    public var egressPolicies: [PolicyReference]
}

extension PolicyResolver {
    /// All local endpoints (pods, held and pushed), ordered by name.
    public var localEndpoints: [LocalEndpointSummary] {
        var result = endpoints.values.map { endpoint in
            let policies = enforced(on: endpoint.group)
            return LocalEndpointSummary(
                name: endpoint.name, addresses: endpoint.addresses,
                ingressPolicies: policies.filter { $0.decides(.ingress) }.map(\.reference),
                egressPolicies: policies.filter { $0.decides(.egress) }.map(\.reference))
        }
        for (name, addresses) in pushed.reported {
            guard let entry = pushed.entries.first(where: { $0.endpoint.name == name }) else { continue }
            let reference = [PolicyReference(kind: "ResolvedPolicy", namespace: name.namespace, name: name.name)]
            result.append(
                LocalEndpointSummary(
                    name: name, addresses: addresses,
                    ingressPolicies: entry.ingress.tiers.isEmpty ? [] : reference,
                    egressPolicies: entry.egress.tiers.isEmpty ? [] : reference))
        }
        for endpoint in held.values {
            result.append(
                LocalEndpointSummary(
                    name: endpoint.name, addresses: endpoint.addresses, ingressPolicies: [.unknownPod],
                    egressPolicies: [.unknownPod]))
        }
        return result.sorted { $0.name < $1.name }
    }

    private func enforced(on number: UInt32) -> [ActivePolicy] {
        (groups[number]?.policies ?? []).compactMap { active[$0] }.filter { !$0.isInAudit }
    }

    /// The policies that select a local endpoint, in audit or not, with the endpoints ordered by name.
    public var policySelections: [PolicyReference: [EndpointName]] {
        var result: [PolicyReference: Set<EndpointName>] = [:]
        for endpoint in endpoints.values {
            for policy in groups[endpoint.group]?.policies ?? [] {
                if let reference = active[policy]?.reference { result[reference, default: []].insert(endpoint.name) }
            }
        }
        for entry in pushed.entries where pushed.reported[entry.endpoint.name] != nil {
            let name = entry.endpoint.name
            guard !entry.ingress.tiers.isEmpty || !entry.egress.tiers.isEmpty else { continue }
            result[PolicyReference(kind: "ResolvedPolicy", namespace: name.namespace, name: name.name)] = [name]
        }
        return result.mapValues { $0.sorted() }
    }

    public var localEndpointCount: Int { endpoints.count + pushed.reported.count + held.count }

    /// Addresses of a pushed endpoint, as far as no pod has them. Takes the name as people and documents see it.
    public func addresses(ofPushed name: EndpointName) -> [IPAddress]? {
        pushed.reported[EndpointName(kind: .pushed, namespace: name.shownNamespace, name: name.shownName)]
    }

    /// Peer sets that rules of local endpoints use.
    public var peerSetCount: Int { peerSets.count }
}
