// SPDX-License-Identifier: Apache-2.0
import NetworkTypes
import NodeNetwork
import Synchronization

/// The node's network in the kernel's answers.
final class FakeNetwork: Sendable {
    private let value = Mutex(NetworkState())

    var state: NetworkState { value.withLock { $0 } }

    /// A pair whose other end is a pod's, with a route to it; or a device with an address of the node's own.
    func add(_ name: String, index: UInt32, address: String?, own: String? = nil) {
        value.withLock { state in
            let kind = own == nil ? "veth" : ""
            _ = state.observe(.link(Link(index: index, name: name, kind: kind, peerNamespace: Int32(index))))
            if let address = address.flatMap({ try? IPAddress($0) }) {
                _ = state.observe(.route(Route(destination: CIDR(host: address), links: [index]), replaces: false))
            }
            if let own = own.flatMap({ try? IPAddress($0) }) {
                _ = state.observe(.address(LinkAddress(link: index, address: own, prefixLength: 24)))
            }
        }
    }

    /// A bridge with a port whose other end is a pod's.
    func addBridge(_ name: String, index: UInt32, port: String, portIndex: UInt32, address: String) throws {
        let address = LinkAddress(link: 2, address: try IPAddress(address), prefixLength: 24)
        value.withLock { state in
            _ = state.observe(.link(Link(index: index, name: name, kind: "bridge")))
            _ = state.observe(
                .link(
                    Link(index: portIndex, name: port, kind: "veth", master: index, peerIndex: 2, peerNamespace: 9)))
            _ = state.observe(.peerAddress(namespace: 9, address))
        }
    }

    func removeAll() { value.withLock { $0 = NetworkState() } }
}
