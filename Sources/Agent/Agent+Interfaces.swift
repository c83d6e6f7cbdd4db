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
        // The previous network stays: without it, source addresses would no longer be checked.
        case .failure(let error):
            logUnread(error)
            reconcile([])
        }
    }

    /// Observes the node's links and routes, and passes on to the pipeline what concerns policy.
    ///
    /// - Returns: what changed.
    private func take(_ told: NetworkState) -> Changed {
        // The report may be older than an attachment: the kernel is read before an attachment is forgotten.
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
        // A pod whose interface is gone has no network any more, whether or not the runtime has said so. If the change
        // cannot be saved for a restart, the pod stays for now.
        if fresh != nil, (try? take(inputs.attachments.removing(inputs.attachments.vanished(in: network)))) == true {
            changed.insert(.policy)
        }
        return changed
    }

    /// Reads what this node delivers to itself, before anything follows it. If it cannot be read, the Node object's
    /// addresses are known all the same.
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

    /// Does not wait for the reports to ``followNetwork(_:)``: the kernel knows more than it has reported.
    func readNetwork() {
        guard let read = settings.readNetwork else { return }
        do {
            networkChanged(.success(try read()))
        } catch {
            networkChanged(.failure(error))
        }
    }

    /// Whether endpoints may have moved after this step, or have other addresses.
    func concernsPlaces(_ delta: CompiledDelta) -> Bool {
        !delta.addedEndpoints.isEmpty || !delta.removedEndpoints.isEmpty
            || delta.addresses.contains {
                $0.entry?.endpoint ?? .none != .none || bridging.addresses.contains($0.prefix.network)
            }
    }

    /// Finds the place of each endpoint, and gives the datapath the places that are new or differ.
    func updatePlaces() {
        guard let network = inputs.network else { return }
        let claims = placeClaims()
        bridging.addresses = claims.values.reduce(into: []) { $0.formUnion($1.addresses) }
        bridging.found = bridging.places.update(claims, in: network)
        findProxy()
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

    /// What is known about the endpoints without the network. Unknown pods are left out: it is unknown what else they
    /// may send.
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

    /// The first interface that the datapath knows as the endpoint's.
    func interface(of id: EndpointID) -> InterfaceAnswer? {
        (programmed.places[id] ?? nil)?.interfaces.first.map { InterfaceAnswer(index: Int($0.index), name: $0.name) }
    }

    /// Endpoints without a known interface or bridge port of this node: policy may not hold for them. Endpoints that
    /// are known only by their interface are not included.
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
