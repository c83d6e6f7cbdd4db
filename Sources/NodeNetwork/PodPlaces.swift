// SPDX-License-Identifier: Apache-2.0
import NetworkTypes

/// Which interface belongs to which pod, kept from one look at the network to the next.
///
/// A link is bound to a pod by evidence that the pod cannot change: the container runtime's report, or otherwise the
/// addresses at the link's other end when the link appeared, or otherwise the routes, or otherwise what a bridge has
/// learned. It then stays bound while it exists and some pod has the addresses: a pod that removes its addresses, takes
/// another's, or moves its interface into a namespace of its own changes nothing. Only the runtime's report overrides a
/// binding.
public struct PodPlaces: Sendable, Equatable {
    /// What is known about a pod without the network.
    public struct Claim: Sendable, Hashable {
        public var addresses: Set<IPAddress>
        /// Names of links that belong to the pod by the container runtime's report.
        public var runtimeLinks: Set<String>
        public init(addresses: Set<IPAddress>, runtimeLinks: Set<String> = []) {
            self.addresses = addresses
            self.runtimeLinks = runtimeLinks
        }
    }

    /// Why a link is taken to be a pod's, weakest first.
    enum Evidence: Int, Sendable, Comparable {
        /// A bridge has learned it from frames.
        case learned
        case route
        /// The other end had the pod's address when the link appeared.
        case peer
        /// It leads into the namespace of a link that belongs to the pod.
        case sibling
        case runtime
        static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
    }

    struct Owner: Sendable, Equatable {
        /// The pod's addresses at the last look.
        var addresses: Set<IPAddress>
        var evidence: Evidence
        /// The link's name and hardware address; nil if taken over from an earlier run.
        var identity: Identity?
        /// The far end's hardware address, from which it may send. 0 if unknown.
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
    /// By address: the link at whose other end it was first seen; nil if at two links at once.
    var firstSeen: [IPAddress: UInt32?] = [:]

    public init() {}

    /// Takes over a binding of an earlier run, unless the network contradicts it.
    public mutating func adopt(port: UInt32, addresses: Set<IPAddress>, hardware: UInt64) {
        owners[port] = Owner(addresses: addresses, evidence: .peer, hardware: hardware)
    }

    /// Binds links to pods by the present state of the network.
    ///
    /// - Returns: where each pod is, except for pods whose place is unknown.
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

    /// Ports that a pod can be behind, without a known pod, on bridges that have pods.
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
                // An address that a pod claims beyond its own does not count.
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
