// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import NetworkTypes
import PolicyModel
import PolicyOracle
import PolicyResolver
import Reachability
import WorldKit

/// The oracles of all nodes of a world: each side of a flow is decided on its pod's node.
struct ClusterOracle {
    let world: World
    let oracles: [Oracle]
    /// The pod that has an address.
    let owners: [IPAddress: EndpointName]
    let nodeAddresses: Set<IPAddress>

    init(_ world: World) {
        self.world = world
        var settings = world.settings
        // What only a node knows; a map knows the cluster's objects.
        settings.localAddresses = []
        oracles = Set(world.pods.map(\.nodeName)).sorted().map {
            Oracle(objects: world.objects, nodeName: $0, settings: settings)
        }
        var owners: [IPAddress: Pod] = [:]
        var nodeAddresses = Set(world.nodes.flatMap(\.addresses))
        for pod in world.pods {
            nodeAddresses.formUnion(pod.hostIPs)
            if pod.phase == .succeeded || pod.phase == .failed { continue }
            if pod.hostNetwork { nodeAddresses.formUnion(pod.podIPs) }
            for address in pod.podIPs where !pod.hostNetwork {
                if let rival = owners[address], Self.age(rival) > Self.age(pod) { continue }
                owners[address] = pod
            }
        }
        self.owners = owners.mapValues(\.endpoint)
        self.nodeAddresses = nodeAddresses.subtracting(owners.keys)
    }

    private static func age(_ pod: Pod) -> (Int64, String, String) {
        (pod.metadata.createdAt, pod.metadata.namespace, pod.metadata.name)
    }

    /// What both sides say.
    func verdict(_ flow: Flow, request: OracleRequest? = nil) -> OracleVerdict {
        var both = OracleVerdict()
        for oracle in oracles {
            let verdict = oracle.verdict(flow, request: request)
            both.egressAnswer = both.egressAnswer ?? verdict.egressAnswer
            both.ingressAnswer = both.ingressAnswer ?? verdict.ingressAnswer
        }
        return both
    }

    func isOutside(_ address: IPAddress) -> Bool {
        owners[address] == nil && !nodeAddresses.contains(address) && !address.isLoopback
    }

    /// Whether policy judges a flow, and it is not one of a pod with itself.
    func isJudged(_ flow: Flow) -> Bool {
        let (source, destination) = (owners[flow.source], owners[flow.destination])
        return (source != nil || destination != nil) && source != destination && !flow.source.isLoopback
            && !flow.destination.isLoopback
    }
}

extension IPAddress {
    var isLoopback: Bool { CIDR.loopback.contains { $0.contains(self) } }
}

extension Pod {
    var endpoint: EndpointName { EndpointName(namespace: metadata.namespace, name: metadata.name) }
}

extension OracleVerdict.Answer {
    var asVerdict: Verdict {
        switch self {
        case .allow: .allow
        case .deny: .deny
        case .depends: .dependsOnRequest
        }
    }
}

extension World {
    var policySettings: PolicySettings {
        PolicySettings(
            enforcesNetworkPolicyOnOwnNode: settings.enforcesNetworkPolicyOnOwnNode, nodeDNS: settings.nodeDNS,
            mesh: MeshSettings(rootNamespace: settings.rootNamespace, trustDomains: settings.trustDomains))
    }

    func map() throws -> ReachabilityMap { try ReachabilityMap(objects: objects, settings: policySettings) }
}

extension PortSpan {
    /// The span of a flow's port alone.
    init(_ flow: Flow) {
        guard let port = flow.destinationPort else {
            self = .otherProtocols
            return
        }
        self = .ports(ProtocolPorts(flow.ipProtocol, PortRange(port)))
    }

    func contains(_ flow: Flow) -> Bool {
        switch self {
        case .otherProtocols: flow.destinationPort == nil
        case .ports(let ports):
            flow.destinationPort.map { ports.ipProtocol == flow.ipProtocol && ports.range.contains($0) } ?? false
        }
    }
}
