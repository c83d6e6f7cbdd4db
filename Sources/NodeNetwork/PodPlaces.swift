// SPDX-License-Identifier: Apache-2.0
import NetworkTypes

/// Which interface is whose, kept from one look at the network to the next.
///
/// A link is bound to a pod by what the pod cannot change: the container runtime's word, or else the addresses at the
/// link's other end when it came, or else the routes, or else what a bridge has learned. Then it stays bound while it
/// exists and somebody has the addresses: a pod that drops its addresses, takes another's, or moves its interface into
/// a namespace of its own changes nothing. Only the runtime's word overrides what is bound.
public struct PodPlaces: Sendable, Equatable {
    /// What is known of a pod without the network.
    public struct Claim: Sendable, Hashable {
        public var addresses: Set<IPAddress>
        /// Names of links that the container runtime says are the pod's.
        public var runtimeLinks: Set<String>
        public init(addresses: Set<IPAddress>, runtimeLinks: Set<String> = []) {
            self.addresses = addresses
            self.runtimeLinks = runtimeLinks
        }
    }

    /// Why a link is held to be a pod's; the stronger the greater.
    enum Evidence: Int, Sendable, Comparable {
        /// A bridge has learned it from frames.
        case learned
        case route
        /// The other end had the pod's address when it came.
        case peer
        /// It leads into the namespace of a link that is the pod's.
        case sibling
        case runtime
        static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
    }

    struct Owner: Sendable, Equatable {
        /// Of the pod, when it was last looked at.
        var addresses: Set<IPAddress>
        var evidence: Evidence
        /// What the link was called and which hardware address it had; nil: taken over from an earlier run.
        var identity: Identity?
        /// Of the far end: what it may send from. 0: not known.
        var hardware: UInt64 = 0
        /// Link-local addresses of the far end.
        var linkLocal: Set<IPAddress> = []
    }

    struct Identity: Sendable, Equatable {
        var name: String
        var hardware: UInt64
    }

    /// By link.
    var owners: [UInt32: Owner] = [:]
    /// By address: the link at whose other end it was first seen; nil: at two links at once.
    var firstSeen: [IPAddress: UInt32?] = [:]

    public init() {}

    /// Takes over what an earlier run had bound, as far as the network does not contradict.
    public mutating func adopt(port: UInt32, addresses: Set<IPAddress>, hardware: UInt64) {
        owners[port] = Owner(addresses: addresses, evidence: .peer, hardware: hardware)
    }

    /// Binds links to pods as the network is now.
    ///
    /// - Returns: where each pod is; none for those whose place is not known.
    public mutating func update<Key: Hashable & Comparable>(
        _ claims: [Key: Claim], in network: NetworkState
    ) -> [Key: PodPlace] {
        dropVanished(network)
        noteSeen(network)
        var binding = Binding(claims, owners)
        let keys = claims.keys.sorted()
        for key in keys { binding.bindRuntime(key, network) }
        let unbound = keys.filter { !binding.isBound($0) }
        if !unbound.isEmpty {
            let links = Candidates(network, firstSeen)
            for key in unbound { binding.bindPeer(key, links) }
            for key in unbound where !binding.isBound(key) { binding.bindRoute(key, network) }
            for key in unbound where !binding.isBound(key) { binding.bindLearned(key, links) }
        }
        binding.bindSiblings(network)
        owners = binding.owners
        updateFarEnds(network)
        return binding.links.compactMapValues { place($0, network) }
    }

    /// Bridge ports behind which a pod can be, of which nobody knows whose they are, on bridges with pods.
    public func unknownPorts(_ network: NetworkState) -> Set<UInt32> {
        let bridges = Set(owners.keys.compactMap { network.bridgePort($0)?.bridge.index })
        guard !bridges.isEmpty else { return [] }
        return Set(
            network.links.values.lazy
                .filter {
                    bridges.contains($0.master) && owners[$0.index] == nil && network.bridgePort($0.index) != nil
                }
                .map(\.index))
    }

    /// Whether the link is bound to a pod.
    public func isBound(_ link: UInt32) -> Bool { owners[link] != nil }

    private mutating func dropVanished(_ network: NetworkState) {
        for (index, owner) in owners {
            guard let link = network.links[index], NetworkState.podKinds.contains(link.kind) else {
                owners[index] = nil
                continue
            }
            let identity = Identity(name: link.name, hardware: link.hardware)
            if let known = owner.identity {
                // Another link has got the index.
                if known != identity { owners[index] = nil }
                continue
            }
            let seen = network.peers[index]?.hardware ?? 0
            if owner.hardware != 0, seen == 0 || seen == owner.hardware {
                owners[index]?.identity = identity
            } else {
                owners[index] = nil
            }
        }
        for (address, link) in firstSeen {
            guard let link, network.links[link] != nil else {
                firstSeen[address] = nil
                continue
            }
        }
    }

    private mutating func noteSeen(_ network: NetworkState) {
        var news: [IPAddress: UInt32?] = [:]
        for (link, peer) in network.peers {
            for address in peer.addresses {
                // What a pod claims beside its own is no claim.
                if let owner = owners[link], !owner.addresses.contains(address) { continue }
                if let known = firstSeen[address], known.map({ isClaim($0, of: address) }) ?? false { continue }
                news.updateValue(news[address] == nil ? link : nil, forKey: address)
            }
        }
        firstSeen.merge(news) { $1 }
    }

    private func isClaim(_ link: UInt32, of address: IPAddress) -> Bool {
        owners[link].map { $0.addresses.contains(address) } ?? true
    }

    private func place(_ links: Set<UInt32>, _ network: NetworkState) -> PodPlace? {
        var place = PodPlace()
        for index in links.sorted() {
            guard let link = network.links[index], let owner = owners[index] else { continue }
            if let port = network.bridgePort(index) {
                if place.port == nil {
                    place.port = port
                    place.hardware = owner.hardware
                    place.linkLocal = owner.linkLocal
                }
            } else if link.master == 0 {
                place.interfaces.append(PodInterface(index: index, name: link.name))
            }
        }
        return place.interfaces.isEmpty && place.port == nil ? nil : place
    }
}

/// Where a pod's packets enter and leave the node.
public struct PodPlace: Sendable, Hashable {
    /// Routed links that lead to the pod alone, by index.
    public var interfaces: [PodInterface] = []
    public var port: BridgePort?
    /// The pod's hardware address at the port: six bytes, the first one uppermost; 0: not known.
    public var hardware: UInt64 = 0
    /// The pod's link-local addresses at the port.
    public var linkLocal: Set<IPAddress> = []
    public init() {}
}
