// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import Manifests
import NetworkKit
import NetworkTypes
import PolicyOracle

/// Policies of tiers over ``LiveCluster/policies``, and what becomes of packets under both.
enum LiveTier {
    private static let (web, api, db) = (LivePlace.pod("web"), LivePlace.pod("api"), LivePlace.pod("db"))
    private static let (idle, locked, far) = (LivePlace.pod("idle"), LivePlace.pod("locked"), LivePlace.pod("far"))

    /// In order of what is asked first.
    static let policies = """
        apiVersion: policy.networking.k8s.io/v1alpha2
        kind: ClusterNetworkPolicy
        metadata: {name: api-may}
        spec:
          tier: Admin
          priority: 5
          subject: {pods: {namespaceSelector: {}, podSelector: {matchLabels: {app: api}}}}
          egress:
          - {name: metadata, action: Pass, to: [{networks: [169.254.0.0/16]}]}
        ---
        apiVersion: policy.networking.k8s.io/v1alpha2
        kind: ClusterNetworkPolicy
        metadata: {name: guard}
        spec:
          tier: Admin
          priority: 10
          subject: {namespaces: {}}
          egress:
          - {name: metadata, action: Deny, to: [{networks: [169.254.169.254/32]}]}
          - name: kubelet
            action: Deny
            to: [{nodes: {}}]
            protocols: [{tcp: {destinationPort: {number: 10250}}}]
        ---
        apiVersion: policy.networking.k8s.io/v1alpha2
        kind: ClusterNetworkPolicy
        metadata: {name: ports-by-name}
        spec:
          tier: Admin
          priority: 10
          subject: {pods: {namespaceSelector: {}, podSelector: {matchLabels: {app: idle}}}}
          egress:
          - {action: Deny, to: [{namespaces: {}}], protocols: [{destinationNamedPort: data}]}
        ---
        apiVersion: policy.networking.k8s.io/v1alpha1
        kind: AdminNetworkPolicy
        metadata: {name: monitoring}
        spec:
          priority: 20
          subject: {namespaces: {matchLabels: {kubernetes.io/metadata.name: shop}}}
          ingress:
          - {name: all, action: Allow, from: [{pods: {namespaceSelector: {}, podSelector: {matchLabels: {app: idle}}}}]}
        ---
        apiVersion: policy.networking.k8s.io/v1alpha2
        kind: ClusterNetworkPolicy
        metadata: {name: db-keeps-to-itself}
        spec:
          tier: Admin
          priority: 30
          subject: {pods: {namespaceSelector: {}, podSelector: {matchLabels: {app: db}}}}
          egress:
          - {action: Deny, to: [{nodes: {matchLabels: {role: worker}}}]}
        ---
        apiVersion: policy.networking.k8s.io/v1alpha1
        kind: BaselineAdminNetworkPolicy
        metadata: {name: default}
        spec:
          subject: {namespaces: {}}
          ingress:
          - {action: Allow, from: [{namespaces: {}}], ports: [{portNumber: {protocol: SCTP, port: 9999}}]}
          - {name: nobody, action: Deny, from: [{namespaces: {}}]}
        """

    static let table: [LiveCase] = [
        // Admin denies what no NetworkPolicy judges; an earlier Pass leaves it to the tiers after.
        .deny(idle, .metadata, .tcp, 80, only: [.ipv4]), .allow(api, .metadata, .tcp, 80, only: [.ipv4]),
        .allow(idle, .outside, .tcp, 80), .deny(web, .metadata, .tcp, 80, only: [.ipv4]),
        // Admin allows what NetworkPolicy isolates, and Baseline is not asked.
        .allow(idle, locked, .udp, 5353), .allow(idle, db, .udp, 5353), .allow(idle, api, .sctp, 9999),
        .allow(idle, locked, .icmp), .deny(api, locked, .tcp, 8080), .deny(web, locked, .tcp, 8080),
        // One name, another number on each pod.
        .deny(idle, db, .tcp, 6379), .allow(idle, db, .tcp, 8080), .deny(idle, locked, .tcp, 8080),
        .deny(idle, api, .tcp, 8080),
        .allow(idle, api, .tcp, 6379),
        // NetworkPolicy decides before Baseline does.
        .allow(api, db, .tcp, 6379), .allow(web, api, .tcp, 8080), .allow(.outside, api, .tcp, 8080),
        .deny(far, db, .tcp, 6379),
        // Baseline for pods that nothing isolates.
        .deny(api, idle, .udp, 5353), .allow(api, idle, .sctp, 9999), .deny(far, idle, .tcp, 8080),
        .deny(api, idle, .icmp), .allow(.outside, idle, .udp, 5353), .allow(far, idle, .sctp, 9999),
        // A pod's own node, by any address, and another; probes are never harmed, nor what stays between.
        .deny(web, .node, .tcp, 10250), .deny(api, .gateway, .tcp, 10250), .deny(locked, .node, .tcp, 10250),
        .allow(api, .node, .udp, 9, .refused), .deny(api, .node2, .tcp, 10250), .allow(api, .node2, .tcp, 22, .refused),
        .deny(db, .node, .icmp), .deny(db, .gateway, .udp, 9), .allow(locked, .node, .icmp),
        .allow(db, .node, .udp, 67, .refused), .allow(db, .gateway, .udp, 547, .refused), .deny(db, .node, .udp, 68),
        .allow(.node, db, .tcp, 6379), .allow(.node, idle, .udp, 5353), .allow(.node, locked, .icmp),
        .allow(db, db, .udp, 5353),
        // The backend is judged, by its own number of the port.
        .deny(idle, .service(0), .tcp, 80, through: ("db", 6379)),
        .allow(idle, .service(1), .udp, 53, through: ("db", 5353)),
    ]

    /// The cluster's objects, with named ports and labels of nodes.
    static func objects(_ world: NetWorld) -> [KubernetesObject] {
        LiveCluster.objects(world).map { object in
            switch object {
            case .node(var node):
                node.metadata.labels["role"] = "worker"
                return .node(node)
            case .pod(var pod):
                let number: UInt16 = pod.metadata.name == "db" ? 6379 : 8080
                pod.namedPorts = [NamedPort(name: "data", number: number)]
                return .pod(pod)
            default: return object
            }
        }
    }

    static func oracle(_ world: NetWorld, enforcesOwnNode: Bool = false) throws -> Oracle {
        let written = try [LiveCluster.policies, policies].flatMap { try ObjectBatch.decode(Array($0.utf8)).objects }
        return Oracle(
            objects: objects(world) + written, nodeName: NetDaemon.nodeName,
            settings: OracleSettings(
                localAddresses: [NetAddressing.gateways[0], NetAddressing.gateways6[0]].map(CIDR.init(host:)),
                enforcesNetworkPolicyOnOwnNode: enforcesOwnNode))
    }

    /// With the setting that has NetworkPolicy judge traffic to the own node; the NetworkPolicies alone.
    static let ownNodeTable: [LiveCase] = [
        .deny(locked, .node, .tcp, 10250), .deny(locked, .gateway, .tcp, 10250), .deny(locked, .node, .icmp),
        .deny(db, .node, .udp, 9), .allow(locked, .node, .udp, 67, .refused), .allow(idle, .node, .tcp, 10250),
        .allow(api, .gateway, .tcp, 10250), .allow(.node, locked, .tcp, 8080), .allow(.node, locked, .icmp),
        .allow(.node, locked, .udp, 5353), .deny(web, .gateway, .tcp, 10250, only: [.ipv6]),
    ]
}
