// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import ControlProtocol
import Foundation
import KubernetesObjects
import NetworkTypes
import PolicyDescriptions
import PolicyModel
import PolicyPipeline
import PolicyResolver
import Testing
import WorldKit

/// What a description says of a pod is what the tables decide: its rules, tried in the order and by the names that it
/// lists, allow exactly the pods that the tables allow.
@Suite struct DescriptionPropertyTests {
    private let settings = WorldSettings(environment: ProcessInfo.processInfo.environment)

    @Test(arguments: [false, true])
    func theListedPeersAreThoseThatTheTablesAllow(isAuthorized: Bool) throws {
        var compared = (allowed: 0, denied: 0)
        for seed in settings.seeds.prefix(100) {
            var generator = WorldGenerator(seed: seed, isAuthorized: isAuthorized)
            let world = generator.world
            var pipeline = PolicyPipeline(nodeName: world.nodeName, settings: PolicySettings())
            _ = pipeline.apply(world.events)
            var describer = PolicyDescriber(pipeline.cluster, nameLimit: .max)
            for endpoint in pipeline.localEndpoints where endpoint.name.kind == .pod {
                let found = describer.describe(pod: endpoint.name)
                let reading = Reading(pod: try #require(found, "\(endpoint.name)"))
                for other in generator.random.some(of: world.pods, percent: 40) where !other.hostNetwork {
                    for address in other.podIPs where pipeline.pod(owning: address)?.isPod(other) ?? false {
                        let port = generator.random.pick([80, 443, 8080, 8081, 9090, 53, 1, 65535] as [UInt16])
                        let peer = Reading.Peer(pod: other, address: address, port: port)
                        try compare(reading, peer, endpoint, pipeline, &compared)
                    }
                }
            }
        }
        #expect(compared.allowed > 500 && compared.denied > 500, "\(compared)")
    }

    private func compare(
        _ reading: Reading, _ peer: Reading.Peer, _ endpoint: LocalEndpointSummary, _ pipeline: PolicyPipeline,
        _ compared: inout (allowed: Int, denied: Int)
    ) throws {
        guard let own = endpoint.addresses.first(where: { $0.family == peer.address.family }), own != peer.address,
            !endpoint.addresses.contains(peer.address)
        else { return }
        for direction in Direction.allCases {
            let flow = Flow(
                source: direction == .ingress ? peer.address : own,
                destination: direction == .ingress ? own : peer.address, ipProtocol: .tcp, destinationPort: peer.port)
            let decision = pipeline.compiled.evaluate(flow)
            let verdict = try #require(direction == .ingress ? decision.ingress : decision.egress).verdict
            // Conditions on the own address are sentences, not data.
            guard let read = reading.verdict(direction, peer, own: endpoint.addresses) else { continue }
            #expect(read == verdict, "\(direction) \(reading.pod.namespace)/\(reading.pod.name) \(flow)")
            if read == .allow { compared.allowed += 1 } else { compared.denied += 1 }
        }
    }
}

extension EndpointName {
    fileprivate func isPod(_ pod: Pod) -> Bool {
        namespace == pod.metadata.namespace && name == pod.metadata.name
    }
}

/// A description read as a person would: from the top, the first rule that matches.
struct Reading {
    struct Peer {
        var pod: Pod
        var address: IPAddress
        var port: UInt16
    }

    var pod: PodDescription

    /// Nil if a rule reads something that the description has as a sentence only.
    func verdict(_ direction: Direction, _ peer: Peer, own: [IPAddress]) -> Verdict? {
        let description = direction == .ingress ? pod.ingress : pod.egress
        var tiers: Verdict = .allow
        decided: for layer in description.layers where layer.tier != "Authorization" {
            for policy in layer.policies where policy.enforcement == "enforce" {
                for rule in direction == .ingress ? policy.ingress : policy.egress
                where matches(rule, direction, peer) {
                    if rule.action == "pass" { continue decided }
                    tiers = rule.action == "allow" ? .allow : .deny
                    break decided
                }
            }
            if !layer.isolatedBy.isEmpty {
                tiers = .deny
                break
            }
        }
        guard tiers == .allow, let layer = description.layers.first(where: { $0.tier == "Authorization" }) else {
            return tiers
        }
        return authorization(layer, direction, peer)
    }

    /// Rules that read requests come after the others of their action, and the proxy decides about their flows.
    private func authorization(_ layer: LayerDescription, _ direction: Direction, _ peer: Peer) -> Verdict? {
        let rules = layer.policies.filter { $0.enforcement == "enforce" }.flatMap(\.ingress)
        guard rules.allSatisfy({ $0.destinations == nil }) else { return nil }
        for action in ["deny", "allow"] {
            let matching = rules.filter { $0.action == action && matches($0, direction, peer) }
            if matching.contains(where: { $0.request == nil }) { return action == "deny" ? .deny : .allow }
            if !matching.isEmpty { return .dependsOnRequest }
        }
        return layer.isolatedBy.isEmpty ? .allow : .deny
    }

    private func matches(_ rule: RuleDescription, _ direction: Direction, _ peer: Peer) -> Bool {
        let isPeer = rule.peers?.contains { contains($0, peer) } ?? true
        let holds = (rule.conditions ?? []).allSatisfy { condition in
            condition.peers.contains { contains($0, peer) } != condition.excluded
        }
        guard isPeer, holds else { return false }
        guard let ports = rule.ports else { return true }
        return ports.contains { port in
            // On egress a name has the number that this peer gives it.
            guard let name = port.name, direction == .egress else {
                return port.ports.contains { Self.holds($0, peer.port) }
            }
            return peer.pod.namedPorts.contains { named in
                named.name == name && named.number == peer.port && named.ipProtocol == .tcp
                    && port.ports.contains("\(named.number)/TCP")
                    && (rule.peers?.contains { $0.addresses == nil && contains($0, peer) } ?? true)
            }
        }
    }

    private func contains(_ description: PeerDescription, _ peer: Peer) -> Bool {
        if let pods = description.pods {
            return pods.names.contains("\(peer.pod.metadata.namespace)/\(peer.pod.metadata.name)")
        }
        if let text = description.cidr {
            return cidr(text).contains(peer.address)
                && !(description.except ?? []).contains { cidr($0).contains(peer.address) }
        }
        return (description.addresses ?? []).contains { cidr($0).contains(peer.address) }
    }

    /// Whether a text such as `80/TCP`, `80-90/TCP` or `every TCP port` holds a TCP port.
    private static func holds(_ text: String, _ port: UInt16) -> Bool {
        if text == "every TCP port" { return true }
        guard text.hasSuffix("/TCP") else { return false }
        let ends = text.dropLast(4).split(separator: "-").compactMap { UInt16($0) }
        guard let first = ends.first, let last = ends.last else { return false }
        return first <= port && port <= last
    }
}
