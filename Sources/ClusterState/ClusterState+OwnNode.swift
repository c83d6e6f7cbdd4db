// SPDX-License-Identifier: Apache-2.0
import NetworkTypes

/// What the node delivers to itself by its local routes, whatever objects say: its interfaces' addresses and whole
/// prefixes.
///
/// A prefix that contains a pod's address is left out: it would make that pod the node, which may do anything.
struct LocalPrefixes: Sendable {
    /// As reported; sorted.
    private(set) var told: [CIDR] = []
    /// Endpoints' addresses inside each prefix that is wider than one address.
    private var endpointsInside: [CIDR: Int] = [:]

    /// The prefixes that count, and loopback.
    var prefixes: [CIDR] { CIDR.loopback + told.filter { endpointsInside[$0, default: 0] == 0 } }

    /// Replaces the reported prefixes.
    mutating func set(_ prefixes: [CIDR], endpoints: some Sequence<IPAddress>) {
        told = prefixes
        endpointsInside = [:]
        for prefix in prefixes where !prefix.isHost { endpointsInside[prefix] = 0 }
        guard !endpointsInside.isEmpty else { return }
        for address in endpoints { _ = count(address, 1) }
    }

    /// Records that an address has become an endpoint's, or ceased to be. Returns whether a different set of prefixes
    /// counts.
    mutating func count(_ address: IPAddress, _ difference: Int) -> Bool {
        guard !endpointsInside.isEmpty else { return false }
        var isOther = false
        for (prefix, old) in endpointsInside where prefix.contains(address) {
            endpointsInside[prefix] = old + difference
            if (old == 0) != (old + difference == 0) { isOther = true }
        }
        return isOther
    }
}

extension ClusterState {
    /// Indexes the prefixes of the node's local routes.
    package mutating func set(localAddresses: [CIDR]) {
        guard localAddresses != local.told else { return }
        local.set(localAddresses, endpoints: claims.owners.keys)
        changes.ownNode = true
        changes.nodes = true
    }

    /// Records that an address got its first owner, or lost its last.
    mutating func note(endpointAt address: IPAddress, _ difference: Int) {
        guard local.count(address, difference) else { return }
        changes.ownNode = true
        changes.nodes = true
    }

    /// Everything that the node delivers to itself: the addresses of its Node object, those that its pods name as their
    /// host's, its local routes and loopback; sorted.
    package var ownNodePrefixes: [CIDR] {
        var result = Set(local.prefixes)
        result.formUnion((nodes[nodeName]?.addresses ?? []).map(CIDR.init(host:)))
        result.formUnion(hostAddressCounts.keys.map(CIDR.init(host:)))
        return result.sorted()
    }
}
