// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import ControlProtocol
import Datapath
import NetworkTypes
import NodeNetwork
import PolicyPipeline

extension Agent where Plane: ~Copyable {
    public func followNetwork(_ receiver: @escaping NetworkFollower.Receiver) throws(NodeNetworkError)
        -> NetworkFollower
    {
        try NetworkFollower(receiver)
    }

    public func networkChanged(_ state: Result<NetworkState, NodeNetworkError>) {
        switch state {
        case .success(let told):
            // What was told may be older than an attachment: the kernel is asked before one is forgotten.
            let fresh = hasVanished(in: told) ? try? settings.readNetwork?() : nil
            let state = fresh ?? told
            network = state
            updateLocalAddresses(state)
            updateUnknown()
            updatePlaces()
            updateTunnels()
            noteMismatches()
            if fresh != nil { forgetVanished(state) }
        case .failure(let error):
            // What was known stays: forgetting it would end the check of source addresses.
            tellUnread(error)
        }
        replacement.isDue = true
        replaceOther()
    }

    /// What this node takes in itself, before anything follows it. Nothing where that cannot be read: what the Node object
    /// says of it is known all the same.
    func readLocalAddresses() -> [CIDR] {
        do {
            localAddresses = try settings.readNetwork?().ownPrefixes ?? []
        } catch {
            tellUnread(error)
        }
        return localAddresses.sorted()
    }

    func isOwnAddress(_ address: IPAddress) -> Bool { localAddresses.contains { $0.contains(address) } }

    private func tellUnread(_ error: NodeNetworkError) {
        logger.warning("the node's interfaces cannot be read", metadata: ["error": "\(error)"])
    }

    private func updateLocalAddresses(_ state: NetworkState) {
        let prefixes = state.ownPrefixes
        guard prefixes != localAddresses else { return }
        localAddresses = prefixes
        // A failure is noted and retried.
        try? advance { $0.apply(localAddresses: prefixes.sorted()) }
    }

    /// Does not wait for what ``followNetwork(_:)`` tells: the kernel knows more than has been told.
    func readNetwork() {
        guard let read = settings.readNetwork else { return }
        do {
            networkChanged(.success(try read()))
        } catch {
            networkChanged(.failure(error))
        }
    }

    /// Whether endpoints may be elsewhere after this step, or have other addresses.
    func concernsPlaces(_ delta: CompiledDelta) -> Bool {
        !delta.addedEndpoints.isEmpty || !delta.removedEndpoints.isEmpty
            || delta.addresses.contains {
                $0.entry?.endpoint ?? .none != .none || bridging.addresses.contains($0.prefix.network)
            }
    }

    /// Finds out where each endpoint is, and tells the datapath where that differs from what it was told, or nothing
    /// was told.
    func updatePlaces() {
        guard let network, !cluster.keepsPrevious else { return }
        let claims = placeClaims()
        bridging.addresses = claims.values.reduce(into: []) { $0.formUnion($1.addresses) }
        bridging.found = bridging.places.update(claims, in: network)
        updateBridges(network)
        for (id, endpoint) in pipeline.compiled.endpoints {
            let place = bridging.found[id].map(EndpointPlace.init)
            guard places[id] != .some(place) else { continue }
            do {
                try datapath.setPlace(place, of: id)
                places[id] = .some(place)
            } catch {
                logger.error(
                    "interface not set", metadata: ["endpoint": "\(endpoint.name)", "error": "\(error)"])
            }
        }
    }

    /// What is known of the endpoints without the network. Unknown pods are left out: what else they may send is not known
    /// either.
    private func placeClaims() -> [EndpointID: PodPlaces.Claim] {
        var told: [IPAddress: Set<String>] = [:]
        for record in attached.records.values where !record.hostInterfaces.isEmpty {
            for address in record.pod.addresses { told[address, default: []].formUnion(record.hostInterfaces) }
        }
        return pipeline.compiled.endpoints
            .filter { $0.value.name.kind != .unknown }
            .mapValues { endpoint in
                let links = endpoint.addresses.reduce(into: Set<String>()) { $0.formUnion(told[$1, default: []]) }
                return PodPlaces.Claim(addresses: Set(endpoint.addresses), runtimeLinks: links)
            }
    }

    /// The first interface that the datapath knows to be the endpoint's.
    func interface(of id: EndpointID) -> InterfaceAnswer? {
        (places[id] ?? nil)?.interfaces.first.map { InterfaceAnswer(index: Int($0.index), name: $0.name) }
    }

    /// Endpoints that neither an interface nor a bridge port of this node leads to, as far as is known: policy may not hold
    /// for them. Those that are known by their interface alone are none.
    var endpointsWithoutInterface: [EndpointID] {
        pipeline.compiled.endpoints.compactMap { id, endpoint in
            (places[id] ?? nil) == nil && bridging.found[id] == nil
                && endpoint.name.kind != .unknown ? id : nil
        }
    }
}

extension EndpointPlace {
    init(_ place: PodPlace) {
        self.init(
            interfaces: place.interfaces.map { EndpointInterface(index: $0.index, name: $0.name) },
            port: place.port.map {
                EndpointBridgePort(index: $0.port.index, bridge: $0.bridge.index, hardware: place.hardware)
            })
    }
}
