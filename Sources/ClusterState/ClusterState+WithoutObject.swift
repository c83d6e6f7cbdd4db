// SPDX-License-Identifier: Apache-2.0
import NetworkTypes
import PolicyModel

/// Endpoints of this node without a Pod object: held, unknown and pushed ones. Their records are among the pods'.
struct EndpointsWithoutObject: Sendable {
    var numbers: [EndpointName: UInt32] = [:]
    var names: [UInt32: EndpointName] = [:]
    /// Addresses of pods, known or not, by the interface of this node that leads to each.
    var interfaces: [String: Set<IPAddress>] = [:]
    /// Whether ``interfaces`` changed since the unknown pods were last found.
    var areInterfacesNew = false
}

extension ClusterState {
    /// Replaces the endpoints that controllers have pushed: their names, of ``EndpointKind/pushed``, and addresses.
    package mutating func set(pushed endpoints: [EndpointName: [IPAddress]]) { replace(.pushed, with: endpoints) }

    /// Replaces what is known of this node's interfaces that lead to pods.
    package mutating func set(interfaces: [String: Set<IPAddress>]) {
        withoutObject.interfaces = interfaces
        withoutObject.areInterfacesNew = true
    }

    /// Updates held and unknown endpoints, once all events of a step are indexed.
    package mutating func placeEndpointsWithoutObject() {
        let isAttachedNew = attached.isChanged
        if isAttachedNew {
            attached.isChanged = false
            let held = heldAttachments.map { (EndpointName(heldFor: $0), $0.addresses) }
            replace(.held, with: Dictionary(held, uniquingKeysWith: { first, _ in first }))
        }
        let areOthersNew = !changes.addresses.isEmpty || !changes.policies.isEmpty
        guard isAttachedNew || withoutObject.areInterfacesNew || areOthersNew else { return }
        withoutObject.areInterfacesNew = false
        replace(.unknown, with: unknownPods())
    }

    /// Endpoints that stand for unknown pods.
    package var unknownEndpointCount: Int { withoutObject.numbers.keys.count { $0.kind == .unknown } }

    /// An interface stands for an unknown pod while a policy selects all pods and only interfaces claim its addresses:
    /// as a whole or not at all.
    private func unknownPods() -> [EndpointName: [IPAddress]] {
        guard !withoutObject.interfaces.isEmpty, selectsAllPods else { return [:] }
        var result: [EndpointName: [IPAddress]] = [:]
        for (interface, addresses) in withoutObject.interfaces where !addresses.isEmpty {
            let isKnown = addresses.contains { address in
                isHeld(address) || claims.owner(of: address).map { pods[Int($0)].kind != .unknown } ?? false
            }
            if !isKnown { result[EndpointName(unknownBehind: interface)] = Array(addresses) }
        }
        return result
    }

    /// Whether a policy selects all pods, whatever their namespace and labels.
    private var selectsAllPods: Bool {
        clusterPolicies.contains { number in
            guard let subject = policies[Int(number)]?.subject, case .selector(let namespaces) = subject.namespaces
            else { return false }
            return namespaces.requirements.isEmpty && subject.pods.requirements.isEmpty
        }
    }

    /// Replaces all endpoints of one kind.
    private mutating func replace(_ kind: EndpointKind, with new: [EndpointName: [IPAddress]]) {
        guard !withoutObject.numbers.isEmpty || !new.isEmpty else { return }
        let gone = withoutObject.numbers.filter { $0.key.kind == kind && new[$0.key] == nil }
        for (name, number) in gone.sorted(by: { $0.key < $1.key }) {
            leave(number)
            released.pods.append(number)
            withoutObject.numbers[name] = nil
            withoutObject.names[number] = nil
        }
        for (name, addresses) in new.sorted(by: { $0.key < $1.key }) { place(name, Self.canonical(addresses)) }
    }

    private mutating func place(_ name: EndpointName, _ addresses: [IPAddress]) {
        var record = PodRecord(
            name: "", namespace: Self.noNamespace, createdAt: 0, uid: UIDBits(""), addresses: addresses,
            kind: name.kind, source: name.kind.source, isLocal: true, isOutsidePolicy: false, isFinished: false)
        if let number = withoutObject.numbers[name] {
            guard pods[Int(number)].addresses != addresses else { return }
            if name.kind == .unknown { record.group = pods[Int(number)].group }
            replace(number, with: record)
            return
        }
        if name.kind == .unknown { record.group = groupOfUnknown() }
        let number: UInt32
        if let old = freePods.popLast() {
            number = old
            pods[Int(old)] = record
        } else {
            number = UInt32(pods.count)
            pods.append(record)
        }
        withoutObject.numbers[name] = number
        withoutObject.names[number] = name
        enter(number)
    }
}

extension EndpointKind {
    /// The source of the claims of an endpoint of this kind; a pod's may also be the runtime.
    fileprivate var source: ClaimSource {
        switch self {
        case .pod: .object
        case .held: .runtime
        case .unknown: .interfaceAlone
        case .pushed: .pushed
        }
    }
}
