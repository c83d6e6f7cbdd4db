// SPDX-License-Identifier: Apache-2.0
import ClusterInventory
import Documents
import KubernetesObjects
import NetworkTypes
import PolicyModel

/// A policy that allows what was seen of one workload.
public struct SuggestedPolicy: Sendable, Hashable {
    public var workload: WorkloadName
    /// The policy, without its enforcement's annotation.
    var plain: DocumentNode
    /// The policy, as it is to be applied.
    public var document: DocumentNode
    /// Flows that it is made of.
    public var flows: Int
    /// What a reader must know about it, in sentences.
    public var notes: [String]
}

/// Who is at the other end of a rule.
enum SuggestedPeer: Hashable, Comparable {
    /// - Parameter labels: `key=value`, sorted.
    case pods(namespace: String, labels: [String: String])
    case block(CIDR)

    static func < (a: Self, b: Self) -> Bool { a.order < b.order }

    private var order: (Int, String, String) {
        switch self {
        case .pods(let namespace, let labels):
            (0, namespace, labels.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: ","))
        case .block(let prefix): (1, prefix.network.family == .ipv4 ? "4" : "6", "\(prefix)")
        }
    }

    /// As a NetworkPolicyPeer of a policy in a namespace.
    func node(in home: String) -> DocumentNode {
        switch self {
        case .block(let prefix): return .object([("ipBlock", .object([("cidr", .string("\(prefix)"))]))])
        case .pods(let namespace, let labels):
            let pods: (String, DocumentNode) = ("podSelector", Self.selector(labels))
            guard namespace != home else { return .object([pods]) }
            return .object([("namespaceSelector", Self.selector([Namespace.nameLabel: namespace])), pods])
        }
    }

    static func selector(_ labels: [String: String]) -> DocumentNode {
        labels.isEmpty ? .object([:]) : .object([("matchLabels", .object(labels.mapValues { .string($0) }))])
    }
}

/// The rules of one direction while they are collected.
struct SuggestedRules {
    struct Port: Hashable, Comparable {
        var ipProtocol: IPProtocol
        var number: UInt16
        static func < (a: Self, b: Self) -> Bool {
            (a.ipProtocol.rawValue, a.number) < (b.ipProtocol.rawValue, b.number)
        }
    }

    private var ports: [SuggestedPeer: Set<Port>] = [:]

    var isEmpty: Bool { ports.isEmpty }

    mutating func allow(_ peer: SuggestedPeer, _ port: Port) { ports[peer, default: []].insert(port) }

    /// Peers with the same ports share a rule.
    ///
    /// - Parameter side: `from` or `to`.
    func nodes(_ side: String, in home: String) -> [DocumentNode] {
        var rules: [[Port]: [SuggestedPeer]] = [:]
        for (peer, ports) in ports { rules[ports.sorted(), default: []].append(peer) }
        return rules.map { (peers: $0.value.sorted(), ports: $0.key) }
            .sorted { $0.peers[0] < $1.peers[0] }
            .map { rule in
                .object([
                    (side, .array(rule.peers.map { $0.node(in: home) })), ("ports", .array(Self.nodes(rule.ports))),
                ])
            }
    }

    /// Neighboring ports become a range.
    private static func nodes(_ ports: [Port]) -> [DocumentNode] {
        var ranges: [(first: Port, last: UInt16)] = []
        for port in ports {
            if let last = ranges.last, last.first.ipProtocol == port.ipProtocol, Int(last.last) + 1 == Int(port.number)
            {
                ranges[ranges.count - 1].last = port.number
            } else {
                ranges.append((port, port.number))
            }
        }
        return ranges.map { range in
            var fields: [(String, DocumentNode)] = [
                ("protocol", .string("\(range.first.ipProtocol)")), ("port", .integer(Int64(range.first.number))),
            ]
            if range.last > range.first.number { fields.append(("endPort", .integer(Int64(range.last)))) }
            return .object(fields)
        }
    }
}
