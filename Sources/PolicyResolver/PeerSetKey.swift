// SPDX-License-Identifier: Apache-2.0
import ClusterState
import NetworkTypes
import PolicyModel

/// Whom a peer set holds, in canonical form: equal keys are one peer set.
enum PeerSetKey: Hashable, Sendable {
    case pods(PodPeers)
    /// All ipBlocks of one rule; sorted, without duplicates.
    case blocks([AddressBlock])
    /// Nodes by label (in words) with their addresses, sorted.
    case nodes(String, [CIDR])
    /// What this node takes in itself, sorted.
    case ownNode([CIDR])
}

/// Pods by selectors and, for a named port, by the number that they give it.
struct PodPeers: Hashable, Sendable {
    var scope: IndexedScope
    var pods: IndexedSelector
    var port: IndexedPort?
    /// Only those addresses count; sorted, without duplicates. Empty: all.
    var bounds: [AddressBlock] = []
}

extension PodPeers {
    /// Whatever pod has this port: within these blocks, if there are any.
    init(havingPort port: IndexedPort, within bounds: [AddressBlock] = []) {
        self.init(scope: .selector(IndexedSelector()), pods: IndexedSelector(), port: port, bounds: bounds)
    }
}

extension PeerSetKey {
    func description(in state: ClusterState) -> PeerSetDescription {
        switch self {
        case .pods(let peers):
            return PeerSetDescription(description: peers.text(in: state), bounds: peers.bounds)
        case .blocks(let blocks):
            return PeerSetDescription(description: blocks.text, blocks: blocks)
        case .nodes(let selector, let addresses):
            return PeerSetDescription(
                description: selector.isEmpty ? "all nodes" : "nodes \(selector)",
                blocks: addresses.map { AddressBlock(cidr: $0) },
                holdsOwnNode: Set(addresses).isSuperset(of: CIDR.loopback))
        case .ownNode(let addresses):
            return PeerSetDescription(
                description: "own node", blocks: addresses.map { AddressBlock(cidr: $0) }, isOwnNode: true)
        }
    }
}

extension PodPeers {
    /// "pods app=api in namespace shop with port http 8080/TCP".
    func text(in state: ClusterState) -> String {
        let who = pods.requirements.isEmpty ? "all pods" : "pods \(state.text(pods))"
        let place =
            switch scope {
            case .namespace(let number): "in namespace \(state.namespaces[Int(number)].name)"
            case .selector(let selector):
                selector.requirements.isEmpty ? "in all namespaces" : "in namespaces \(state.text(selector))"
            }
        guard let port else { return "\(who) \(place)" }
        let text = "\(who) \(place) with port \(state.strings[port.name.name]) \(port.number)/\(port.name.ipProtocol)"
        return bounds.isEmpty ? text : "\(text) at \(bounds.text)"
    }
}

extension [AddressBlock] {
    fileprivate var text: String {
        let text = prefix(4).map(\.description).joined(separator: ", ")
        return count > 4 ? "\(text) and \(count - 4) more" : text
    }
}
