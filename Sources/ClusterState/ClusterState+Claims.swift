// SPDX-License-Identifier: Apache-2.0
import NetworkTypes
import PolicyModel

/// How pods and endpoints enter ``ClaimTable``, and what the table decides about them.
extension ClusterState {
    /// Enters the claims of a pod or of an endpoint without an object.
    mutating func claim(_ number: UInt32) {
        guard !pods[Int(number)].isOutsidePolicy else { return }
        // Separate from the rest, so that it can read the claims that it compares.
        var table = ClaimTable()
        swap(&table, &claims)
        for address in pods[Int(number)].addresses {
            changes.addresses.append(address)
            let owner = table.claim(address, by: number) { claim(of: $0, on: address) }
            if let before = owner.before { noteLocal(before) } else { note(endpointAt: address, 1) }
        }
        swap(&table, &claims)
    }

    /// Removes all claims of an endpoint.
    mutating func disclaim(_ number: UInt32) {
        guard !pods[Int(number)].isOutsidePolicy else { return }
        var table = ClaimTable()
        swap(&table, &claims)
        for address in pods[Int(number)].addresses {
            changes.addresses.append(address)
            let owner = table.disclaim(address, by: number) { claim(of: $0, on: address) }
            if let after = owner.after { noteLocal(after) } else { note(endpointAt: address, -1) }
        }
        swap(&table, &claims)
    }

    private func claim(of number: UInt32, on address: IPAddress) -> Claim {
        let record = pods[Int(number)]
        return Claim(
            address: address, endpoint: endpointName(ofPod: number), source: record.source, age: record.createdAt)
    }

    private mutating func noteLocal(_ number: UInt32) {
        if pods[Int(number)].isLocal { changes.localPods.insert(number) }
    }

    // MARK: Who has what

    /// The group of the pod that has an address. Also nil for held and pushed endpoints: they are never peers.
    package func group(of address: IPAddress) -> UInt32? {
        claims.owner(of: address).flatMap { pods[Int($0)].hasGroup ? pods[Int($0)].group : nil }
    }

    /// The addresses that a pod, or an endpoint without an object, has; sorted.
    package func ownedAddresses(ofPod number: UInt32) -> [IPAddress] {
        pods[Int(number)].addresses.filter { claims.owner(of: $0) == number }
    }

    /// The pod, known or unknown, that has an address.
    public func pod(owning address: IPAddress) -> EndpointName? {
        guard let owner = claims.owner(of: address) else { return nil }
        let name = endpointName(ofPod: owner)
        return name.kind == .pod || name.kind == .unknown ? name : nil
    }

    /// The number of the endpoint of this node that has an address; nil if there is none.
    package func localOwner(of address: IPAddress) -> UInt32? {
        claims.owner(of: address).flatMap { pods[Int($0)].isLocal ? $0 : nil }
    }

    /// The addresses at which a pushed endpoint is judged: those that it has, and those that pods of other nodes have.
    /// As a peer such an address belongs to that pod. But another node's object must not take protection away from an
    /// endpoint here.
    package func judgedAddresses(ofPushed name: EndpointName) -> [IPAddress] {
        guard let number = withoutObject.numbers[name] else { return [] }
        return pods[Int(number)].addresses.filter { address in localOwner(of: address).map { $0 == number } ?? true }
    }

    /// The name of a pod, or of an endpoint without an object.
    package func endpointName(ofPod number: UInt32) -> EndpointName {
        let record = pods[Int(number)]
        guard record.kind == .pod else {
            guard let name = withoutObject.names[number] else { preconditionFailure("endpoint without a name") }
            return name
        }
        return EndpointName(namespace: namespaces[Int(record.namespace)].name, name: record.name)
    }

    /// The number of a pod with an object. Nil if there is none.
    package func number(ofPod name: EndpointName) -> UInt32? {
        guard name.kind == .pod, let namespace = namespaceNumbers[name.namespace] else { return nil }
        return podNumbers[ScopedName(namespace: namespace, name: name.name)]
    }

    /// The number of the unknown pod with this name in answers.
    func number(ofUnknownShownAs name: EndpointName) -> UInt32? {
        let unknown = EndpointName(unknownBehind: name.shownName)
        return unknown.shownNamespace == name.shownNamespace ? withoutObject.numbers[unknown] : nil
    }
}
