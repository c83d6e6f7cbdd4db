// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import Explanations
import KubernetesObjects
import NetworkTypes
import PolicyModel
import PolicyPipeline

/// Short forms for rows of policy, flow and verdict.
func address(_ text: String) -> IPAddress {
    do { return try IPAddress(text) } catch { preconditionFailure("\(error)") }
}

func cidr(_ text: String) -> CIDR {
    do { return try CIDR(text) } catch { preconditionFailure("\(error)") }
}

func pod(
    _ name: String, in namespace: String = "shop", _ labels: [String: String] = [:], _ addresses: String...,
    node: String = "n1", ports: [NamedPort] = [], phase: PodPhase = .running, hostNetwork: Bool = false,
    uid: String = "", createdAt: Int64 = 0, staticUID: String = ""
) -> ObjectEvent {
    .set(
        .pod(
            Pod(
                metadata: ObjectMeta(
                    name: name, namespace: namespace, uid: uid, labels: labels, createdAt: createdAt),
                nodeName: node, hostNetwork: hostNetwork, namedPorts: ports.sorted(), phase: phase,
                podIPs: addresses.map { address($0) }, staticUID: staticUID)))
}

func namespace(_ name: String, _ labels: [String: String]) -> ObjectEvent {
    .set(.namespace(Namespace(metadata: ObjectMeta(name: name, labels: labels))))
}

func node(_ name: String, _ addresses: String...) -> ObjectEvent {
    .set(.node(Node(metadata: ObjectMeta(name: name), addresses: addresses.map { address($0) })))
}

func policy(
    _ name: String, in namespace: String = "shop", selects: [String: String] = [:], _ types: Set<PolicyType>,
    ingress: [NetworkPolicyRule] = [], egress: [NetworkPolicyRule] = []
) -> ObjectEvent {
    .set(
        .networkPolicy(
            NetworkPolicy(
                metadata: ObjectMeta(name: name, namespace: namespace),
                podSelector: LabelSelector(matchLabels: selects),
                policyTypes: types, ingress: ingress, egress: egress)))
}

func rule(_ peers: [NetworkPolicyPeer] = [], _ ports: [NetworkPolicyPort] = []) -> NetworkPolicyRule {
    NetworkPolicyRule(peers: peers, ports: ports)
}

func pods(_ labels: [String: String]) -> NetworkPolicyPeer {
    .pods(namespaces: nil, pods: LabelSelector(matchLabels: labels))
}

func port(_ number: UInt16, _ ipProtocol: IPProtocol = .tcp) -> NetworkPolicyPort {
    NetworkPolicyPort(ipProtocol: ipProtocol, port: .range(PortRange(number)))
}

func named(_ name: String, _ ipProtocol: IPProtocol = .tcp) -> NetworkPolicyPort {
    NetworkPolicyPort(ipProtocol: ipProtocol, port: .named(name))
}

extension PolicyPipeline {
    init(_ events: [ObjectEvent]) {
        self.init(nodeName: "n1")
        _ = apply(events)
    }

    func decide(_ source: String, _ destination: String, _ port: UInt16?, _ ipProtocol: IPProtocol = .tcp) -> Decision {
        compiled.evaluate(
            Flow(
                source: address(source), destination: address(destination), ipProtocol: ipProtocol,
                destinationPort: port))
    }

    func allows(_ source: String, _ destination: String, _ port: UInt16?, _ ipProtocol: IPProtocol = .tcp) -> Bool {
        decide(source, destination, port, ipProtocol).verdict == .allow
    }
}
