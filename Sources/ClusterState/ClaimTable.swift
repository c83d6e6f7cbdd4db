// SPDX-License-Identifier: Apache-2.0
import NetworkTypes
import PolicyModel

/// The source by which an endpoint has an address. The greater source prevails.
///
/// Two sources have room between ``interfaceAlone`` and ``pushed`` and are not built: `learned`, from names or packets
/// that the datapath sees, and `remote`, from another cluster.
package enum ClaimSource: UInt8, Sendable, Hashable, Comparable {
    /// A network interface of this node leads there, and nothing else is known.
    case interfaceAlone = 0
    /// A controller has pushed an endpoint with this address.
    case pushed = 10
    /// The status of a Pod object.
    case object = 20
    /// The node's container runtime has given the address to the pod.
    case runtime = 30

    package static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
}

/// One endpoint's claim on an address.
package struct Claim: Sendable, Hashable {
    package var address: IPAddress
    package var endpoint: EndpointName
    package var source: ClaimSource
    /// When the claim was made; greater is younger. Compared within one source only. Objects have their creation in
    /// seconds since 1970.
    package var age: Int64

    package init(address: IPAddress, endpoint: EndpointName, source: ClaimSource, age: Int64 = 0) {
        self.address = address
        self.endpoint = endpoint
        self.source = source
        self.age = age
    }

    /// Whether the other claim on the same address prevails: it has the greater source, or otherwise is younger, or
    /// otherwise has the greater namespace and name.
    package func yields(to other: Claim) -> Bool {
        (source, age, endpoint) < (other.source, other.age, other.endpoint)
    }
}

/// Decides which endpoint has an address. Every claim goes through such a table: pods by their objects, the container
/// runtime's reports, pushed endpoints, and interfaces. The offline question over a whole cluster uses the same table.
///
/// This table is the source of truth. All other places that hold an address follow from it or feed it:
/// - `PodRecord.addresses` feeds it: what one endpoint claims, prevailing or not.
/// - `AddressPartition.hosts` (compiler): each address with its group and endpoint, to find its class.
/// - `CompiledPolicy.addresses`: each address with its class and endpoint number, for the datapath and `evaluate`.
/// - the kernel's address table: the same again, as the BPF programs or nftables read it.
///
/// Endpoints are numbers here, and a claim is made from a number when two compete: an address without a contest costs
/// one dictionary entry of one number.
package struct ClaimTable: Sendable {
    /// The owner of each address.
    package private(set) var owners: [IPAddress: UInt32] = [:]
    /// All claimants of an address, if there are several.
    private var contested: [IPAddress: [UInt32]] = [:]

    package init() {}

    /// The owner of one address before and after a change; nil: no endpoint claims it.
    package struct OwnerChange: Sendable, Hashable {
        package var before: UInt32?
        package var after: UInt32?

        package init(before: UInt32?, after: UInt32?) {
            self.before = before
            self.after = after
        }
    }

    /// The endpoint whose claim on an address prevails.
    package func owner(of address: IPAddress) -> UInt32? { owners[address] }

    /// Adds an endpoint's claim. It may have at most one on an address.
    ///
    /// - Parameter claim: returns the claim of an endpoint; called if several compete.
    package mutating func claim(
        _ address: IPAddress, by endpoint: UInt32, as claim: (UInt32) -> Claim
    ) -> OwnerChange {
        let owner = owners.value(of: address, orSetting: endpoint)
        guard owner != endpoint else { return OwnerChange(before: nil, after: endpoint) }
        contested[address, default: [owner]].append(endpoint)
        guard claim(owner).yields(to: claim(endpoint)) else { return OwnerChange(before: owner, after: owner) }
        owners[address] = endpoint
        return OwnerChange(before: owner, after: endpoint)
    }

    /// Removes an endpoint's claim; the strongest of the others prevails.
    package mutating func disclaim(
        _ address: IPAddress, by endpoint: UInt32, as claim: (UInt32) -> Claim
    ) -> OwnerChange {
        guard var rest = contested[address] else {
            return OwnerChange(before: owners.removeValue(forKey: address), after: nil)
        }
        rest.removeAll { $0 == endpoint }
        contested[address] = rest.count > 1 ? rest : nil
        var strongest = rest[0]
        for other in rest.dropFirst() where claim(strongest).yields(to: claim(other)) { strongest = other }
        return OwnerChange(before: owners.updateValue(strongest, forKey: address), after: strongest)
    }
}
