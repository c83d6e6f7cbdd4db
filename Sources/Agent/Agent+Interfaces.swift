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
        replacement.isDue = true
        switch state {
        case .success(let told): reconcile(take(told))
        // What was known stays: forgetting it would end the check of source addresses.
        case .failure(let error):
            logUnread(error)
            reconcile([])
        }
    }

    /// Takes in the node's links and routes, and hands the pipeline what of them concerns policy.
    ///
    /// - Returns: what changed.
    private func take(_ told: NetworkState) -> Changed {
        // What was told may be older than an attachment: the kernel is asked before one is forgotten.
        let fresh = inputs.attachments.vanished(in: told).isEmpty ? nil : try? settings.readNetwork?()
        let network = fresh ?? told
        var changed: Changed = .places
        inputs.network = network
        let prefixes = network.ownPrefixes
        if prefixes != inputs.localAddresses {
            inputs.localAddresses = prefixes
            pipeline.ingest(localAddresses: prefixes.sorted())
            changed.insert(.policy)
        }
        let interfaces = Dictionary(
            network.podAddresses.map { ($0.key.name, $0.value) }, uniquingKeysWith: { first, _ in first })
        if interfaces != podInterfaces {
            podInterfaces = interfaces
            pipeline.ingest(interfaces: interfaces)
            changed.insert(.policy)
        }
        // A pod whose interface is gone has no network any more, whether or not the runtime has said so. What cannot be
        // kept for a restart stays for now.
        if fresh != nil, (try? take(inputs.attachments.removing(inputs.attachments.vanished(in: network)))) == true {
            changed.insert(.policy)
        }
        return changed
    }

    /// Reads what this node takes in itself, before anything follows it. Nothing where that cannot be read: what the
    /// Node object says of it is known all the same.
    func readLocalAddresses() {
        do {
            inputs.localAddresses = try settings.readNetwork?().ownPrefixes ?? []
        } catch {
            logUnread(error)
        }
    }

    func isOwnAddress(_ address: IPAddress) -> Bool { inputs.localAddresses.contains { $0.contains(address) } }

    private func logUnread(_ error: NodeNetworkError) {
        logger.warning("the node's interfaces cannot be read", metadata: ["error": "\(error)"])
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
        guard let network = inputs.network else { return }
        let claims = placeClaims()
        bridging.addresses = claims.values.reduce(into: []) { $0.formUnion($1.addresses) }
        bridging.found = bridging.places.update(claims, in: network)
        updateBridges(network)
        for (id, endpoint) in pipeline.compiled.endpoints {
            let place = bridging.found[id].map(EndpointPlace.init)
            guard programmed.places[id] != .some(place) else { continue }
            do {
                try datapath.setPlace(place, of: id)
                programmed.places[id] = .some(place)
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
        for record in inputs.attachments.records.values where !record.hostInterfaces.isEmpty {
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
        (programmed.places[id] ?? nil)?.interfaces.first.map { InterfaceAnswer(index: Int($0.index), name: $0.name) }
    }

    /// Endpoints that neither an interface nor a bridge port of this node leads to, as far as is known: policy may not
    /// hold for them. Those that are known by their interface alone are none.
    var endpointsWithoutInterface: [EndpointID] {
        pipeline.compiled.endpoints.compactMap { id, endpoint in
            (programmed.places[id] ?? nil) == nil && bridging.found[id] == nil
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
