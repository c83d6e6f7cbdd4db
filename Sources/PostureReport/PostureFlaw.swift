// SPDX-License-Identifier: Apache-2.0
import ClusterInventory
import Findings
import KubernetesObjects
import NetworkTypes
import PolicyModel
import Reachability

/// A finding before its remedy is known: the flows that it is about.
struct PostureFlaw {
    var finding: PostureFinding
    /// Nil: no flows, or flows that no policy decides about.
    var flows: (direction: Direction, scope: ReachScope)?
}

/// The addresses and nodes that findings are about.
struct PostureTargets {
    static let metadata: [IPAddress] = [
        IPAddress(v4: 0xa9fe_a9fe), IPAddress(v6High: 0xfd00_0ec2_0000_0000, low: 0x254),
    ]
    static let kubelet = tcp(10250...10250)
    static let etcd = tcp(2379...2380)
    static let apiServer = tcp(443...443) + tcp(6443...6443)
    static let nodePorts = tcp(30000...32767) + [.ports(ProtocolPorts(.udp, PortRange(30000, 32767)))]
    /// Of nodes that run the control plane.
    static let controlPlaneLabels = ["node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master"]

    /// Addresses of nodes that run the control plane.
    let controlPlane: Set<IPAddress>
    /// The label that all of them have; nil: they have none in common.
    let controlPlaneLabel: String?
    let hasNodes: Bool

    init(_ inventory: ClusterInventory) {
        var nodes: [Node] = []
        for case .node(let node) in inventory.objects { nodes.append(node) }
        hasNodes = nodes.contains { !$0.addresses.isEmpty }
        let members = nodes.filter { node in Self.controlPlaneLabels.contains { node.metadata.labels[$0] != nil } }
        controlPlane = Set(members.flatMap(\.addresses))
        controlPlaneLabel = Self.controlPlaneLabels.first { label in
            members.allSatisfy { $0.metadata.labels[label] != nil }
        }
    }

    static func tcp(_ range: ClosedRange<UInt16>) -> [PortSpan] {
        [.ports(ProtocolPorts(.tcp, PortRange(range.lowerBound, range.upperBound)))]
    }
}
