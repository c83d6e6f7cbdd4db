// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import NetworkTypes

// Short forms for the rows of tests. Text that is not valid is a mistake in the test and ends the run.

/// The address of this text.
public func address(_ text: String) -> IPAddress {
    do { return try IPAddress(text) } catch { preconditionFailure("\(error)") }
}

/// The addresses of these texts.
public func addresses(_ texts: String...) -> [IPAddress] { texts.map(address) }

/// The prefix of this text.
public func cidr(_ text: String) -> CIDR {
    do { return try CIDR(text) } catch { preconditionFailure("\(error)") }
}

/// The flow of this text: "source destination protocol" or "source destination protocol port".
public func flow(_ text: String) -> Flow {
    let words = text.split(separator: " ")
    guard words.count > 2, let ipProtocol = IPProtocol(name: words[2]) else {
        preconditionFailure("no protocol in '\(text)'")
    }
    return Flow(
        source: address(String(words[0])), destination: address(String(words[1])), ipProtocol: ipProtocol,
        destinationPort: words.count > 3 ? UInt16(words[3]) : nil)
}

extension LabelSelector {
    /// Equal labels, as `matchLabels` has them.
    public static func labels(_ labels: [String: String]) -> LabelSelector { LabelSelector(matchLabels: labels) }

    /// One label, as `matchExpressions` has it.
    public init(_ key: String, _ condition: LabelRequirement.Operator, _ values: String...) {
        self.init(matchExpressions: [LabelRequirement(key: key, operator: condition, values: values)])
    }
}

/// Pods of the policy's own namespace.
public func pods(_ labels: [String: String]) -> NetworkPolicyPeer { .pods(namespaces: nil, pods: .labels(labels)) }

/// Addresses outside the cluster, as a rule of a NetworkPolicy has them.
public func block(_ text: String, except: String...) -> NetworkPolicyPeer {
    .ipBlock(cidr: cidr(text), except: except.map(cidr))
}

/// One port.
public func port(_ number: UInt16, _ ipProtocol: IPProtocol = .tcp) -> NetworkPolicyPort {
    NetworkPolicyPort(ipProtocol: ipProtocol, port: .range(PortRange(number)))
}

/// A range of ports, both ends included.
public func port(_ first: UInt16, through last: UInt16, _ ipProtocol: IPProtocol = .tcp) -> NetworkPolicyPort {
    NetworkPolicyPort(ipProtocol: ipProtocol, port: .range(PortRange(first, last)))
}

/// A port by its name.
public func port(_ name: String, _ ipProtocol: IPProtocol = .tcp) -> NetworkPolicyPort {
    NetworkPolicyPort(ipProtocol: ipProtocol, port: .named(name))
}

/// A rule of a NetworkPolicy.
public func rule(_ peers: [NetworkPolicyPeer] = [], _ ports: [NetworkPolicyPort] = []) -> NetworkPolicyRule {
    NetworkPolicyRule(peers: peers, ports: ports)
}

/// Pods by their labels and those of their namespaces, as tier policies select them.
public func everyPod(_ labels: [String: String] = [:], in namespaces: [String: String] = [:]) -> PodSelection {
    PodSelection(namespaces: .labels(namespaces), pods: .labels(labels))
}

/// Networks, as a rule of a tier policy has them.
public func network(_ texts: String...) -> TierPeer { .networks(texts.map(cidr)) }

/// A rule of a tier policy.
public func rule(
    _ action: TierRule.Action, _ peers: TierPeer..., ports: [TierPort]? = nil, name: String? = nil
) -> TierRule {
    TierRule(name: name, action: action, peers: peers, ports: ports)
}
