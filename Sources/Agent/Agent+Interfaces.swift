// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
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
            bridging.found = state.bridgePorts
            noteCandidates()
            updateUnknown()
            updateInterfaces(of: pipeline.compiled.endpoints.keys)
            noteMismatches()
            if fresh != nil { forgetVanished(state) }
        case .failure(let error):
            // What was known stays: forgetting it would end the check of source addresses.
            tellUnread(error)
        }
        replacement.isDue = true
        replaceOther()
    }

    /// The addresses of this node's own interfaces, before anything follows them. None where they cannot be read: what
    /// the Node object says of them is known all the same.
    func readLocalAddresses() -> [CIDR] {
        do {
            localAddresses = try settings.readNetwork?().ownAddresses ?? []
        } catch {
            tellUnread(error)
        }
        return localAddresses.sorted().map(CIDR.init(host:))
    }

    private func tellUnread(_ error: NodeNetworkError) {
        logger.warning("the node's interfaces cannot be read", metadata: ["error": "\(error)"])
    }

    private func updateLocalAddresses(_ state: NetworkState) {
        let addresses = state.ownAddresses
        guard addresses != localAddresses else { return }
        localAddresses = addresses
        // A failure is noted and retried.
        try? advance { $0.apply(localAddresses: addresses.sorted().map(CIDR.init(host:))) }
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

    /// Tells the datapath the interface of each endpoint where it differs from what it was told, or nothing was told.
    func updateInterfaces(of endpoints: some Sequence<EndpointID>) {
        guard let network, !cluster.keepsPrevious else { return }
        defer { updateBridges() }
        for id in endpoints {
            guard let endpoint = pipeline.compiled.endpoints[id] else { continue }
            let interface = Self.interface(of: endpoint, in: network)
            guard interfaces[id] != .some(interface) else { continue }
            do {
                try datapath.setPlace(interface.map { EndpointPlace(interfaces: [$0]) }, of: id)
                interfaces[id] = .some(interface)
            } catch {
                logger.error(
                    "interface not set", metadata: ["endpoint": "\(endpoint.name)", "error": "\(error)"])
            }
        }
    }

    /// Endpoints that neither an interface nor a bridge port of this node leads to, as far as is known: policy may not hold
    /// for them. Those that are known by their interface alone are none.
    var endpointsWithoutInterface: [EndpointID] {
        pipeline.compiled.endpoints.compactMap { id, endpoint in
            (interfaces[id] ?? nil) == nil && bridging.places[id] == nil
                && endpoint.name.namespace != PolicyPipeline.unknownNamespace ? id : nil
        }
    }

    /// The interface that the routes to all of the endpoint's addresses that have one agree on.
    private static func interface(of endpoint: CompiledEndpoint, in network: NetworkState) -> EndpointInterface? {
        // Of one that no object tells of it is not known what else it may send.
        guard endpoint.name.namespace != PolicyPipeline.unknownNamespace else { return nil }
        let found = Set(endpoint.addresses.compactMap { network.interface(ofPod: $0) })
        guard found.count == 1, let interface = found.first else { return nil }
        return EndpointInterface(index: interface.index, name: interface.name)
    }
}
