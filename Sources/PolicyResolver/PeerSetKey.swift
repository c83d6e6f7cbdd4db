// SPDX-License-Identifier: Apache-2.0
import ClusterState
import NetworkTypes
import PolicyModel

/// The members of a peer set, in canonical form: equal keys are one peer set.
///
/// A key says who the members are, and never lists members that change: a set lives on, and with it the programs that
/// name it, while its members join and leave. Groups report members that are pods; ``members(in:)`` reports those of
/// ``nodes(_:)`` and ``ownNode``. Sets of learned names or of another cluster's pods would be of the second kind.
enum PeerSetKey: Hashable, Sendable {
    case pods(PodPeers)
    /// All ipBlocks of one rule; sorted, without duplicates.
    case blocks([AddressBlock])
    /// Nodes by label.
    case nodes(IndexedSelector)
    /// Every address that this node delivers to itself.
    case ownNode
}

/// Pods by selectors and, for a named port, by its number in the pod; or by identity.
struct PodPeers: Hashable, Sendable {
    enum Scope: Hashable, Sendable {
        case namespace(UInt32)
        case selector(IndexedSelector)
        /// Namespaces by name, whether or not their objects are known.
        case matching(TextMatch)
    }
    var scope: Scope
    var pods: IndexedSelector
    /// Only pods with this service account; nil: with any.
    var account: IndexedIdentity.Accounts?
    var port: IndexedPort?
    /// Only these addresses count; sorted, without duplicates. Empty: all.
    var bounds: [AddressBlock] = []
}

extension PodPeers {
    init(_ subject: IndexedSubject, havingPort port: IndexedPort? = nil) {
        let scope: Scope =
            switch subject.namespaces {
            case .namespace(let number): .namespace(number)
            case .selector(let selector): .selector(selector)
            }
        self.init(scope: scope, pods: subject.pods, port: port)
    }

    init(_ identity: IndexedIdentity) {
        let scope: Scope =
            switch identity.namespaces {
            case .number(let number): .namespace(number)
            case .matching(let match): .matching(match)
            }
        let account: IndexedIdentity.Accounts? =
            if case .matching(.present) = identity.accounts { nil } else { identity.accounts }
        self.init(scope: scope, pods: IndexedSelector(), account: account)
    }

    /// Every pod with this port: within these blocks, if there are any.
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
        case .nodes(let selector):
            let text = state.text(selector)
            return PeerSetDescription(
                description: text.isEmpty ? "all nodes" : "nodes \(text)", blocks: memberBlocks(in: state),
                hasChangingMembers: true)
        case .ownNode:
            return PeerSetDescription(description: "own node", blocks: memberBlocks(in: state), isOwnNode: true)
        }
    }

    /// The members of a set of changing prefixes, sorted; nil for sets of other kinds.
    func members(in state: ClusterState) -> [CIDR]? {
        switch self {
        case .pods, .blocks: nil
        case .nodes(let selector): state.nodeAddresses(matching: selector)
        case .ownNode: state.ownNodePrefixes
        }
    }

    private func memberBlocks(in state: ClusterState) -> [AddressBlock] {
        (members(in: state) ?? []).map { AddressBlock(cidr: $0) }
    }
}

extension PodPeers {
    /// "pods app=api in namespace shop with port http 8080/TCP".
    func text(in state: ClusterState) -> String {
        var who = pods.requirements.isEmpty ? "all pods" : "pods \(state.text(pods))"
        switch account {
        case .number(let number): who = "service account \(state.strings[number])"
        case .matching(let match): who = "service accounts \(match.written)"
        case nil: break
        }
        let place =
            switch scope {
            case .namespace(let number): "in namespace \(state.namespaces[Int(number)].name)"
            case .matching(.present): "in all namespaces"
            case .matching(let match): "in namespaces named \(match.written)"
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
