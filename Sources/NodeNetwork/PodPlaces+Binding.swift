// SPDX-License-Identifier: Apache-2.0
import NetworkTypes

extension PodPlaces {
    /// Links by the addresses of their other ends, or otherwise by what the bridges say.
    struct Candidates {
        private var peers: [IPAddress: [UInt32]] = [:]
        private var learned: [IPAddress: [UInt32]] = [:]
        private let firstSeen: [IPAddress: UInt32?]
        let network: NetworkState

        init(_ network: NetworkState, _ firstSeen: [IPAddress: UInt32?]) {
            self.network = network
            self.firstSeen = firstSeen
            for (link, peer) in network.peers {
                for address in peer.addresses { peers[address, default: []].append(link) }
            }
            for port in network.silentPorts {
                for address in network.learned(port).addresses { learned[address, default: []].append(port) }
            }
        }

        /// The one link whose other end has the address: of several, the first that had it, or otherwise the one of the
        /// route.
        func peer(_ address: IPAddress, isFree: (UInt32) -> Bool) -> UInt32? {
            let links = peers[address, default: []].filter(isFree)
            if links.count <= 1 { return links.first }
            if let first = firstSeen[address] ?? nil, links.contains(first) { return first }
            return network.interface(ofPod: address).flatMap { links.contains($0.index) ? $0.index : nil }
        }

        func learnedPort(_ address: IPAddress, isFree: (UInt32) -> Bool) -> UInt32? {
            let ports = learned[address, default: []].filter(isFree)
            return ports.count == 1 ? ports[0] : nil
        }
    }

    /// One look at the network.
    struct Binding<Key: Hashable & Comparable> {
        let claims: [Key: Claim]
        private(set) var owners: [UInt32: Owner]
        private(set) var links: [Key: Set<UInt32>] = [:]
        /// What bridges had learned: it stays if no better evidence is found.
        private var learned: [Key: [UInt32: Owner]] = [:]

        /// Keeps the bindings of pods that still exist.
        init(_ claims: [Key: Claim], _ owners: [UInt32: Owner]) {
            self.claims = claims
            self.owners = [:]
            var byAddress: [IPAddress: Key] = [:]
            for (key, claim) in claims { for address in claim.addresses { byAddress[address] = key } }
            for (link, owner) in owners {
                // An endpoint's addresses may now belong to two endpoints: it is the one that has more of them.
                var counts: [Key: Int] = [:]
                for address in owner.addresses { if let key = byAddress[address] { counts[key, default: 0] += 1 } }
                guard let key = counts.max(by: { ($0.value, $1.key) < ($1.value, $0.key) })?.key else { continue }
                var kept = owner
                kept.addresses = claims[key]!.addresses
                if owner.evidence == .learned {
                    learned[key, default: [:]][link] = kept
                } else {
                    self.owners[link] = kept
                    links[key, default: []].insert(link)
                }
            }
        }

        func isBound(_ key: Key) -> Bool { links[key] != nil }
        func isFree(_ link: UInt32) -> Bool { owners[link] == nil }

        /// The runtime created the network: its report overrides everything.
        mutating func bindRuntime(_ key: Key, _ network: NetworkState) {
            guard let names = claims[key]?.runtimeLinks, !names.isEmpty else { return }
            let told = network.links.values.filter {
                names.contains($0.name) && NetworkState.podKinds.contains($0.kind)
            }
            guard !told.isEmpty else { return }
            let indices = Set(told.map(\.index))
            for link in links[key, default: []] where !indices.contains(link) && owners[link]!.evidence < .sibling {
                release(link, of: key)
            }
            for link in told
            where owners[link.index]?.evidence != .runtime || !links[key, default: []].contains(link.index) {
                for other in claims.keys where links[other]?.contains(link.index) == true {
                    release(link.index, of: other)
                }
                bind(link.index, to: key, .runtime, network)
            }
        }

        mutating func bindPeer(_ key: Key, _ candidates: Candidates) {
            let found = Set(
                claims[key]!.addresses.compactMap { candidates.peer($0, isFree: { isFree($0) }) })
            // If there are two answers, neither is used.
            if found.count == 1 { bind(found.first!, to: key, .peer, candidates.network) }
        }

        mutating func bindRoute(_ key: Key, _ network: NetworkState) {
            let found = Set(claims[key]!.addresses.compactMap { network.interface(ofPod: $0)?.index })
            if found.count == 1, isFree(found.first!) { bind(found.first!, to: key, .route, network) }
        }

        mutating func bindLearned(_ key: Key, _ candidates: Candidates) {
            if let known = learned[key] {
                for (link, owner) in known where isFree(link) {
                    owners[link] = owner
                    links[key, default: []].insert(link)
                }
                return
            }
            let found = Set(
                claims[key]!.addresses.compactMap { candidates.learnedPort($0, isFree: { isFree($0) }) })
            if found.count == 1 { bind(found.first!, to: key, .learned, candidates.network) }
        }

        /// A further link into the same namespace belongs to the same pod. Links with further routes behind them are
        /// excluded, because they make the pod a router; bridge ports are found separately, because another network's
        /// bridge is excluded.
        mutating func bindSiblings(_ network: NetworkState) {
            var pods: [Int32: Key] = [:]
            for (key, links) in links {
                for link in links where owners[link]!.evidence != .sibling {
                    if let namespace = network.links[link]?.peerNamespace { pods[namespace] = key }
                }
            }
            for link in network.links.values where owners[link.index] == nil && link.master == 0 {
                guard NetworkState.podKinds.contains(link.kind), let namespace = link.peerNamespace,
                    let key = pods[namespace], !network.leadsFurther(link.index)
                else { continue }
                bind(link.index, to: key, .sibling, network)
            }
        }

        private mutating func bind(_ link: UInt32, to key: Key, _ evidence: Evidence, _ network: NetworkState) {
            guard let found = network.links[link] else { return }
            owners[link] = Owner(
                addresses: claims[key]!.addresses, evidence: evidence,
                identity: Identity(name: found.name, hardware: found.hardware))
            links[key, default: []].insert(link)
        }

        private mutating func release(_ link: UInt32, of key: Key) {
            owners[link] = nil
            links[key]?.remove(link)
            if links[key]?.isEmpty == true { links[key] = nil }
        }
    }
}
